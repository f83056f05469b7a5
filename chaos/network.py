"""A camera behind a bad link, by WebSocket and by TCP: what the link does to it costs nobody else a frame."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from chaos.common import Finding, Watched, percentile, watched, witness
from support.serving import balanced, peer, picture
from support.slow_link import Fault, Link, Reset, slow_link
from support.tcp_peer import frame, tcp_peer
from support.waiting import within

FRAMES = 40
QUICK = ("reset", "half-close", "corrupt", "cut")
"""Faults that take no time."""
SEED = 3


def faults(rng: random.Random) -> dict[str, Fault | None]:
    """Each kind, and what it does to the bytes of a chunk from the camera."""

    async def delay(data: bytes) -> bytes:
        await asyncio.sleep(rng.uniform(0, 0.2))
        return data

    async def reset(data: bytes) -> bytes:
        if rng.random() < 0.05:
            raise Reset
        return data

    async def half_close(data: bytes) -> bytes:
        return b"" if rng.random() < 0.05 else data

    async def corrupt(data: bytes) -> bytes:
        if rng.random() < 0.05:
            at = rng.randrange(len(data))
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        return data

    async def cut(data: bytes) -> bytes:
        return data[: rng.randrange(len(data))] or b"\0" if rng.random() < 0.05 else data

    return {"throttle": None, "delay": delay, "reset": reset, "half-close": half_close, "corrupt": corrupt, "cut": cut}


async def by_websocket(link: Link, name: str) -> int:
    """Send frames until the link ends it; how many were answered."""
    answered = 0
    async with peer(f"ws://127.0.0.1:{link.port}/ws/camera/{name}?session=bad", open_timeout=10) as camera:
        for seq in range(FRAMES):
            await camera.send_frame(seq, picture(seq))
            await within(camera.next("result", "dropped"), 5)
            answered += 1
    return answered


async def by_tcp(link: Link, name: str) -> int:
    """The same over TCP."""
    answered = 0
    async with tcp_peer(f"tcp://127.0.0.1:{link.port}") as camera:
        for seq in range(FRAMES):
            await camera.send(frame(name, seq, session="bad"))
            await within(camera.next("result", "dropped"), 5)
            answered += 1
    return answered


@asynccontextmanager
async def bad_link(house: Watched, kind: str, way: str) -> AsyncGenerator[Link]:
    """A link with a fault in front of one of the server's ports."""
    async with slow_link(house.server.url if way == "websocket" else house.server.tcp) as link:
        link.fault = faults(random.Random(f"{SEED}{kind}{way}"))[kind]
        link.rate = 4000.0 if kind == "throttle" else link.rate
        yield link


async def suffers(house: Watched, kind: str, way: str, times: int) -> tuple[int, int]:
    """Come again and again over the bad link. Gives frames that were answered, and times that the camera lost it."""
    answered = lost = 0
    for _ in range(times):
        async with bad_link(house, kind, way) as link:
            try:
                send = by_websocket if way == "websocket" else by_tcp
                answered += await send(link, f"bad-{way}")
            except Exception:  # noqa: BLE001 - however it was lost
                lost += 1
    return answered, lost


async def network(short: bool) -> Sequence[Finding]:
    """Every fault over both ways, while a good camera goes on, and after each a good one takes the same stream."""
    found = []
    async with watched("--model", "motion") as house, witness(house.server) as good:
        await good.p99(1)
        before = house.mark()
        for way in ("websocket", "tcp"):
            for kind in QUICK if short else faults(random.Random(SEED)):
                answered, lost = await suffers(house, kind, way, 1 if short else 5)
                stats = await house.server.until(lambda s: all(one["in_flight"] <= 1 for one in s["streams"].values()))
                exact = all(map(balanced, stats["streams"].values()))
                p99 = percentile(await good.latencies(), 99)
                back_s = await house.settled(before)
                held = exact and await house.alive()
                found.append(
                    Finding(
                        f"{kind} between a {way} camera and the server",
                        "ledger exact, the good camera goes on, descriptors back < 2 s",
                        f"{answered} frames answered, lost {lost} times; {'exact' if exact else 'NOT exact'}; good "
                        f"client's p99 {p99:.1f} ms; back after {back_s:.1f} s",
                        held and back_s < 2,
                        held and back_s < 30,
                    )
                )
    return found
