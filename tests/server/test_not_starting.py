"""A server that can not start says why."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import pytest

from support.serving import serving
from support.waiting import within


async def log_of_failed_serve(*options: str) -> str:
    with pytest.raises(AssertionError, match="the server ended") as ended:
        async with serving(*options):
            pass
    return str(ended.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--host", "0.0.0.0"), "--insecure"),
        (("--host", "203.0.113.7", "--insecure"), "choose another with --host"),
        (("--model", "nowhere.onnx"), "nowhere.onnx"),
        (("--engine", "tpu"), "tpu"),
        (("--device", "gpu"), "device"),
    ],
)
async def test_a_server_that_cannot_be_says_why(options: tuple[str, ...], says: str) -> None:
    log = await log_of_failed_serve(*options)
    assert "error:" in log
    assert says in log
    assert "Traceback" not in log


async def test_a_model_that_cannot_load_ends_the_server_with_the_reason(tmp_path: Any) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not a graph")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sightline", "serve", "--port", "0", "--model", str(bad)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await within(process.communicate(), 60)
    assert process.returncode == 2
    assert "bad.onnx" in out.decode()


async def test_port_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        log = await log_of_failed_serve("--port", str(taken.getsockname()[1]))
    assert "--port" in log
