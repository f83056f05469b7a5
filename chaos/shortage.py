"""A server that has no descriptors left, and one whose disk is full: both go on, and are whole again later."""

from __future__ import annotations

import asyncio
import resource
import socket
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from chaos.common import Finding, Watched, more_descriptors, watched, witness
from chaos.silence import opened
from support.serving import Json, balanced, camera, peer, publish

DESCRIPTORS, SHORT = 1024, 128
SILENT = 100
"""Of the connections, those that say nothing. The server closes further strangers, so the others are listeners."""
SETTINGS = {"SIGHTLINE_REQUEST_TIMEOUT": "30", "SIGHTLINE_MAX_VIEWERS": str(DESCRIPTORS)}
BACK_S, NEVER_S = 2.0, 30.0
ROOM_BYTES, PEERS = 2 << 20, 30
FILE_BYTES = 4_000
"""Size at which the disk is full."""


async def descriptors(short: bool) -> Finding:
    """Use up all descriptors with connections that say little or nothing, then give them back."""
    most = SHORT if short else DESCRIPTORS
    more_descriptors()
    async with watched("--model", "motion", env=SETTINGS) as house:  # noqa: SIM117
        async with witness(house.server) as good:
            house.process.rlimit(resource.RLIMIT_NOFILE, (most, most))
            before, alone = house.mark(), await good.p99(0.2 if short else 1)
            sockets = await opened(house, most - SILENT, listening(house)) + await opened(house, SILENT, b"")
            full = await until_full(house, most)
            during = await good.p99(0.5 if short else 5)
            waiting = [asyncio.create_task(comes_back(house, n)) for n in range(8)]
            await asyncio.sleep(0.5)
            freed = time.monotonic()
            give_back(sockets)
            back = [at - freed for at in await asyncio.gather(*waiting)]
            settled = await house.settled(before, descriptors=20)
            logged, alive = house.mark().logged - before.logged, await house.alive()
    return Finding(
        f"all {most} descriptors used up, then freed",
        f"everybody back within {BACK_S:g} s, who is in goes on, log < 1 MB",
        f"{full} were open; 8 who waited were in after {max(back):.1f} s; p99 of who was in {alone:.1f} to "
        f"{during:.1f} ms; descriptors back after {settled:.1f} s; {logged / 1000:.0f} kB of log",
        max(back) < BACK_S and logged < 1e6 and alive,
        during < float("inf") and max(back) < NEVER_S and house.server.log.tracebacks == 0,
    )


def listening(house: Watched) -> bytes:
    """The request of a WebSocket on which nothing happens."""
    host, port = house.place
    head = f"GET /ws?events=1 HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n".encode()


async def until_full(house: Watched, most: int) -> int:
    """Wait until the server has no descriptor left; how many it has open."""
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            while house.process.num_fds() < most - 2:  # noqa: ASYNC110 - the system tells nobody
                await asyncio.sleep(0.05)
    return house.process.num_fds()


def give_back(sockets: Sequence[socket.socket]) -> None:
    """Close them all."""
    for one in sockets:
        one.close()


async def comes_back(house: Watched, number: int, *, once: bool = False) -> float:
    """Try until a frame is answered, or once; the time at which it was, or infinity where it never is."""
    end = time.monotonic() + NEVER_S
    while time.monotonic() < end:
        with suppress(Exception):
            async with asyncio.timeout(2), peer(f"{house.server.ws}/ws/camera/back-{number}") as one:
                await publish(one, 1)
                return time.monotonic()
        if once:
            break
        await asyncio.sleep(0.05)
    return float("inf")


async def disk() -> Finding:
    """Write results to a file that can't grow: the stream goes on, losses are counted, and the file goes on later."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "sightline.toml"
        config.write_text(f'[[outputs]]\nkind = "jsonl"\npath = "{folder}/results.jsonl"\n')
        async with watched("--model", "motion", env={"SIGHTLINE_CONFIG": str(config)}) as house:
            soft, hard = house.process.rlimit(resource.RLIMIT_FSIZE)
            house.process.rlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, hard))
            async with camera(house.server, "disk"):
                full = await house.server.until(lambda s: s["sinks"][0]["failing"] is not None, seconds=90)
                delivered = full["streams"]["disk"]["delivered"]
                await house.server.until(lambda s: s["streams"]["disk"]["delivered"] > delivered + 5)
                house.process.rlimit(resource.RLIMIT_FSIZE, (soft, hard))
                began, sent = time.monotonic(), full["sinks"][0]["sent"]
                again = await house.server.until(lambda s: writes(s, sent), seconds=90)
                took = time.monotonic() - began
                exact = all(map(balanced, again["streams"].values()))
                alive = await house.alive()
    sink = again["sinks"][0]
    return Finding(
        f"a disk that is full after {FILE_BYTES} bytes, and has room again later",
        "the stream goes on, the output says why, loses and counts, and writes again",
        f"said {full['sinks'][0]['failing']!r}; {sink['lost']} lost; wrote again after {took:.1f} s; "
        f"{'exact' if exact else 'NOT exact'}",
        exact and alive,
        exact and alive,
    )


async def memory(count: int) -> Finding:
    """Peers come and go while the system gives the server no more memory; who was there before stays."""
    async with watched("--model", "motion") as house, peer(f"{house.server.ws}/ws/camera/good") as good:
        await publish(good, 5)
        soft, hard = house.process.rlimit(resource.RLIMIT_AS)
        house.process.rlimit(resource.RLIMIT_AS, (house.process.memory_info().vms + ROOM_BYTES, hard))
        served = sum([await comes_back(house, number, once=True) < float("inf") for number in range(count)])
        house.process.rlimit(resource.RLIMIT_AS, (soft, hard))
        began = time.monotonic()
        await house.server.until(lambda now: bool(now["ready"]), path="/ready")
        await publish(good, 1, start=5)
        took = time.monotonic() - began
        exact = all(map(balanced, (await house.server.get("/stats"))["streams"].values()))
        logged = house.mark().logged / 1000
    return Finding(
        f"no more memory than {ROOM_BYTES >> 20} MB, while {count} cameras come and go, then enough",
        f"the session that was there stays, all is well within {BACK_S:g} s, log < 1 MB",
        f"{served} of {count} were served meanwhile; well after {took:.1f} s; {'exact' if exact else 'NOT exact'}; "
        f"{logged:.0f} kB of log",
        exact and took < BACK_S and logged < 1000,
        exact,
    )


def writes(stats: Json, sent: int) -> bool:
    """True if the output has written more than that and is well."""
    return bool(stats["sinks"][0]["failing"] is None and stats["sinks"][0]["sent"] > sent)


async def shortage(short: bool) -> Sequence[Finding]:
    """All; without memory only where there is time, as it ends differently each time."""
    found = [await descriptors(short), await disk()]
    return found if short else [*found, await memory(PEERS)]
