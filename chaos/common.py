"""What the programs share: a server that is measured, a good client beside the bad ones, and findings."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import psutil

from support.serving import Running, peer, picture, serving, trusting

WITNESS_EVERY_S = 0.02
"""Time from an answer to the good client's next frame."""
MB = 1 << 20
RESULTS = Path(__file__).resolve().parents[1] / "bench" / "results"


@dataclass(frozen=True)
class Finding:
    """What was tried, what was hoped for, and what came of it."""

    tried: str
    goal: str
    figure: str
    met: bool
    """The goal is met."""
    held: bool = True
    """Nothing broke, whatever the figure: this holds on a busy machine as well."""

    @property
    def line(self) -> str:
        word = "met   " if self.met and self.held else "MISSED" if self.held else "BROKEN"
        return f"{word} {self.tried} | goal: {self.goal} | {self.figure}"


Case: TypeAlias = Callable[[bool], Coroutine[Any, Any, Sequence[Finding]]]
"""A program. True asks for its short tier: a few seconds in place of minutes."""


@dataclass(frozen=True)
class Mark:
    """The state of a server's process at one moment."""

    at: float
    cpu_s: float
    rss: int
    descriptors: int
    logged: int
    tracebacks: int

    @property
    def rss_mb(self) -> float:
        return self.rss / MB


@dataclass(frozen=True)
class Watched:
    """A server under attack, and its process."""

    server: Running
    process: psutil.Process
    tls: ssl.SSLContext | None = None
    """What trusts the server, where it speaks TLS."""

    def mark(self) -> Mark:
        with self.process.oneshot():
            times = self.process.cpu_times()
            rss, descriptors = self.process.memory_info().rss, self.process.num_fds()
        log = self.server.log
        return Mark(time.monotonic(), times.user + times.system, rss, descriptors, log.bytes, log.tracebacks)

    @property
    def place(self) -> tuple[str, int]:
        """Host and port of HTTP."""
        host, _, port = self.server.url.partition("://")[2].rpartition(":")
        return host, int(port)

    async def settled(self, before: Mark, *, descriptors: int = 2, seconds: float = 30) -> float:
        """Wait until no more descriptors are open than before; seconds that it took."""
        began = time.monotonic()
        while self.process.num_fds() > before.descriptors + descriptors:
            if time.monotonic() - began > seconds:
                break
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def alive(self) -> bool:
        """True if the server runs, is ready, and wrote no traceback."""
        if self.server.process.returncode is not None or self.server.log.tracebacks:
            return False
        try:
            return (await self.server.http.get("/ready")).status_code == 200
        except httpx2.TransportError:
            return False


@asynccontextmanager
async def watched(
    *options: str, env: dict[str, str] | None = None, data: Path | None = None
) -> AsyncGenerator[Watched]:
    """A real server on free ports."""
    async with serving("--tcp-port", "0", "--place", "process", *options, env=env, data=data) as server:
        tls = trusting(data) if data is not None and server.url.startswith("https") else None
        yield Watched(server, psutil.Process(server.process.pid), tls)


def more_descriptors(most: int = 8192) -> None:
    """Let this process, and those that it starts, have as many descriptors as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(most, hard)), hard))


def step_back() -> None:
    """Let the server and the good client go first, where they have to share processors with their attackers."""
    if hasattr(os, "nice"):
        os.nice(10)


# The good client


Pipe: TypeAlias = "Connection[Any, Any]"


class Witness:
    """A camera in a process of its own, which sends a frame when it has the answer to the one before."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    async def latencies(self) -> list[float]:
        """Milliseconds from frame to answer since the last call. Raises EOFError where the camera lost its stream."""
        self._pipe.send(None)
        found: list[float] = await asyncio.to_thread(self._pipe.recv)
        return found

    async def p99(self, seconds: float) -> float:
        """The p99 of the next seconds."""
        await self.latencies()
        await asyncio.sleep(seconds)
        return percentile(await self.latencies(), 99)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share (percent) lies; infinite where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))] if ordered else float("inf")


@asynccontextmanager
async def witness(server: Running, *, token: str | None = None) -> AsyncGenerator[Witness]:
    """A good client as long as it lasts."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_be_witness, args=(theirs, f"{server.ws}/ws/camera/witness", token), daemon=True)
    process.start()
    theirs.close()
    try:
        good = Witness(ours)
        while not await good.latencies():  # noqa: ASYNC110 - it asks another process
            await asyncio.sleep(0.1)
        yield good
    finally:
        process.kill()
        process.join()


def _be_witness(pipe: Pipe, url: str, token: str | None) -> None:
    taken: list[float] = []

    async def run() -> None:
        pictures = [picture(seed) for seed in range(8)]
        async with peer(url, additional_headers={"Authorization": f"Bearer {token}"} if token else {}) as camera:
            seq = 0
            while True:
                sent = time.perf_counter()
                await camera.send_frame(seq, pictures[seq % len(pictures)])
                await camera.next("result", "dropped")
                taken.append((time.perf_counter() - sent) * 1000)
                seq += 1
                while pipe.poll():
                    pipe.recv()
                    pipe.send(taken.copy())
                    taken.clear()
                await asyncio.sleep(WITNESS_EVERY_S)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
