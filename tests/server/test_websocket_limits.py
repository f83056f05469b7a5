"""WebSocket peers that send no messages but pieces of them, or nothing but pings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from support.serving import Running, metadata, peer, picture, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONT, BINARY, PING, PONG = 0, 2, 9, 10


def frame(opcode: int, payload: bytes, *, last: bool = True) -> bytes:
    """A masked frame; the mask is zero."""
    return bytes([(0x80 if last else 0) | opcode, 0x80 | len(payload)]) + bytes(4) + payload


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--model", "motion") as running:
        yield running


async def flooding(server: Running, first: bytes, block: bytes, most: int) -> tuple[int, bytes]:
    """Send ``block`` up to ``most`` times; how often it went out, and what the server said last."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /ws/camera/evil HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    reading = asyncio.create_task(reader.read())
    sent = 0
    try:
        writer.write(first)
        while sent < most and not reading.done():
            writer.write(block)
            sent += 1
            await writer.drain()
    except ConnectionError:
        pass
    try:
        said = await asyncio.wait_for(reading, 20)
    except ConnectionError:
        said = b""
    writer.close()
    return sent, said


@pytest.mark.parametrize(
    ("first", "block"),
    [
        (frame(BINARY, b"x", last=False), frame(CONT, b"x", last=False) * 5000),
        (frame(BINARY, b"", last=False), frame(CONT, b"", last=False) * 5000),
        (b"", frame(PING, b"x") * 5000),
        (b"", frame(PONG, b"x") * 5000),
    ],
    ids=["fragments", "empty fragments", "pings", "pongs"],
)
async def test_a_flood_is_ended_at_once_and_costs_little(server: Running, first: bytes, block: bytes) -> None:
    process = psutil.Process(server.process.pid)
    async with peer(f"{server.ws}/ws/camera/good-{len(first)}-{len(block)}-{block[0]}") as good:
        await good.send_frame(0, picture(0))
        await good.next("result")
        memory = process.memory_info().rss
        sent, _ = await flooding(server, first, block, 200)
        assert sent < 200, "the server ended it"
        assert process.memory_info().rss - memory < 16 << 20
        await good.send_frame(1, picture(1))
        await good.next("result")


async def test_a_message_in_many_fragments_is_still_one(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/pieces") as camera:
        jpeg = picture(3)
        pieces = [jpeg[at : at + 1 + len(jpeg) // 500] for at in range(0, len(jpeg), 1 + len(jpeg) // 500)]
        await camera.ws.send(metadata(1))
        await camera.ws.send(pieces)
        answer, _ = await camera.next("result")
        assert answer["frameNumber"] == 1
