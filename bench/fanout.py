"""CPU that a viewer costs the server for each picture, beside a bare broadcast of the `websockets` library.

A camera sends pictures of 25 KB at 30 a second, and 64 viewers get them. The viewers are sockets in another process,
which reads them and parses nothing; with acks it finds each picture's number and acknowledges it. The servers take
turns, each also without a viewer: what a frame costs then is subtracted. Goals: at most 1.2 times the bare broadcast,
1.5 times with acks. ``--before SRC`` measures another version's ``src`` folder in the same turns.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import selectors
import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
import uvloop
import websockets.asyncio.server
import websockets.exceptions

from common import Pipe, child, cpu_seconds, save
from peers import camera, raw_websocket
from transport import our_server, padded_jpeg, version

STREAM = "bench"
FPS = 30
SIZE = 25_000
GOAL, GOAL_ACKS = 1.2, 1.5
NUMBER = re.compile(rb'"frameNumber":(\d+)')
LONGEST = 40
"""Bytes of such a field, which two reads may share."""


def bare(pipe: Pipe) -> None:
    """Serve a broadcast with the `websockets` library alone."""

    async def read(ws: websockets.asyncio.server.ServerConnection) -> None:
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):  # viewers are killed
            async for _ in ws:
                pass

    async def run() -> None:
        async with websockets.asyncio.server.serve(read, "127.0.0.1", 0, compression=None) as server:
            pipe.send((os.getpid(), server.sockets[0].getsockname()[1]))
            picture, began, sent = padded_jpeg(SIZE), time.monotonic(), 0
            picture = b'{"frameNumber":1}' + picture[17:]  # found, and acknowledged, by the same viewers
            while True:
                sent += 1
                await asyncio.sleep(began + sent / FPS - time.monotonic())
                websockets.asyncio.server.broadcast(server.connections, picture)

    uvloop.run(run())


def viewers(pipe: Pipe, port: int, count: int, acks: bool) -> None:
    """Connect viewers and read. Each message of the pipe is answered with the bytes that came since the last."""
    selector = selectors.DefaultSelector()
    for _ in range(count):
        one = raw_websocket(port, f"/ws/view/{STREAM}")
        selector.register(one, selectors.EVENT_READ, [b""])
    selector.register(pipe, selectors.EVENT_READ)
    buffer, got = bytearray(1 << 18), 0
    while True:
        for key, _ in selector.select():
            if key.data is None:
                pipe.recv()
                pipe.send(got)
                got = 0
                continue
            assert isinstance(key.fileobj, socket.socket)
            size = key.fileobj.recv_into(buffer)
            got += size
            if acks:
                text = key.data[0] + buffer[:size]
                numbers = NUMBER.findall(text)
                key.data[0] = b"" if numbers else bytes(text[-LONGEST:])
                for number in numbers:
                    ack = b'{"type":"ack","frameNumber":%b}' % number
                    key.fileobj.sendall(struct.pack("!BB4x", 0x81, 0x80 | len(ack)) + ack)


@dataclass
class Part:
    """A server, and what its viewers do."""

    title: str
    process: psutil.Process
    port: int
    acks: bool = False
    idle: list[float] = field(default_factory=list)
    """CPU microseconds a frame without viewers, by round."""
    marginal: list[float] = field(default_factory=list)
    """CPU microseconds a viewer and picture on top of that."""
    share: list[float] = field(default_factory=list)
    """Pictures that viewers got, of those that they should have."""

    def turn(self, count: int, seconds: float) -> None:
        """Measure one turn."""
        self.idle.append(self._cpu(seconds / 2, lambda: None) * 1e6 / (seconds / 2 * FPS))
        with child(viewers, self.port, count, self.acks) as pipe:
            time.sleep(1)
            read_bytes(pipe)
            cpu = self._cpu(seconds, lambda: self.share.append(read_bytes(pipe) / (count * seconds * FPS * SIZE)))
            pictures = seconds * FPS * count * self.share[-1]
            self.marginal.append((cpu * 1e6 - seconds * FPS * self.idle[-1]) / pictures)
        time.sleep(0.5)

    def _cpu(self, seconds: float, at_end: Callable[[], None]) -> float:
        before = cpu_seconds(self.process)
        time.sleep(seconds)
        spent = cpu_seconds(self.process) - before
        at_end()
        return spent


def read_bytes(pipe: Pipe) -> int:
    """Bytes that the viewers have read since the last call."""
    pipe.send(None)
    return int(pipe.recv())


def main() -> None:
    """Measure, print, write bench/results/fanout.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=6, help="of each turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, help="src folder of another version")
    args = parser.parse_args()
    with ExitStack() as stack:
        pid, port = stack.enter_context(child(bare)).recv()
        parts = [
            Part("websockets, broadcast", psutil.Process(pid), port),
            Part("websockets, broadcast, acks", psutil.Process(pid), port, acks=True),
        ]
        for title, src in (("Sightline", None), ("before", args.before)):
            if title == "before" and src is None:
                continue
            with version(src):
                pid, url, _ = stack.enter_context(child(our_server, 1)).recv()
            stack.enter_context(child(camera, url, STREAM, FPS, [padded_jpeg(SIZE)]))
            process, port = psutil.Process(pid), int(url.rpartition(":")[2])
            parts += [
                Part(f"{title}, no acks", process, port),
                Part(f"{title}, acks", process, port, acks=True),
            ]
        for _ in range(args.rounds):
            for part in parts:
                part.turn(args.viewers, args.seconds)
    print("| server | CPU, us a viewer and picture (range) | times the broadcast | without viewers, us a frame | got |")
    print("|---|---|---|---|---|")
    base = median(parts[0].marginal)
    for part in parts:
        low, middle, high = min(part.marginal), median(part.marginal), max(part.marginal)
        print(f"| {part.title} | {middle:.1f} ({low:.1f} to {high:.1f}) | {middle / base:.2f} ", end="")
        print(f"| {median(part.idle):.0f} | {median(part.share):.1%} |")
    for part, goal in ((parts[2], GOAL), (parts[3], GOAL_ACKS)):
        times = median(part.marginal) / base
        print(f"\n{part.title}: {times:.2f} times, goal {goal:g}: {'met' if times <= goal else 'missed'}", end="")
    print()
    shown = [{k: v for k, v in vars(part).items() if k not in ("process", "port")} for part in parts]
    save("fanout", {"viewers": args.viewers, "bytes": SIZE, "fps": FPS, "parts": shown})


if __name__ == "__main__":
    main()
