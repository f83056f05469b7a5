"""Processes that run models are killed, crash, stop or take all memory while four streams send 30 frames a second:
frames are lost with them, streams and peers are not.

What else a model does to its own process from within is in ``tests/inference/test_process_place.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from chaos.common import MB, Finding, Watched, watched
from support.outside import install
from support.serving import Peer, balanced, peer, picture

SIGNALS = {"kill -9": signal.SIGKILL, "SIGSEGV": signal.SIGSEGV, "SIGSTOP": signal.SIGSTOP}
BALLOON = "balloon"
BACK_S = {"kill -9": 2.0, "SIGSEGV": 2.0, "SIGSTOP": 2.0, BALLOON: 2.0}
"""Seconds in which every stream has results again. One that stopped is missed after a second: the deadline."""
ROUNDS, EACH = 5, 4
"""Servers, and deaths in each: after five deaths in a minute the next start waits, as it should."""
STREAMS, FPS, PENDING = 4, 30, 2
NEVER_S = 60.0
SETTLE_S = 0.5
KNOWN = 20
"""Results of each stream after which it is known how long a batch takes, and when one is late."""
MEMORY_MB = 600
MODEL = f"""
import os
import numpy as np
from dataclasses import replace
from sightline.models import motion

kept = []
def builtin():
    return replace(motion.builtin(), name="{BALLOON}")

class Balloon(motion.Motion):
    def predict(self, images, **given):
        if os.path.exists(os.environ["BALLOON"]):
            os.unlink(os.environ["BALLOON"])  # the next process shall not do it as well
            kept.append(None)
        if kept:
            kept.append(np.ones(150 << 20, np.uint8))
        return super().predict(images, **given)

def create():
    return Balloon()
"""


@dataclass
class Feeder:
    """A camera that sends 30 frames a second, as long as answers come."""

    name: str
    camera: Peer
    sent: dict[int, float] = field(default_factory=dict)
    """When each frame without an answer was sent."""
    newest: float = 0.0
    """When the newest frame with a result was sent."""
    answers: Counter[str] = field(default_factory=Counter)
    count: int = 0

    async def send(self) -> None:
        while True:
            if len(self.sent) < PENDING:
                self.sent[self.count] = time.monotonic()
                await self.camera.send_frame(self.count, picture(self.count))
                self.count += 1
            await asyncio.sleep(1 / FPS)

    async def read(self) -> None:
        while True:
            answer, _ = await self.camera.next("result", "dropped")
            at = self.sent.pop(answer["frameNumber"])
            self.answers[answer.get("reason", "result")] += 1
            if answer["type"] == "result":
                self.newest = max(self.newest, at)


@asynccontextmanager
async def feeding(house: Watched) -> AsyncGenerator[list[Feeder]]:
    """Four cameras. Raises what ends one of them; at the end all answers have come."""
    async with AsyncExitStack() as stack:
        feeders = []
        for number in range(STREAMS):
            name = f"stream-{number}"
            feeders.append(Feeder(name, await stack.enter_async_context(peer(f"{house.server.ws}/ws/camera/{name}"))))
        sending = [asyncio.create_task(feeder.send()) for feeder in feeders]
        reading = [asyncio.create_task(feeder.read()) for feeder in feeders]
        try:
            yield feeders
            await over(sending)
            async with asyncio.timeout(NEVER_S):
                while any(feeder.sent for feeder in feeders):  # noqa: ASYNC110 - peers tell nobody
                    await asyncio.sleep(0.01)
        finally:
            await over([*sending, *reading])


async def over(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended


def model_processes(house: Watched) -> list[psutil.Process]:
    """The server's children that run models."""
    found = []
    for child in house.process.children(recursive=True):
        try:
            if any("sightline.inference.places" in word for word in child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def memory_mb(house: Watched) -> float:
    """The server's memory and that of its models."""
    total = 0
    for process in [house.process, *model_processes(house)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total / MB


def strike(house: Watched, what: str, file: Path) -> float:
    """Let it happen to every process that runs a model; when the last of them had to die."""
    struck = model_processes(house)
    assert struck, "no process of a model was found"
    if what == BALLOON:
        file.touch()
        psutil.wait_procs(struck, NEVER_S)  # it dies when it is noticed
        return time.monotonic()
    at = time.monotonic()
    for process in struck:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(SIGNALS[what])
    return at


async def back(feeders: Sequence[Feeder], since: float) -> float:
    """Seconds until every stream has a result of a frame that was sent after that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(NEVER_S):
            while any(feeder.newest <= since for feeder in feeders):  # noqa: ASYNC110 - peers tell nobody
                await asyncio.sleep(0.005)
            return time.monotonic() - since
    return float("inf")


@dataclass
class Seen:
    """What came of one kind of death."""

    took: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    grown_mb: list[float] = field(default_factory=list)
    exact: bool = True
    alive: bool = True


async def round_of(what: str, times: int, seen: Seen) -> None:
    """One server, and so many deaths."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "now"
        env = install(Path(folder), {BALLOON: MODEL}, {"models": {BALLOON: BALLOON}})
        env |= {"BALLOON": str(file), "SIGHTLINE_MODEL_MEMORY_MB": str(MEMORY_MB)}
        async with watched("--model", BALLOON, "--no-static-skip", env=env) as house:
            async with feeding(house) as feeders:
                while any(feeder.answers["result"] < KNOWN for feeder in feeders):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
                before = memory_mb(house)
                for _ in range(times):
                    struck_at = await asyncio.to_thread(strike, house, what, file)
                    seen.took.append(await back(feeders, struck_at))
                    await asyncio.sleep(SETTLE_S)
                seen.grown_mb.append(memory_mb(house) - before)
            stats = await house.server.until(lambda s: not any(one["in_flight"] for one in s["streams"].values()))
            for feeder in feeders:
                stream = stats["streams"][feeder.name]
                seen.answers += feeder.answers
                seen.exact &= balanced(stream) and stream["received"] == feeder.count
            await house.server.until(lambda now: bool(now["ready"]), path="/ready")
            # What a model raises is in the log with its traceback, and one without memory raises.
            seen.alive &= what == BALLOON or not house.server.log.tracebacks


async def struck(what: str, rounds: int, each: int) -> Finding:
    """All rounds of one kind of death."""
    seen = Seen()
    for _ in range(rounds):
        await round_of(what, each, seen)
    took, grown = sorted(seen.took), max(seen.grown_mb)
    total, lost = seen.answers.total(), seen.answers.total() - seen.answers["result"]
    reasons = ", ".join(f"{n} {why}" for why, n in seen.answers.items() if why != "result") or "none"
    return Finding(
        f"{what} of the model's process, {len(took)} times, under {STREAMS} streams of {FPS} fps",
        f"all have results < {BACK_S[what]:g} s, no session lost, ledger exact, memory back",
        f"median {took[len(took) // 2]:.2f} s, longest {took[-1]:.2f} s; {lost} of {total} frames without a result "
        f"({reasons}); {grown:+.0f} MB at most; {'exact' if seen.exact else 'NOT exact'}",
        seen.exact and seen.alive and took[-1] < BACK_S[what] and grown < 32,
        seen.exact and seen.alive and took[-1] < NEVER_S,
    )


async def workers(short: bool) -> Sequence[Finding]:
    """Every kind of death."""
    return [await struck(what, *((1, 1) if short else (ROUNDS, EACH))) for what in BACK_S]
