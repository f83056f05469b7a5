"""Peers of a server, many to a process: publishers paced by answers or by the clock; viewers good, slow and stalled."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from common import Pipe, frame_metadata


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[ClientConnection]:
    """A WebSocket without compression and without a limit on what comes."""
    async with connect(url, max_size=None, compression=None) as ws:
        yield ws


def read(data: str | bytes) -> dict[str, Any]:
    """A message; a mask, which follows its announcement, counts as one of type ``mask``."""
    return dict(json.loads(data)) if isinstance(data, str) else {"type": "mask"}


async def publish(ws_url: str, stream: str, jpegs: Sequence[bytes], pending: int = 2) -> None:
    """Send frames for ever, each time an answer comes, so that ``pending`` are under way."""
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
    """Look at a stream as our page does: acknowledge each picture. Its number goes to ``seen``."""
    async with connected(f"{ws_url}/ws/view/{stream}") as ws:
        while True:
            message = json.loads(await ws.recv())
            if message["type"] == "frame_metadata":
                await ws.recv()
                seen.append(message["frameNumber"])
                await ws.send(json.dumps({"type": "ack", "frameNumber": message["frameNumber"]}))


def saturate(_: Pipe, ws_url: str, publishers: int, viewers: int, jpegs: Sequence[bytes]) -> None:
    """A process of publishers that are paced by their answers, and viewers of the first one's stream."""

    async def run() -> None:
        publishing = [publish(ws_url, f"bench-{i}", jpegs) for i in range(publishers)]
        await asyncio.gather(*publishing, *(view(ws_url, "bench-0", []) for _ in range(viewers)))

    asyncio.run(run())


def flood(pipe: Pipe, ws_url: str, streams: int, fps: float, seconds: float, jpegs: Sequence[bytes]) -> None:
    """Send ``fps`` frames a second to each stream whatever comes back, for so long.

    Of every ten seconds, the milliseconds from sending to result go into the pipe; at the end, per stream, how many
    answers of each type and reason came, once every frame has had one.
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
    """A camera of so many frames a second, with ``max_pending`` as our page keeps it: else the frame is skipped."""

    async def run() -> None:
        async with connected(f"{ws_url}/ws/camera/{stream}") as ws:
            under_way = 0

            async def receive() -> None:
                nonlocal under_way
                async for data in ws:
                    under_way -= read(data)["type"] in ("result", "dropped")

            receiving = asyncio.create_task(receive())
            started, seq = time.perf_counter(), 0
            while not receiving.done():
                await asyncio.sleep(started + seq / fps - time.perf_counter())
                if under_way < 2:
                    under_way += 1
                    await ws.send(frame_metadata(seq))
                    await ws.send(jpegs[seq % len(jpegs)])
                seq += 1

    asyncio.run(run())


def look(pipe: Pipe, ws_url: str, stream: str) -> None:
    """A good viewer. Whatever comes through the pipe is answered with the number of pictures since the last time."""
    seen: list[int] = []

    async def run() -> None:
        viewing = asyncio.create_task(view(ws_url, stream, seen))
        while not viewing.done():
            await asyncio.to_thread(pipe.recv)
            pipe.send(len(seen))
            seen.clear()

    asyncio.run(run())


def stall(ws_url: str, stream: str) -> socket.socket:
    """A viewer that has connected and never reads."""
    connection, handshake = _viewer(ws_url, stream)
    connection.sendall(b"".join(handshake.data_to_send()))
    return connection


def crawl(pipe: Pipe, ws_url: str, stream: str, bytes_per_second: int) -> None:
    """A viewer behind a thin line: reads so slowly, and answers pings once it gets to them."""
    connection, protocol = _viewer(ws_url, stream)
    while True:
        for data in protocol.data_to_send():
            connection.sendall(data)
        time.sleep(0.1)
        data = connection.recv(bytes_per_second // 10)
        if not data:  # the server let go
            return
        protocol.receive_data(data)
        protocol.events_received()


def _viewer(ws_url: str, stream: str) -> tuple[socket.socket, ClientProtocol]:
    uri = parse_uri(f"{ws_url}/ws/view/{stream}")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)  # else the kernel hides megabytes
    connection.connect((uri.host, uri.port))
    protocol = ClientProtocol(uri)
    protocol.send_request(protocol.connect())
    return connection, protocol
