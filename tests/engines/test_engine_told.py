"""A server tells which engine runs its model, and why."""

from __future__ import annotations

from support.serving import serving


async def test_stats_and_log_say_which_engine_and_why() -> None:
    async with serving("--model", "nano", "--engine", "onnx", "--precision", "fp32") as server:
        stats = await server.until(lambda stats: stats["engine"] is not None)
        told = {"name": "onnx", "device": "cpu", "precision": "fp32", "reason": "asked for by name"}
        assert stats["engine"] == stats["models"][0]["engine"] == told
        await server.said("engine onnx on cpu in fp32: asked for by name")
