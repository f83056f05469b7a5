"""A fault at a border of the server costs the one concerned: its neighbour has every result, and /ready stays true."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from sightline.core import registry, supervisor
from sightline.streams.hub import Hub
from sightline.streams.model_switch import ModelSwitch
from support.faults import FAULTS
from support.neighbours import KINDS, misbehave, neighbours, sent
from support.streams import Recorder, until


async def test_a_model() -> None:
    now: list[str] = ["None"]
    async with neighbours(now) as (server, neighbour):
        for kind in KINDS:
            now[0] = kind
            publisher = Recorder()
            await server.on_loop(sent(server.hub, publisher))
            assert publisher.reasons == {"failed": 1}, kind
            await neighbour.is_well()


async def test_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = registry.load("analytics", "counts").CountObjects
    right, now = stage.apply, [""]
    monkeypatch.setattr(
        stage,
        "apply",
        lambda self, frame, *rest: misbehave(now[0]) if frame.stream == "bad" else right(self, frame, *rest),
    )
    stages = {name: {"stages": ("counts",)} for name in ("good", "bad")}
    async with neighbours([], streams=stages) as (server, neighbour):
        for kind in KINDS:
            now[0] = kind
            publisher = Recorder()
            await server.on_loop(sent(server.hub, publisher))
            assert publisher.reasons == {"result": 1}, kind
            told = (await server.figures())["troubles"]
            assert list(told) == ["stream bad: stage counts"], kind
            await neighbour.is_well()


async def test_a_stage_that_can_not_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [""]
    monkeypatch.setattr(registry.load("analytics", "counts"), "create", lambda: misbehave(now[0]))
    async with neighbours([]) as (server, neighbour):
        for kind in FAULTS:
            now[0] = kind
            publisher = Recorder()
            await server.on_loop(_with_stage(server.hub, publisher))
            assert publisher.reasons == {"result": 1}, kind
            await neighbour.is_well()


async def _with_stage(hub: Hub, publisher: Recorder) -> None:
    from sightline.analytics.base import Pipeline

    hub.open_stream("bad").pipeline = Pipeline.of(["counts"])
    await sent(hub, publisher)


async def test_a_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = registry.load("renderers", "boxes")
    right, now = renderer.render, [""]

    def render(image: Any, prediction: Any, labels: Any, *, opacity: float = 0.5) -> Any:
        return misbehave(now[0]) if now[0] else right(image, prediction, labels, opacity=opacity)

    monkeypatch.setattr(renderer, "render", render)
    async with neighbours([]) as (server, neighbour):
        for kind in KINDS:
            now[0] = kind
            await neighbour.is_well()  # whose new result is not drawn yet
            with pytest.raises(HTTPError) as refused:
                await asyncio.to_thread(server.get, "/snapshot/good.jpg?mode=boxes&opacity=50")
            assert refused.value.code == 500, kind
            refused.value.close()
            now[0] = ""
            await neighbour.is_well()
            assert await asyncio.to_thread(server.get, "/snapshot/good.jpg?mode=boxes&opacity=50")


async def test_an_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = registry.load("outputs", "jsonl").JsonlOutput
    right, now, asked = plugin.send, [""], asyncio.Event()

    async def send(self: Any, batch: Any) -> Any:
        if "bad" not in self.name:
            return await right(self, batch)
        asked.set()
        return misbehave(now[0]) if now[0] else await right(self, batch)

    async def close(self: Any) -> None:
        raise SystemExit(4)

    monkeypatch.setattr(plugin, "send", send)
    monkeypatch.setattr(plugin, "close", close)
    tables = [{"kind": "jsonl", "path": str(tmp_path / f"{name}.jsonl")} for name in ("good", "bad")]
    async with neighbours([], outputs=tables) as (server, neighbour):
        for kind in FAULTS:
            now[0] = kind
            asked.clear()
            await neighbour.is_well()
            await server.figures(lambda s: any("bad" in what for what in s["troubles"]))
        now[0] = ""
        await neighbour.is_well()
        stats = await server.figures(lambda s: not s["troubles"])
        assert [sink["lost"] for sink in stats["sinks"]] == [0, neighbour.sent - stats["sinks"][1]["sent"]]
        assert stats["restarts"] == {}
        count = neighbour.sent
    assert len((tmp_path / "good.jsonl").read_text().splitlines()) >= count


async def test_an_output_whose_task_ends_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sightline.outputs._dispatcher import Dispatcher

    monkeypatch.setattr(supervisor, "MOST_S", 0.01)
    right, left = Dispatcher._gather, list(FAULTS)

    async def gather(self: Dispatcher) -> None:
        if len(left) == len(FAULTS) or self.sent:
            await right(self)
        if left:
            misbehave(left.pop())

    monkeypatch.setattr(Dispatcher, "_gather", gather)
    path = tmp_path / "good.jsonl"
    async with neighbours([], outputs=[{"kind": "jsonl", "path": str(path)}]) as (server, neighbour):
        await server.figures(lambda s: s["restarts"] == {f"output jsonl {path}": len(FAULTS)})
        await neighbour.is_well()
        stats = await server.figures(lambda s: s["sinks"][0]["sent"] == neighbour.sent and not s["sinks"][0]["failing"])
        assert stats["sinks"][0]["lost"] == 0


async def test_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightline.transports._puller.BROKEN_S", 0.01)
    plugin = registry.load("sources", "synthetic").Synthetic
    right, left, number = plugin._shapes, list(FAULTS), len(FAULTS)

    def shapes(self: Any, index: int) -> Any:
        if left and self._seed == 7:
            misbehave(left.pop())
        return right(self, index)

    monkeypatch.setattr(plugin, "_shapes", shapes)
    async with neighbours([], sources={"bad": "synthetic:?size=64x64&fps=30&seed=7"}) as (server, neighbour):
        await server.figures(lambda s: s["restarts"] == {"pull bad": number})
        await neighbour.is_well()
        await server.figures(lambda s: s["streams"]["bad"]["state"] == "live")


async def test_a_spawned_task(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [""]

    async def change(*_: object) -> None:
        misbehave(now[0])

    monkeypatch.setattr(ModelSwitch, "change", change)
    monkeypatch.setattr(ModelSwitch, "change_now", lambda *_: False)
    async with neighbours([]) as (server, neighbour):
        for kind in FAULTS:
            now[0] = kind
            publisher = Recorder()
            await server.on_loop(_wishing(server.hub, publisher))
            told = (await server.figures())["troubles"]
            assert list(told) == ["stream bad: the wish for a model"], kind
            await neighbour.is_well()


async def _wishing(hub: Hub, publisher: Recorder) -> None:
    stream = hub.take("bad", publisher)
    hub.wish(stream, publisher, {"confidence": 0.5})
    await until(lambda: bool(hub.supervisor.troubles))
    hub.release(stream, publisher)


async def test_a_stream_that_can_not_be_adapted_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from sightline.streams.adaptive import service

    now, steps = [""], [0]

    def follow(hub: Hub, stream: Any) -> None:
        if stream.name == "bad":
            steps[0] += 1
            misbehave(now[0])

    monkeypatch.setattr(service, "_follow", follow)
    monkeypatch.setattr(service, "STEP_S", 0.01)
    now[0] = next(iter(FAULTS))
    async with neighbours([]) as (server, neighbour):
        await server.on_loop(sent(server.hub, Recorder()))
        for kind in FAULTS:
            now[0], before = kind, steps[0]
            await until(lambda before=before: steps[0] > before + 2)  # type: ignore[misc]
            await neighbour.is_well()
        stats = await server.figures()
        assert list(stats["troubles"]) == ["stream bad: adaptation"]
        assert stats["restarts"] == {}
    said = [r.getMessage() for r in caplog.records if "adaptation failed" in r.getMessage()]
    assert said == ["stream bad: adaptation failed; said once until it works again"]
