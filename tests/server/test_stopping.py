"""A server that is told to stop does so, with status 0, whatever hangs; and one that can't go on says why."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from support import rtc
from support.outside import install
from support.recorded import pieces
from support.serving import Running, camera, peer, publish, serving
from support.tcp_peer import tcp_peer
from support.waiting import within

PATIENCE_S = 8
"""Docker kills after 10 seconds. The server's own limit is 5, which a busy machine may stretch."""
HANGING = """
import time
from sightline.models.motion import Motion, builtin as card
from dataclasses import replace

def builtin():
    return replace(card(), name="{name}")

class Hanging(Motion):
    def predict(self, images, **given):
        if "door" in (given.get("streams") or ()):  # not while it is warmed
            print("the model hangs", flush=True)
            {in_frame}
        return super().predict(images, **given)

def create():
    {in_load}
    return Hanging()
"""
FOR_EVER = "time.sleep(3600)"


async def stops(server: Running) -> None:
    """Tell the server to stop, and see that it does."""
    server.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_S):
        assert await server.process.wait() == 0


@contextmanager
def deaf() -> Iterator[int]:
    """A port on which somebody listens who never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@asynccontextmanager
async def busy(server: Running) -> AsyncGenerator[None]:
    """Cameras, viewers that look, and viewers that read nothing any more."""
    async with AsyncExitStack() as stack:
        for number in range(8):
            name = f"cam{number}"
            await stack.enter_async_context(camera(server, name))
            viewer = await stack.enter_async_context(peer(f"{server.ws}/ws/view/{name}"))
            await viewer.next("frame_metadata")
        for _ in range(3):
            stalled = await stack.enter_async_context(peer(f"{server.ws}/ws/view/cam0", max_queue=1))
            stalled.ws.transport.pause_reading()
            stack.callback(stalled.ws.transport.abort)
            quiet = await stack.enter_async_context(tcp_peer(server.tcp))
            await quiet.send({"type": "subscribe", "stream": "cam0", "pictures": True})
            quiet.reader._transport.pause_reading()  # type: ignore[attr-defined]
            stack.callback(quiet.writer.transport.abort)
        watching = await stack.enter_async_context(rtc.viewer(server, "cam1"))
        await watching.until(lambda: watching.of("frame_metadata"))
        yield


async def test_with_streams_viewers_of_all_kinds_and_others_that_never_answer(tmp_path: Path) -> None:
    """A webhook's receiver, a broker and a command hang, and so do two cameras while they are connected."""
    config = tmp_path / "sightline.toml"
    with deaf() as port:
        table = f'kind = "webhook"\nwhat = ["results"]\nurl = "http://127.0.0.1:{port}/"\nevery_s = 0'
        broker = f'kind = "mqtt"\nhost = "127.0.0.1"\nport = {port}\nhome_assistant = true\nwhat = ["results"]'
        command = 'kind = "command"\ncommand = ["sleep", "1000"]\nwhat = ["results"]'
        config.write_text("".join(f"[[outputs]]\n{one}\n" for one in (table, broker, command)))
        sources = [f"--source=hangs-{scheme}={scheme}://127.0.0.1:{port}/1" for scheme in ("rtsp", "http")]
        options = ("--tcp-port", "0", "--model", "motion", *sources)
        async with serving(*options, env={"SIGHTLINE_CONFIG": str(config)}) as server, busy(server):
            await server.until(lambda stats: stats["sinks"][0]["waiting"] > 0)
            await stops(server)
    assert "without waiting any longer" not in "".join(server.log), server.log[-5:]


async def test_a_second_signal_cuts_nothing_short(tmp_path: Path) -> None:
    """As make sends it, or who presses Ctrl-C twice. Recordings were left to be mended, and the log had a traceback."""
    streams = json.dumps({"lane": {"record": "always"}})
    source = ("--source", "lane=synthetic:shapes?size=320x240&fps=30")
    env = {"SIGHTLINE_STREAMS": streams, "SIGHTLINE_RECORD_FREE_GB": "0"}
    async with serving("--model", "motion", *source, env=env, data=tmp_path) as server:
        await server.until(lambda stats: stats["recordings"].get("lane", {"written": 0})["written"] > 10)
        server.process.send_signal(signal.SIGINT)
        await stops(server)
    assert [piece.ended for piece in pieces(tmp_path / "recordings")] == [True]
    assert "Traceback" not in "".join(server.log)


@pytest.mark.parametrize("place", ["process", "thread"])
@pytest.mark.parametrize("where", ["in_frame", "in_load"])
async def test_with_a_model_that_hangs(where: str, place: str, tmp_path: Path) -> None:
    """A process is ended; a thread can't be, so the log names it."""
    code = HANGING.format(name="hangs", **({"in_frame": "pass", "in_load": "pass"} | {where: FOR_EVER}))
    env = install(tmp_path / "site", {"hanging": code}, {"models": {"hangs": "hanging"}}) | {"SIGHTLINE_PLACE": place}
    async with (
        serving("--model", "hangs", env=env, ready=where == "in_frame") as server,
        peer(f"{server.ws}/ws/camera/door") as publisher,
    ):
        await publisher.send_frame(0)
        if where == "in_frame":
            await server.said("the model hangs")
        await stops(server)
    assert ("the server ends without waiting any longer for" in "".join(server.log)) == (place == "thread")


async def test_a_server_that_ends_by_itself_says_why_in_one_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not a graph")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sightline", "serve", "--port", "0", "--log-format", "json", "--model", str(bad)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await within(process.communicate(), 60)
    assert process.returncode == 2
    *_, last = [json.loads(line) for line in said.splitlines()]
    assert (last["level"], last["message"].startswith("the server ends: ")) == ("critical", True)
    assert "bad.onnx" in last["message"]


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("OSError(98, 'Address already in use')", "Address already in use"),
        ("ConfigError('port 1 is taken: expected another')", "the server ends: port 1 is taken: expected another"),
    ],
)
def test_a_transport_that_can_not_start_ends_the_server_with_one_line(raised: str, said: str, tmp_path: Path) -> None:
    source = "from sightline.core.errors import ConfigError\ndef serve(*given):\n    raise " + raised
    seen = install(tmp_path, {"broken": source}, {"transports": {"broken": "broken"}})
    end = subprocess.run(
        [sys.executable, "-m", "sightline", "serve", "--port", "0", "--model", "motion"],
        env=os.environ | seen | {"SIGHTLINE_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert end.returncode == 2
    assert said in end.stderr
    assert "Traceback" not in end.stderr
    assert len(end.stderr.splitlines()) == 1, end.stderr
    assert "Sightline is at" not in end.stdout


async def test_sigterm_tells_clients_why_and_exits_with_0() -> None:
    async with serving() as server:
        async with peer(f"{server.ws}/ws/camera/x") as camera, peer(f"{server.ws}/ws/view/x") as viewer:
            await publish(camera, 2)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            for p in (camera, viewer):
                error = await p.refused()
                assert error["code"] == "shutting_down"
        assert await server.process.wait() == 0
        assert time.monotonic() - started < 5
