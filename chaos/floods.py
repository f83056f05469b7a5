"""One peer that sends too much of something small: fragments, pings, pongs, acks, texts, connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from chaos.common import MB, Finding, Watched, Witness, percentile, step_back, watched, witness
from chaos.fuzzing import CLOSES
from support.raw_websocket import BINARY, CLOSE, CONT, PING, PONG, TEXT, close_frame, frame, raw_websocket
from support.tcp_peer import packed
from support.waiting import within

BLOCK = 5_000
"""Frames that are written at once."""
FRAGMENTS, MESSAGES = 1_000_000, 200_000
CLOSED_S, CPU_S = 1.0, 0.3
AS_ASKED = 1000
SLOWER_MS = 10.0
QUIET_S = 20.0
"""Seconds after which a flood that was not ended is."""

CAMERA = "/ws/camera/flood"
ACK = b'{"type":"ack","frameNumber":1}'
FLOODS: dict[str, tuple[str, bytes, bytes, int]] = {
    "fragments of one byte": (
        "/ws/camera/flood",
        frame(BINARY, b"x", last=False),
        frame(CONT, b"x", last=False),
        FRAGMENTS,
    ),
    "empty fragments": ("/ws/camera/flood", frame(TEXT, last=False), frame(CONT, last=False), FRAGMENTS),
    "pings": ("/ws/camera/flood", b"", frame(PING, b"x"), MESSAGES),
    "pongs": ("/ws/view/flood", b"", frame(PONG, b"x"), MESSAGES),
    "acks": ("/ws/view/flood", b"", frame(TEXT, ACK), MESSAGES),
    "texts that ask for the time": ("/ws/camera/flood", b"", frame(TEXT, b'{"type":"ping","timestamp":1}'), MESSAGES),
    "texts to a listener": ("/ws?stream=flood", b"", frame(TEXT, b"x"), MESSAGES),
    "empty messages": ("/ws?stream=flood", b"", frame(BINARY), MESSAGES),
}
"""Path, what comes first, what is repeated, and how often."""


async def flood(house: Watched, what: str) -> Finding:
    """Send until the server ends it, or everything is sent."""
    path, first, one, most = FLOODS[what]
    before, began, sent = house.mark(), time.monotonic(), 0
    async with raw_websocket(house.place, path) as socket:
        ending = asyncio.create_task(ended(socket.reader))
        socket.writer.write(first)
        try:
            while sent < most and not ending.done():
                socket.writer.write(one * BLOCK)
                sent += BLOCK
                # A peer that only writes would not hear that it is to end.
                await asyncio.wait(
                    [asyncio.create_task(socket.writer.drain()), ending], return_when=asyncio.FIRST_COMPLETED
                )
        except ConnectionError:
            pass
        await socket.send(close_frame(AS_ASKED))  # if that is what it ends with, everything before was taken
        code = await within(ending, QUIET_S)
    took, after = time.monotonic() - began, house.mark()
    closed = code in CLOSES - {AS_ASKED}
    cpu, grown = after.cpu_s - before.cpu_s, (after.rss - before.rss) / MB
    alive = await house.alive()
    return Finding(
        f"flood of {most} {what}",
        f"closed < {CLOSED_S:g} s, < {CPU_S:g} s of CPU",
        (f"closed with {code} after {took:.2f} s and {sent} of them" if closed else f"all {sent} taken in {took:.1f} s")
        + f", {cpu:.2f} s of CPU, {grown:+.1f} MB",
        closed and took < CLOSED_S and cpu < CPU_S,
        alive and grown < 16,
    )


async def ended(reader: asyncio.StreamReader) -> int | None:
    """Read until the server closes; its code, or 1006 where it left without one."""
    last = await tail(reader)
    at = last.rfind(bytes([0x80 | CLOSE]))
    return int.from_bytes(last[at + 2 : at + 4], "big") if at >= 0 else 1006


async def tcp_flood(house: Watched) -> Finding:
    """The same over TCP: 200,000 questions for the time. The last message is none: who reads that has read all."""
    place = urlsplit(house.server.tcp)
    before, began, sent = house.mark(), time.monotonic(), 0
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    ending = asyncio.create_task(tail(reader))
    block = packed({"type": "ping", "timestamp": 1}) * BLOCK
    try:
        while sent < MESSAGES and not ending.done():
            writer.write(block)
            sent += BLOCK
            await writer.drain()
        writer.write(b"\x00\x00\x00\x01\xc1")
    except ConnectionError:
        pass
    said = await within(ending, QUIET_S)
    took, after = time.monotonic() - began, house.mark()
    writer.transport.abort()
    grown, cpu, closed = (after.rss - before.rss) / MB, after.cpu_s - before.cpu_s, b"bad_message" not in said
    return Finding(
        f"flood of {MESSAGES} pings over TCP",
        f"closed < {CLOSED_S:g} s, < {CPU_S:g} s of CPU",
        f"{'closed' if closed else 'all taken'} after {took:.1f} s and {sent}, {cpu:.2f} s of CPU, {grown:+.1f} MB",
        closed and took < CLOSED_S and cpu < CPU_S,
        await house.alive() and grown < 64,
    )


async def tail(reader: asyncio.StreamReader) -> bytes:
    """The last bytes that come before the connection ends."""
    last = b""
    try:
        while data := await reader.read(1 << 16):
            last = (last + data)[-300:]
    except ConnectionError:
        pass
    return last


async def connections(house: Watched, count: int) -> Finding:
    """Connections that come and go as fast as they can: TCP, HTTP and WebSocket in turns."""
    before, began = house.mark(), time.monotonic()
    tcp = urlsplit(house.server.tcp)

    async def come_and_go(number: int) -> None:
        try:
            if number % 3 == 0:
                async with raw_websocket(house.place, "/ws/view/flood"):
                    return
            host, port = house.place if number % 3 == 1 else (str(tcp.hostname), int(tcp.port or 0))
            _, writer = await asyncio.open_connection(host, port)
            writer.transport.abort()
        except ConnectionError:
            return  # refused is fine, as long as it says so at once

    for start in range(0, count, 50):
        await asyncio.gather(*(come_and_go(start + number) for number in range(50)))
    took = time.monotonic() - began
    settled = await house.settled(before)
    after = house.mark()
    grown = (after.rss - before.rss) / MB
    return Finding(
        f"flood of {count} connections",
        "descriptors back within 2 s, + < 5 MB",
        f"{took:.1f} s, back after {settled:.1f} s, {after.cpu_s - before.cpu_s:.2f} s of CPU, {grown:+.1f} MB",
        settled < 2 and grown < 5,
        await house.alive() and after.descriptors <= before.descriptors + 2,
    )


async def beside(good: Witness, attack: Awaitable[Finding], least_s: float) -> tuple[Finding, float]:
    """An attack, and the good client's p99 in its time, or in so many seconds from its beginning."""
    await good.latencies()
    began = time.monotonic()
    finding = await attack
    await asyncio.sleep(max(0.0, least_s - (time.monotonic() - began)))
    p99 = percentile(await good.latencies(), 99)
    return replace(finding, figure=f"{finding.figure}; good client's p99 {p99:.1f} ms"), p99


async def floods(short: bool) -> Sequence[Finding]:
    """All floods, while a good client goes on."""
    least_s = 0.0 if short else 1.0
    async with watched("--model", "motion", "--log-level", "info") as house, witness(house.server) as good:
        if not short:
            step_back()
        alone = await good.p99(0.2 if short else 5)
        attacks = [flood(house, what) for what in (list(FLOODS)[:3] if short else FLOODS)]
        attacks += [] if short else [tcp_flood(house)]
        found = [await beside(good, attack, least_s) for attack in attacks]
        coming, crowded = await beside(good, connections(house, 150 if short else 3000), least_s)
        worst, logged = max(p99 for _, p99 in found), house.mark().logged / 1000
        return [
            *(finding for finding, _ in found),
            coming,
            Finding(
                "floods of messages: the good client beside them",
                f"p99 + < {SLOWER_MS:g} ms, log < 1 MB",
                f"p99 {alone:.1f} to {worst:.1f} ms (beside connections {crowded:.1f}), {logged:.0f} kB of log",
                worst < alone + SLOWER_MS and logged < 1000,
                await house.alive(),
            ),
        ]
