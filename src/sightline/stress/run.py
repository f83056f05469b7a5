"""Runs a plan, or a series of plans with a growing load, against a server."""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from sightline.core.errors import SightlineError, Unreachable
from sightline.stress.child import Child, child
from sightline.stress.figures import Figures, Sample, balanced, figures
from sightline.stress.pictures import pack
from sightline.stress.plan import MOST_FPS, Published, PublishJob, ServerReady, Start, Stop, StressPlan, Viewed, ViewJob
from sightline.stress.server import StressServer
from sightline.stress.verdict import Goal, within

EVERY_S = 0.5
"""Interval between two reads of ``/stats``, in seconds."""
LEAD_S = 0.5
"""Seconds from the moment when everybody is connected to the first frame."""
SETTLE_S = 10.0
OVERTIME_S = 60.0
"""Seconds after its planned end at which a run is given up."""
STEP = 1.5
"""Factor by which the load grows from one run of a sweep to the next."""
BEYOND = 3
"""Number of runs of a sweep after the goal is missed; they show how the server behaves beyond capacity."""
LEVELS = 20

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Load:
    """The server, the pictures and the progress callback that all runs share."""

    server: StressServer
    pictures: Sequence[bytes]
    say: Say
    """Callback that shows progress to a person."""


async def run(load: Load, plan: StressPlan) -> Figures:
    """Run one plan. Raises SightlineError if it can't be carried out; server failures are figures, not errors."""
    # A new name each time, so that nothing the server remembers of an earlier run is counted.
    run_id = uuid4().hex[:6]
    names = [f"stress-{run_id}-{i}" for i in range(plan.streams)]
    with tempfile.TemporaryDirectory(prefix="sightline-stress-") as folder:
        path = Path(folder) / "pictures"
        ends = pack(load.pictures, path)
        async with AsyncExitStack() as stack:
            url, count = load.server.url, len(ends)
            shown = load.server.token, load.server.ca
            load.say(f"connecting {plan.streams} publishers, {plan.viewers} viewers")
            publishing = [
                PublishJob(url, name, plan.schedule(i), str(path), ends, i * count // plan.streams, *shown)
                for i, name in enumerate(names)
            ]
            viewing = [ViewJob(url, names[i % plan.streams], *shown) for i in range(plan.viewers)]
            viewers = [await stack.enter_async_context(child("viewer", job)) for job in viewing]
            publishers = [await stack.enter_async_context(child("publisher", job)) for job in publishing]
            await asyncio.gather(*(one.hear(ServerReady) for one in [*viewers, *publishers]))
            published, samples = await _publish(load, plan, publishers, names)
            stats = await _final(load.server, names)
            for viewer in viewers:
                await viewer.tell(Stop())
            viewed = [await viewer.hear(Viewed) for viewer in viewers]
    return figures(
        plan,
        published,
        viewed,
        samples,
        stats,
        transport=load.server.url.partition(":")[0],
        picture_bytes=round(sum(map(len, load.pictures)) / len(load.pictures)),
    )


async def sweep(load: Load, plan: StressPlan, goal: Goal) -> list[Figures]:
    """Run plans with a growing load, beginning with this one, until BEYOND runs missed the goal."""
    found: list[Figures] = []
    broken = 0
    while broken < BEYOND and len(found) < LEVELS and plan.fps <= MOST_FPS:
        load.say(f"{plan.offered:g} frames/s")
        found.append(await run(load, plan))
        broken = broken + 1 if broken or not within(found[-1], goal) else 0
        plan = StressPlan(plan.streams, round(plan.fps * STEP, 2), plan.duration, plan.viewers)
    return found


async def _publish(
    load: Load, plan: StressPlan, publishers: list[Child], names: list[str]
) -> tuple[list[Published], list[Sample]]:
    start = time.monotonic() + LEAD_S
    for one in publishers:
        await one.tell(Start(start))
    samples: list[Sample] = []
    watching = asyncio.create_task(_watch(load, plan, start, names, samples))
    try:
        async with asyncio.timeout(plan.duration + OVERTIME_S):
            return list(await asyncio.gather(*(one.hear(Published) for one in publishers))), samples
    except TimeoutError:
        raise SightlineError(f"the publishers did not come to an end within {plan.duration + OVERTIME_S:g} s") from None
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        if not watching.cancelled():
            watching.result()  # raises any error of the task


async def _watch(load: Load, plan: StressPlan, start: float, names: list[str], samples: list[Sample]) -> None:
    """Read the figures until cancelled."""
    await load.server.get("/stats")  # CPU is counted from the previous read on
    await asyncio.sleep(start - time.monotonic())
    tick = 0
    while True:
        tick += 1
        await asyncio.sleep(max(0.0, start + tick * EVERY_S - time.monotonic()))
        try:
            stats = await load.server.get("/stats")
        except SightlineError:  # the publishers report what is wrong, if anything is
            continue
        s = time.monotonic() - start
        right = all(balanced(stats["streams"][name]) for name in names if name in stats["streams"])
        samples.append(Sample(round(s, 2), stats["cpu"], stats["ram"], right))
        load.say(f"{plan.streams} streams at {plan.fps:g} frames/s: {min(s, plan.duration):.0f} of {plan.duration:g} s")


async def _final(server: StressServer, names: list[str]) -> dict[str, Any]:
    """The server's figures once every frame has had its answer; empty if it is gone, which the publishers report."""
    try:
        return await server.until("/stats", lambda stats: _settled(stats, names), SETTLE_S)
    except Unreachable:
        return {}


def _settled(stats: dict[str, Any], names: list[str]) -> bool:
    return all(stats["streams"][name]["in_flight"] == 0 for name in names if name in stats["streams"])


def machine() -> str:
    """Description of this machine."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
