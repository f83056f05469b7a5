"""A publisher against a server that misbehaves: nothing is skipped, late is late, a second answer is noticed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sightline.client import connect, links
from sightline.client.homes import Homes
from sightline.stress.plan import Published, PublishJob, Schedule
from sightline.stress.publisher import StressPublisher
from sightline.wire import msgpack as frames
from sightline.wire.messages import DroppedMessage, Hello
from sightline.wire.requests import FrameMessage

PICTURE = b"\xff\xd8" + bytes(1 << 20)
"""Large, so that no buffer on the way holds many."""
FRAMES = 24


@asynccontextmanager
async def server(*, deaf_s: float = 0.0, answers: int = 1, frames_read: int = FRAMES) -> AsyncGenerator[str]:
    """Reads nothing at first, then answers every frame, and closes after so many."""

    ended: list[asyncio.Event] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(asyncio.Event())
        try:
            await answer(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            ended[-1].set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            frames.prefixed(
                frames.encode(
                    Hello(model="none", max_pending=2, max_fps=60, max_message_bytes=4 << 20, max_pixels=1 << 24)
                )
            )
        )
        await asyncio.sleep(deaf_s)
        read = 0
        while read < frames_read:
            size = int.from_bytes(await reader.readexactly(frames.PREFIX), "big")
            message = frames.decode_peer(await reader.readexactly(size))
            if isinstance(message, FrameMessage):
                read += 1
                for _ in range(answers):
                    writer.write(
                        frames.prefixed(
                            frames.encode(DroppedMessage(stream=message.stream, seq=message.seq, reason="replaced"))
                        )
                    )
        await writer.drain()
        if frames_read == FRAMES:
            with contextlib.suppress(ConnectionError):
                await reader.read()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for one in ended:
            await one.wait()


async def publish(url: str) -> Published:
    """FRAMES frames, 200 a second."""
    publisher = StressPublisher(PublishJob(url, "cam", Schedule(200, FRAMES, 0.0), "", [], 0))
    link = await connect.publishing(Homes([links.Address(url)]), "cam")(publisher)
    try:
        await publisher.send(link, [PICTURE], time.monotonic())
        return await publisher.settle()
    finally:
        await link.close()


async def test_a_server_that_does_not_read_makes_frames_late_and_none_is_skipped() -> None:
    async with server(deaf_s=0.6) as url:
        seen = await publish(url)
    assert len(seen.sent_s) == len(seen.late_ms) == FRAMES
    assert seen.dropped == {"replaced": FRAMES}
    assert seen.unanswered == 0
    # All were due within 120 ms; the last ones had to wait until the server read.
    assert seen.late_ms[-1] > 100
    assert all(late >= 0 for late in seen.late_ms)
    assert seen.sent_s == sorted(seen.sent_s)


async def test_a_second_answer_is_noticed() -> None:
    async with server(answers=2) as url:
        seen = await publish(url)
    assert seen.dropped == {"replaced": FRAMES}
    assert seen.twice > 0


async def test_a_connection_that_is_lost_ends_it_and_is_told() -> None:
    async with server(frames_read=5) as url:
        seen = await publish(url)
    assert "lost" in seen.error
    assert len(seen.sent_s) == sum(seen.dropped.values()) + seen.unanswered
