"""Cost of a transport: frames of 30 KB in, results out, with a model that does nothing. Clients included.

Each way has a server in one process and all its clients in another. Ours is the real server with the real SDK. Beside
it, in turns because machines are never quiet, runs a bare server on the `websockets` library, which answers each frame
with as many bytes as our result has. A frame is a 16x16 JPEG that is 30 KB long, so that decoding it costs nothing: the
measured cost is the way from a client into the model and back. Goals: 4,000 frames/s over TCP, 2,500 over WebSocket, on
two cores, and 10,000 over WebSocket from cameras that are bare sockets and send one frame at a time. ``--before SRC``
measures another version's ``src`` folder in the same turns. `make race` compares with other programs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import selectors
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import psutil
import uvloop
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.exceptions
from websockets.frames import Frame, Opcode

from common import Pipe, child, cpu_seconds, save
from peers import raw_websocket
from sightline import AsyncClient
from sightline.client import Result
from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Image, ModelCard
from sightline.models.base import Model, Options
from sightline.server.app import create_app
from sightline.server.uvicorn_server import Server
from sightline.settings.settings import Settings

SIZE = 30_000
STREAMS = 32
"""Number of publishers; each keeps two frames under way. Fewer would come near the limit of 240 frames/s each."""
RAW = 64
"""Number of cameras that are bare sockets."""
WARM_UP_S = 1.0
ANSWER = bytes(300)


def padded_jpeg(size: int = SIZE) -> bytes:
    """A 16x16 JPEG of exactly ``size`` bytes, padded by a comment in its header."""
    jpeg = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    comment = size - len(jpeg) - 2
    return jpeg[:2] + b"\xff\xfe" + comment.to_bytes(2, "big") + bytes(comment - 2) + jpeg[2:]


class NullModel(Model):
    """Model that finds nothing, at no cost."""

    card = ModelCard("null", "null", "detect", (), None, "-", "-")
    wanted_side = 0
    max_batch = 1

    def __init__(self, max_batch: int, wanted_side: int) -> None:
        self.max_batch, self.wanted_side = max_batch, wanted_side

    def predict(
        self,
        images: Sequence[Image],
        *,
        options: Sequence[Options] | None = None,
        streams: Sequence[str] | None = None,
        stages: dict[str, float] | None = None,
    ) -> list[Prediction]:
        """Return no detections."""
        return [Detections.empty() for _ in images]


@contextmanager
def version(src: Path | None) -> Iterator[None]:
    """Have children that are started meanwhile take ``sightline`` from another version's ``src`` folder."""
    path = sys.path.copy()
    sys.path[:0] = [] if src is None else [str(src.resolve())]
    try:
        yield
    finally:
        sys.path[:] = path


# Servers: each sends its process id and its addresses, and serves until it is killed.


def our_server(pipe: Pipe, max_batch: int, wanted_side: int = 16) -> None:
    """Run the real server, listening for both transports. Its model needs pictures no smaller than ``wanted_side``."""
    settings = Settings.model_validate(
        {"port": 0, "tcp_port": 0, "max_fps": 240, "static_skip": False, "log_level": "warning"}
    )
    app = create_app(settings, load=lambda _: NullModel(max_batch, wanted_side))
    Server(app, settings, lambda http, tcp: pipe.send((os.getpid(), http.replace("http", "ws"), tcp))).serve_forever()


