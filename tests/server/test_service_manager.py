"""What systemd hears of the server, on a real socket: ready, alive while that is true, stopping."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sightline.core import supervisor
from sightline.server import uvicorn_server
from support.inside import inside
from support.serving import serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no Unix sockets")


class Heard:
    """A service manager's socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def waiting(self) -> list[str]:
        """All that came."""
        found: list[str] = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found

    async def next(self) -> str:
        async with asyncio.timeout(30):
            return (await asyncio.get_running_loop().sock_recv(self.socket, 4096)).decode()


@pytest.fixture(params=["folder", "abstract"])
async def heard(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Heard]:
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("only Linux has sockets that are in no folder")
    address = str(tmp_path / "notify") if request.param == "folder" else f"@sightline-{tmp_path.name}-{id(request)}"
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setattr(uvicorn_server, "WATCH_S", 0.02)
    found = Heard(address)
    yield found
    found.socket.close()


async def test_ready_then_alive_until_it_stops(heard: Heard) -> None:
    async with inside() as server:
        assert await heard.next() == "READY=1"
        await server.on_loop(server.hub.worker.settled.wait())
        while await heard.next() != "WATCHDOG=1\nSTATUS=frames get results":
            pass
    assert heard.waiting()[-1] == "STOPPING=1"


async def test_nothing_while_the_loop_hangs(heard: Heard) -> None:
    async with inside() as server:
        hangs, over = threading.Event(), threading.Event()

        def hang() -> None:
            hangs.set()
            over.wait(30)

        server.loop.call_soon_threadsafe(hang)
        await asyncio.to_thread(hangs.wait, 30)
        heard.waiting()
        await asyncio.sleep(20 * uvicorn_server.WATCH_S)
        assert heard.waiting() == []
        over.set()
        assert (await heard.next()).startswith("WATCHDOG=1")


async def test_nothing_from_a_server_that_can_not_mend_itself(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_S", 0.0)
    monkeypatch.setattr(uvicorn_server, "SEEN_S", 20 * uvicorn_server.WATCH_S)

    async def broken(_: object) -> None:
        raise ValueError("no good")

    monkeypatch.setattr("sightline.server.app.adapt", broken)
    async with inside() as server, asyncio.timeout(60):
        while server.hub.supervisor.given_up is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        await asyncio.sleep(2 * uvicorn_server.WATCH_S)
        heard.waiting()
        await asyncio.to_thread(server.join)
    assert heard.waiting() == ["STOPPING=1"]


async def test_a_socket_that_is_gone_harms_nobody(tmp_path: Path) -> None:
    async with serving("--model", "motion", env={"NOTIFY_SOCKET": str(tmp_path / "nobody")}) as server:
        assert (await server.http.get("/health")).status_code == 200
