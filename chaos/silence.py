"""Sockets that say nothing: idle listeners, connections without a request, TLS that stops in its hello."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from chaos.common import MB, Finding, Watched, more_descriptors, watched
from sightline.security.tokens import Store
from support.raw_websocket import raw_websocket
from support.serving import peer

IDLE, SILENT, HALF_OPEN = 1000, 600, 500
CLOSED_S = 15.0
GIVEN_UP_S = 40.0
HELLO = b"\x16\x03\x01\x02\x00\x01\x00"
"""How a TLS connection begins; what should follow never comes."""


async def idle(count: int) -> Finding:
    """Listeners that hear nothing, because nothing happens."""
    env = {"SIGHTLINE_MAX_VIEWERS": str(count + 64)}
    async with watched("--model", "motion", env=env) as house, AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_async_context(raw_websocket(house.place, "/ws?events=1"))
        before = house.mark()
        for _ in range(count):
            await stack.enter_async_context(raw_websocket(house.place, "/ws?events=1"))
        grown = (house.mark().rss - before.rss) / MB
        goal = 30 * count / IDLE
        return Finding(
            f"{count} idle WebSockets",
            f"+ < {goal:g} MB",
            f"{grown:+.1f} MB, {grown * 1024 / count:.0f} KB each",
            grown < goal,
            await house.alive() and grown < 4 * goal,
        )


async def opened(house: Watched, count: int, first: bytes) -> list[socket.socket]:
    """Connections that say so much and no more."""
    loop = asyncio.get_running_loop()
    found = []
    for _ in range(count):
        one = socket.socket()
        one.setblocking(False)
        await loop.sock_connect(one, house.place)
        if first:
            await loop.sock_sendall(one, first)
        found.append(one)
    return found


async def closed(sockets: Sequence[socket.socket], seconds: float) -> int:
    """How many the server closes within that time."""
    loop = asyncio.get_running_loop()

    async def one(which: socket.socket) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while await loop.sock_recv(which, 4096):
                    pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    return sum(await asyncio.gather(*(one(which) for which in sockets)))


@dataclass(frozen=True)
class Wave:
    """What came of so many silent connections."""

    tries: list[float | None]
    """Seconds in which somebody with a token was let in, each time."""
    gone: int
    took_s: float
    settled_s: float
    grown_mb: float


async def wave(house: Watched, token: str, count: int, first: bytes, patience_s: float) -> Wave:
    """Silent connections from one address, while somebody with a token comes again and again from the same one."""
    before, began = house.mark(), time.monotonic()
    sockets = await opened(house, count, first)
    tries = [await enters(house, token) for _ in range(10)]
    gone = await closed(sockets, patience_s)
    took = time.monotonic() - began
    for one in sockets:
        one.close()
    settled = await house.settled(before)
    return Wave(tries, gone, took, settled, (house.mark().rss - before.rss) / MB)


async def strangers(what: str, count: int, first: bytes, *options: str, waves: int, env: dict[str, str]) -> Finding:
    """Silent connections, in waves: what the first of them leaves are caches; what each leaves would be a leak."""
    with tempfile.TemporaryDirectory() as folder:
        token, _ = Store(Path(folder)).create("admin", "*", lifetime=None)
        async with watched("--model", "motion", *options, env=env, data=Path(folder)) as house:
            house.server.http.headers.update({"authorization": f"Bearer {token}"})
            patience = CLOSED_S if waves == 1 else GIVEN_UP_S
            found = [await wave(house, token, count, first, patience) for _ in range(waves)]
            alive = await house.alive()
    let_in = [t for one in found for t in one.tries if t is not None]
    gone, tries = sum(one.gone for one in found), sum(len(one.tries) for one in found)
    took, settled = max(one.took_s for one in found), max(one.settled_s for one in found)
    memory = ", ".join(f"{one.grown_mb:+.1f}" for one in found)
    return Finding(
        f"{count} {what} from one address" + (f", {waves} times" if waves > 1 else ""),
        f"who has a token gets in, all closed < {CLOSED_S:g} s, memory back",
        f"in {len(let_in)} of {tries} times, slowest {max(let_in, default=0) * 1000:.0f} ms; {gone} of {waves * count} "
        f"closed by the server after {took:.1f} s; {memory} MB, descriptors back after {settled:.1f} s",
        len(let_in) == tries and gone == waves * count and took < CLOSED_S and found[-1].grown_mb < 5,
        alive and settled < 10,
    )


async def enters(house: Watched, token: str) -> float | None:
    """Seconds that a new connection with a token takes to be answered; None where it is not let in."""
    began = time.monotonic()
    try:
        headers = {"Authorization": f"Bearer {token}"}
        verify = {"ssl": house.tls} if house.tls is not None else {}
        async with (
            asyncio.timeout(10),
            peer(f"{house.server.ws}/ws/view/x", additional_headers=headers, **verify) as one,
        ):
            message, _ = await one.receive()
    except Exception:  # noqa: BLE001 - however it was refused
        return None
    return time.monotonic() - began if message["type"] == "status" else None


async def silence(short: bool) -> Sequence[Finding]:
    """All three."""
    share, waves = (10, 1) if short else (1, 3)
    more_descriptors()
    tokens = {"SIGHTLINE_TOKENS": "1"} | ({"SIGHTLINE_REQUEST_TIMEOUT": "1"} if short else {})
    found = [
        await idle(IDLE // share),
        await strangers("silent sockets", SILENT // share, b"", waves=waves, env=tokens),
    ]
    if not short:
        lan = ("--lan", "--host", "127.0.0.1")
        found.append(await strangers("half-open TLS handshakes", HALF_OPEN, HELLO, *lan, waves=waves, env={}))
    return found
