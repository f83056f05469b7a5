"""The way of a frame from a TCP socket to a model and back, one frame at a time: a model that does nothing.

Each case has a server of its own and 64 publishers in another process, which speak the protocol bare, with two frames
under way each. Beside it runs a bare server, which splits what comes into messages as ours does, keeps each picture and
answers with as many bytes: less is not possible with this event loop. To compare two versions, run it in turns with
each one's ``src`` in PYTHONPATH. On a machine that others use as well, `chrt -r 1` before it gives it the processor.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import selectors
import socket
import time
from collections.abc import Callable
from statistics import median
from typing import Any, cast
from urllib.parse import urlsplit

import psutil
import uvloop

from common import Pipe, child, clip_jpegs, cpu_seconds
from sightline.wire import msgpack
from sightline.wire.messages import ResultMessage
from sightline.wire.requests import FrameHead
from transport import our_server, padded_jpeg

PUBLISHERS = 64


class Bare(asyncio.BufferedProtocol):
    """A connection whose messages are answered by the event loop alone."""

    answer = msgpack.prefixed(
        msgpack.encode(
            ResultMessage(
                stream="bench-0",
                seq=1000,
                timestamp=1e12,
                width=16,
                height=16,
                model="null",
                detections=(),
                processing_time_ms=0.123,
                stages=dict.fromkeys(("queue", "decode", "encode"), 0.123),
                captured_at=1e12,
                received_at=1e12,
                processed_at=1e12,
            )
        )
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._splitter = msgpack.Splitter(1 << 20)
        self._picture = b""

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._splitter.room()

    def buffer_updated(self, nbytes: int) -> None:
        for message in self._splitter.received(nbytes):
            self._picture = bytes(message)
            self._transport.write(self.answer)


def bare_server(pipe: Pipe) -> None:
    """Run that, and nothing else."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", 0)
        pipe.send((os.getpid(), "", f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        await server.serve_forever()

    uvloop.run(run())


CASES: tuple[tuple[str, Callable[..., None], tuple[Any, ...], bool], ...] = (
    ("30 KB, a bare server", bare_server, (), False),
    ("30 KB, nothing to decode, one frame at a time", our_server, (1, 16), False),
    ("30 KB, nothing to decode, batches of 32", our_server, (32, 16), False),
    ("768x432, decoded whole, one frame at a time", our_server, (1, 640), True),
)
"""Title, the server, its model's batch and the side that the model needs, and whether the pictures are a clip's."""


class Publisher:
    """One connection that sends a frame for each answer."""

    def __init__(self, number: int, address: tuple[str, int], jpegs: list[bytes]) -> None:
        self.socket = socket.create_connection(address)
        self._stream, self._jpegs, self._seq = f"bench-{number}", jpegs, 0
        self._splitter = msgpack.Splitter(1 << 16)

    def send(self) -> None:
        """Send the next frame."""
        jpeg = self._jpegs[self._seq % len(self._jpegs)]
        head = msgpack.encode(FrameHead(self._stream, self._seq, time.time() * 1000))
        self.socket.sendall(b"".join(msgpack.for_tcp(msgpack.with_binaries(head, data=jpeg))))
        self._seq += 1

    def receive(self) -> int:
        """Read what came, send a frame for each answer, and return the number of results."""
        kinds = [bytes(one[1:18]) for one in self._splitter.received(self.socket.recv_into(self._splitter.room()))]
        results = sum(b"result" in kind for kind in kinds)
        for _ in range(results + sum(b"dropped" in kind for kind in kinds)):
            self.send()
        return results


def publishers(pipe: Pipe, address: tuple[str, int], jpegs: list[bytes], seconds: float) -> None:
    """Run all publishers. Tells when the warm-up is over, and the results and seconds of the time after it."""
    ready = selectors.DefaultSelector()
    for number in range(PUBLISHERS):
        one = Publisher(number, address, jpegs)
        ready.register(one.socket, selectors.EVENT_READ, one)
        one.send()
        one.send()
    for turn in (1.5, seconds):
        results, began = 0, time.monotonic()
        while time.monotonic() - began < turn:
            results += sum(key.data.receive() for key, _ in ready.select(0.05))
        pipe.send((results, time.monotonic() - began))


def measured(
    serve: Callable[..., None], options: tuple[Any, ...], jpegs: list[bytes], seconds: float
) -> tuple[float, float]:
    """Results a second, and microseconds of the server's CPU for each."""
    with child(serve, *options) as server:
        pid, _, tcp = server.recv()
        url = urlsplit(tcp)
        with child(publishers, (url.hostname, url.port), jpegs, seconds) as pipe:
            pipe.recv()
            before = cpu_seconds(psutil.Process(pid))
            results, took = pipe.recv()
            return results / took, (cpu_seconds(psutil.Process(pid)) - before) / results * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print("| case | results/s | server's CPU, us a result |\n|---|---|---|")
    for title, serve, options, clip in CASES:
        jpegs = clip_jpegs(30) if clip else [padded_jpeg()]
        rounds = [measured(serve, options, jpegs, args.seconds) for _ in range(args.rounds)]
        print(f"| {title} | {median(r[0] for r in rounds):,.0f} | {median(r[1] for r in rounds):.0f} |", flush=True)


if __name__ == "__main__":
    main()
