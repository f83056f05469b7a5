"""Peers of a server, many in a process: publishers paced by answers or the clock; good, slow and stalled viewers."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from common import Pipe, frame_metadata

AT_A_TIME = 8
"""Cameras that connect at a time: a server that many come to at once takes them for a flood."""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[ClientConnection]:
    """Open a WebSocket without compression and without a size limit."""
    async with connect(url, max_size=None, compression=None) as ws:
        yield ws


def read(data: str | bytes) -> dict[str, Any]:
    """Decode a message. A mask, which follows its announcement, is returned as one of type ``mask``."""
    return dict(json.loads(data)) if isinstance(data, str) else {"type": "mask"}


async def publish(ws_url: str, stream: str, jpegs: Sequence[bytes], pending: int = 2) -> None:
    """Send frames for ever, one for each answer, so that ``pending`` are under way."""
    async with connected(f"{ws_url}/ws/camera/{stream}") as ws:
        sent = 0
        room = pending
        while True:
            for _ in range(room):
                await ws.send(frame_metadata(sent))
                await ws.send(jpegs[sent % len(jpegs)])
                sent += 1
            room = read(await ws.recv())["type"] in ("result", "dropped")


async def view(ws_url: str, stream: str, seen: list[int]) -> None:
    """Watch a stream as our page does, acknowledging each picture. Appends its number to ``seen``."""
    async with connected(f"{ws_url}/ws/view/{stream}") as ws:
        while True:
            message = json.loads(await ws.recv())
            if message["type"] == "frame_metadata":
                await ws.recv()
                seen.append(message["frameNumber"])
                await ws.send(json.dumps({"type": "ack", "frameNumber": message["frameNumber"]}))


def saturate(_: Pipe, ws_url: str, publishers: int, viewers: int, jpegs: Sequence[bytes]) -> None:
    """Run publishers that are paced by their answers, and viewers of the first one's stream."""

    async def run() -> None:
        publishing = [publish(ws_url, f"bench-{i}", jpegs) for i in range(publishers)]
        await asyncio.gather(*publishing, *(view(ws_url, "bench-0", []) for _ in range(viewers)))

    asyncio.run(run())


def flood(pipe: Pipe, ws_url: str, streams: int, fps: float, seconds: float, jpegs: Sequence[bytes]) -> None:
    """Send ``fps`` frames a second to each stream for ``seconds``, whatever comes back.

    Every ten seconds the milliseconds from sending to result go into the pipe. When every frame has had its answer, the
    number of answers by type and reason follows, for each stream.
    """
    times: list[float] = []
    count = int(fps * seconds)

    async def one(stream: str) -> dict[str, int]:
        async with connected(f"{ws_url}/ws/camera/{stream}") as ws:
            sent_at: dict[int, float] = {}
            answers: dict[str, int] = {}
            sending = asyncio.create_task(send(ws, sent_at))
            while sum(answers.values()) < count:
                message = read(await ws.recv())
                if message["type"] in ("result", "dropped"):
                    took = time.perf_counter() - sent_at.pop(message["frameNumber"])
                    kind = message.get("reason", "result")
                    answers[kind] = answers.get(kind, 0) + 1
                    if kind == "result":
                        times.append(took * 1000)
            await sending
            return answers

    async def send(ws: ClientConnection, sent_at: dict[int, float]) -> None:
        started = time.perf_counter()
        for seq in range(count):
            await asyncio.sleep(started + seq / fps - time.perf_counter())
            sent_at[seq] = time.perf_counter()
            await ws.send(frame_metadata(seq))
            await ws.send(jpegs[seq % len(jpegs)])

    async def tell() -> None:
        while True:
            await asyncio.sleep(10)
            pipe.send(times.copy())
            times.clear()

    async def run() -> None:
        telling = asyncio.create_task(tell())
        answers = await asyncio.gather(*(one(f"bench-{i}") for i in range(streams)))
        telling.cancel()
        pipe.send(answers)

    asyncio.run(run())


def camera(_: Pipe, ws_url: str, stream: str, fps: float, jpegs: Sequence[bytes]) -> None:
    """Run a camera of ``fps`` frames a second that, like our page, skips frames while ``max_pending`` are under way.

    Where the server asks for fewer it sends fewer.
    """
    asyncio.run(_skip(ws_url, stream, fps, jpegs))


def cameras(_: Pipe, ws_url: str, count: int, fps: float, jpegs: Sequence[bytes]) -> None:
    """Run so many such cameras."""

    async def run() -> None:
        gate = asyncio.Semaphore(AT_A_TIME)
        await asyncio.gather(*(_skip(ws_url, f"bench-{i}", fps, jpegs, gate) for i in range(count)))

    asyncio.run(run())


async def _skip(
    ws_url: str, stream: str, fps: float, jpegs: Sequence[bytes], gate: asyncio.Semaphore | None = None
) -> None:
    async with AsyncExitStack() as stack:
        async with gate or nullcontext():
            ws = await stack.enter_async_context(connected(f"{ws_url}/ws/camera/{stream}"))
        under_way, asked = 0, fps

        async def receive() -> None:
            nonlocal under_way, asked
            async for data in ws:
                message = read(data)
                under_way -= message["type"] in ("result", "dropped")
                if message["type"] in ("hello", "adapt"):
                    asked = min(fps, message["fps"])

        receiving = asyncio.create_task(receive())
        started, seq, due = time.perf_counter(), 0, 0.0
        while not receiving.done():
            await asyncio.sleep(started + seq / fps - time.perf_counter())
            now = time.perf_counter()
            if under_way < 2 and now >= due - 0.5 / fps:
                due = max(due, now - 1 / asked) + 1 / asked
                under_way += 1
                await ws.send(frame_metadata(seq))
                await ws.send(jpegs[seq % len(jpegs)])
            seq += 1


def look(pipe: Pipe, ws_url: str, stream: str) -> None:
    """Run a good viewer. It answers each message of the pipe with the number of pictures since the last one."""
    seen: list[int] = []

    async def run() -> None:
        viewing = asyncio.create_task(view(ws_url, stream, seen))
        while not viewing.done():
            await asyncio.to_thread(pipe.recv)
            pipe.send(len(seen))
            seen.clear()

    asyncio.run(run())


def stall(ws_url: str, stream: str) -> socket.socket:
    """Connect a viewer that never reads."""
    connection, handshake = _viewer(ws_url, stream)
    connection.sendall(b"".join(handshake.data_to_send()))
    return connection


def crawl(pipe: Pipe, ws_url: str, stream: str, bytes_per_second: int) -> None:
    """Run a viewer on a slow link: it reads at this rate and answers pings once it reaches them."""
    connection, protocol = _viewer(ws_url, stream)
    while True:
        for data in protocol.data_to_send():
            connection.sendall(data)
        time.sleep(0.1)
        data = connection.recv(bytes_per_second // 10)
        if not data:  # the server closed the connection
            return
        protocol.receive_data(data)
        protocol.events_received()


def raw_websocket(port: int, path: str) -> socket.socket:
    """Connect and upgrade a socket of this machine."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += connection.recv(1)
    return connection


def _viewer(ws_url: str, stream: str) -> tuple[socket.socket, ClientProtocol]:
    uri = parse_uri(f"{ws_url}/ws/view/{stream}")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)  # otherwise the kernel hides megabytes
    connection.connect((uri.host, uri.port))
    protocol = ClientProtocol(uri)
    protocol.send_request(protocol.connect())
    return connection, protocol
