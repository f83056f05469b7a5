"""WebSocket peers that send no messages but pieces of them, or nothing but pings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from support import raw_websocket as raw
from support.serving import Running, metadata, peer, picture, serving
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONT, TEXT, BINARY, PING, PONG = 0, 1, 2, 9, 10


def frame(opcode: int, payload: bytes, *, last: bool = True) -> bytes:
    """A masked frame; the mask is zero."""
    return bytes([(0x80 if last else 0) | opcode, 0x80 | len(payload)]) + bytes(4) + payload


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--model", "motion") as running:
        yield running


async def flooding(
    server: Running, first: bytes, block: bytes, most: int, *, path: str = "/ws/camera/evil"
) -> tuple[int, bytes]:
    """Send ``block`` up to ``most`` times; how often it went out, and what the server said last."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
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
            await asyncio.sleep(0)  # so that the end is heard of while the system's buffers still take more
    except ConnectionError:
        pass
    try:
        said = await within(reading, 20)
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
        sent, _ = await flooding(server, first, block, 2000)  # 70 MB, more than all buffers hold
        assert sent < 2000, "the server ended it"
        assert process.memory_info().rss - memory < 16 << 20
        await good.send_frame(1, picture(1))
        await good.next("result")


ACK = b'{"type":"ack","frameNumber":1}'
STATS = b'{"type":"performance_stats","fps":1,"latency":1}'


@pytest.mark.parametrize(
    ("path", "block", "said"),
    [
        ("/ws/view/a", frame(TEXT, ACK), b"messages a second"),
        ("/ws/view/a", frame(TEXT, STATS), b"messages a second"),
        ("/ws/camera/texts", frame(TEXT, b'{"type":"ping","timestamp":1}'), b"messages a second"),
        ("/ws", frame(TEXT, b""), b"messages a second"),
        ("/ws", frame(BINARY, b""), b"messages a second"),
        ("/ws", frame(TEXT, b"\xff"), b"not UTF-8"),
    ],
    ids=["acks", "stats", "pings as text", "empty texts", "empty binaries", "no text"],
)
async def test_a_flood_of_messages_is_ended_too(server: Running, path: str, block: bytes, said: bytes) -> None:
    process = psutil.Process(server.process.pid)
    async with peer(f"{server.ws}/ws/camera/good") as good:
        await good.send_frame(0, picture(0))
        await good.next("result")
        memory = process.memory_info().rss
        await flooding(server, b"", block * 5000, 40, path=path)
        await server.said(said.decode())
        assert process.memory_info().rss - memory < 16 << 20
        await good.send_frame(1, picture(1))
        await good.next("result")
    assert "Traceback" not in "".join(server.log)


async def test_a_message_that_never_gets_whole_is_not_waited_for() -> None:
    async with (
        serving(env={"SIGHTLINE_IDLE_TIMEOUT": "1.5"}) as server,
        peer(f"{server.ws}/ws/view/slow") as viewer,
        peer(f"{server.ws}/ws/view/slow") as good,
    ):
        viewer.ws.transport.write(frame(TEXT, b"x", last=False))  # it answers pings meanwhile
        with pytest.raises(ConnectionClosed, match=r"not whole after 1\.5 s"):
            await viewer.next("never")
        await good.ws.send('{"type":"ping","timestamp":1}')
        await good.next("pong")


async def test_who_sends_no_pictures_sends_no_large_messages(server: Running) -> None:
    head = bytes([0x80 | TEXT, 0xFF]) + (4 << 20).to_bytes(8, "big") + bytes(4)
    sent, said = await flooding(server, head, b"x" * 65536, 64, path="/ws/view/large")
    assert sent < 64 or b"\x03\xf1" in said  # 1009


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (raw.frame(3), 1002),
        (raw.frame(raw.TEXT, b"\xff"), 1007),
        (raw.frame(raw.PING) * 500, 1008),
        (raw.frame(raw.CLOSE), None),
        (raw.close_frame(1000), 1000),
    ],
    ids=["opcode", "no UTF-8", "pings", "its own close", "its own close with a code"],
)
async def test_the_reason_arrives_though_more_was_on_its_way(server: Running, broken: bytes, code: int | None) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    for _ in range(10):
        async with raw.raw_websocket((host, int(port)), "/ws?stream=none") as peer:
            await peer.send(broken + raw.frame(raw.BINARY, bytes(50_000)) * 20)
            assert [said.code for said in await peer.rest() if said.opcode == raw.CLOSE] == [code]
    assert "Traceback" not in "".join(server.log)


async def test_a_message_in_many_fragments_is_still_one(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/pieces") as camera:
        jpeg = picture(3)
        pieces = [jpeg[at : at + 1 + len(jpeg) // 500] for at in range(0, len(jpeg), 1 + len(jpeg) // 500)]
        await camera.ws.send(metadata(1))
        await camera.ws.send(pieces)
        answer, _ = await camera.next("result")
        assert answer["frameNumber"] == 1


HANDSHAKES = {
    "with a body": ("GET", "/ws", "Content-Length: 3\r\n\r\nabc", b"HTTP/1.1 400 "),
    "by another method": ("POST", "/ws", "Content-Length: 3\r\n\r\nabc", b"HTTP/1.1 400 "),
    "with the cookies of other servers": ("GET", "/ws", f"Cookie: a={'x' * 20_000}\r\n\r\n", b"HTTP/1.1 101 "),
    "with a long address": ("GET", f"/ws?x={'x' * 20_000}", "\r\n", b"HTTP/1.1 101 "),
}


@pytest.mark.parametrize("what", HANDSHAKES)
async def test_every_handshake_is_answered(server: Running, what: str) -> None:
    method, path, more, answer = HANDSHAKES[what]
    place = server.url.removeprefix("http://")
    host, port = place.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"{method} {path} HTTP/1.1\r\nHost: {place}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{more}".encode()
    )
    assert (await within(reader.readuntil(b"\r\n\r\n"), 20)).startswith(answer)
    if b" 101 " not in answer:
        assert b"Failed to open a WebSocket connection: " in await within(reader.read(), 20), "and closed"
    writer.transport.abort()