def bare_server(pipe: Pipe) -> None:
    """Run a server on the `websockets` library alone."""

    async def answer(ws: websockets.asyncio.server.ServerConnection) -> None:
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):  # clients are killed
            while await ws.recv():
                await ws.send(ANSWER)

    async def run() -> None:
        async with websockets.asyncio.server.serve(answer, "127.0.0.1", 0, compression=None) as server:
            pipe.send((os.getpid(), f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
            await server.serve_forever()

    uvloop.run(run())


# Clients: each announces that it begins to count, and sends (answers, its CPU-seconds, seconds) at the end of its turn.


class Turn:
    """Count of answers, from the end of the warm-up."""

    def __init__(self) -> None:
        self.answers = 0

    async def measure(self, pipe: Pipe, seconds: float, clients: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Run the clients and send the counts."""
        tasks = [asyncio.create_task(client) for client in clients]
        await asyncio.sleep(WARM_UP_S)
        pipe.send(None)
        self.answers, cpu, started = 0, time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        pipe.send((self.answers, time.process_time() - cpu, time.monotonic() - started))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def our_clients(pipe: Pipe, url: str, seconds: float, jpeg: bytes) -> None:
    """Run the SDK's clients."""
    turn = Turn()

    async def frames() -> AsyncGenerator[bytes]:
        while True:
            yield jpeg

    async def publish(client: AsyncClient, stream: str) -> None:
        async for answer in client.publish(stream, frames(), adapt=False):
            turn.answers += isinstance(answer, Result)

    async def run() -> None:
        async with AsyncClient(url) as client:
            await turn.measure(pipe, seconds, [publish(client, f"null-{i}") for i in range(STREAMS)])

    uvloop.run(run())


def bare_clients(pipe: Pipe, url: str, seconds: float, jpeg: bytes) -> None:
    """Run clients of the `websockets` library, each with two frames under way."""
    turn = Turn()

    async def publish() -> None:
        async with websockets.asyncio.client.connect(url, compression=None) as ws:
            await ws.send(jpeg)
            while True:
                await ws.send(jpeg)
                await ws.recv()
                turn.answers += 1

    async def run() -> None:
        await turn.measure(pipe, seconds, [publish() for _ in range(STREAMS)])

    uvloop.run(run())


def raw_clients(pipe: Pipe, url: str, seconds: float, jpeg: bytes) -> None:
    """Run cameras that are bare sockets, each with one frame under way. They cost next to nothing."""
    metadata = b'{"type":"frame_metadata","timestamp":1,"frameNumber":1}'
    sent = b"".join(Frame(*frame).serialize(mask=True) for frame in ((Opcode.TEXT, metadata), (Opcode.BINARY, jpeg)))
    selector, buffer, answers = selectors.DefaultSelector(), bytearray(1 << 18), 0
    for i in range(RAW):
        camera = raw_websocket(int(url.rpartition(":")[2]), f"/ws/camera/raw-{i}")
        camera.sendall(sent)
        selector.register(camera, selectors.EVENT_READ)
    began, end, cpu = time.monotonic() + WARM_UP_S, 0.0, 0.0
    while not end or time.monotonic() < end:
        if not end and time.monotonic() > began:
            pipe.send(None)
            answers, cpu, began = 0, time.process_time(), time.monotonic()
            end = began + seconds
        for key, _ in selector.select(0.1):
            assert isinstance(key.fileobj, socket.socket)
            got = buffer[: key.fileobj.recv_into(buffer)]
            for _ in range(got.count(b'"type":"result"')):
                answers += 1
                key.fileobj.sendall(sent)
    pipe.send((answers, time.process_time() - cpu, time.monotonic() - began))


@dataclass
class Part:
    """One way, measured in turns with the others."""

    title: str
    clients: Callable[[Pipe, str, float, bytes], None]
    goal: int | None = None
    fps: list[float] = field(default_factory=list)
    server_us: list[float] = field(default_factory=list)
    """Server CPU per frame in microseconds."""
    client_us: list[float] = field(default_factory=list)

    def turn(self, url: str, server: psutil.Process, seconds: float, jpeg: bytes) -> None:
        """Measure one turn."""
        with child(self.clients, url, seconds, jpeg) as pipe:
            pipe.recv()
            before = cpu_seconds(server)
            frames, client_cpu, took = pipe.recv()
            self.server_us.append((cpu_seconds(server) - before) / frames * 1e6)
        self.client_us.append(client_cpu / frames * 1e6)
        self.fps.append(frames / took)


def table(parts: Sequence[Part]) -> str:
    """Table of medians over the rounds, with the range of the frames per second."""
    lines = ["| way | frames/s (range) | server CPU, us a frame | clients CPU, us a frame |", "|---|---|---|---|"]
    for part in parts:
        low, middle, high = min(part.fps), median(part.fps), max(part.fps)
        cpu = f"{median(part.server_us):.0f} | {median(part.client_us):.0f}"
        lines.append(f"| {part.title} | {middle:,.0f} ({low:,.0f} to {high:,.0f}) | {cpu} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write bench/results/transport.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="of each turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, help="src folder of another version")
    args = parser.parse_args()
    jpeg = padded_jpeg()
    with ExitStack() as stack:
        our_pid, ws_url, tcp_url = stack.enter_context(child(our_server, STREAMS)).recv()
        turns = [
            (Part("Sightline, TCP", our_clients, 4000), tcp_url, our_pid),
            (Part("Sightline, WebSocket", our_clients, 2500), ws_url, our_pid),
            (Part("Sightline, WebSocket, one at a time", raw_clients, 10_000), ws_url, our_pid),
        ]
        if args.before is not None:
            with version(args.before):
                pid, url, _ = stack.enter_context(child(our_server, STREAMS)).recv()
            turns.append((Part("the same, before", raw_clients), url, pid))
        pid, url = stack.enter_context(child(bare_server)).recv()
        turns.append((Part("websockets, bare", bare_clients), url, pid))
        for _ in range(args.rounds):
            for part, url, pid in turns:
                part.turn(url, psutil.Process(pid), args.seconds, jpeg)
    parts = [part for part, _, _ in turns]
    print(
        f"{SIZE:,} bytes a frame, {STREAMS} publishers, {args.rounds} rounds of {args.seconds:g} s\n\n{table(parts)}\n"
    )
    for part in parts:
        if part.goal is not None:
            met = median(part.fps) >= part.goal
            print(f"{part.title}, goal at least {part.goal:,} frames/s: {'met' if met else 'missed'}")
    shown = [{k: v for k, v in vars(part).items() if k != "clients"} for part in parts]
    save("transport", {"bytes": SIZE, "publishers": STREAMS, "parts": shown})


if __name__ == "__main__":
    main()
