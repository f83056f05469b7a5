"""Trace of one frame's way for ``sightline bench frame``."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec
import numpy as np

from sightline.client import AsyncClient, Result
from sightline.core.errors import SightlineError

WARM_UP_S = 1.0
STAGES = {
    "send": "from the camera to the server",
    "queue": "waiting for the model",
    "decode": "JPEG to pixels",
    "preprocess": "pixels to the model's input",
    "infer": "the model",
    "postprocess": "the model's output to boxes and masks",
    "encode": "stages after the model, words, mask",
    "loop": "handing over between threads and processes",
    "answer": "from the server to the camera",
}
"""Parts of a frame's way in their order, and what happens there."""
WAITING = 0.3
"""Share of the way that a frame may wait for the model before the advice is about that."""
LOST = 0.05
"""Share of frames without a result from which the advice is about that."""


class Part(msgspec.Struct, frozen=True):
    """One part of a frame's way."""

    name: str
    what: str
    mean_ms: float
    p95_ms: float
    share: float
    """Of the whole way, 0 to 1."""


class Trace(msgspec.Struct, frozen=True):
    """Where the time of a frame goes. The parts' means add up to ``mean_ms``."""

    model: str
    streams: int
    fps: float
    results: int
    dropped: dict[str, int]
    """Frames without a result, by reason."""
    mean_ms: float
    """From sending a frame to its answer."""
    p95_ms: float
    parts: list[Part]
    advice: list[str]


def parts_of(result: Result) -> dict[str, float]:
    """Milliseconds of each part of a result's way. They add up to its latency, as camera and server share a clock."""
    assert result.received_at is not None
    assert result.processed_at is not None
    latency = result.latency_ms or 0.0
    stages = {name: result.stages.get(name, 0.0) for name in STAGES if name in result.stages}
    send = max(0.0, result.received_at - result.timestamp)
    loop = max(0.0, result.processed_at - result.received_at - sum(stages.values()))
    parts = {"send": send, **stages, "loop": loop}
    return parts | {"answer": max(0.0, latency - sum(parts.values()))}


async def traced(url: str, jpegs: Sequence[bytes], *, model: str, streams: int, fps: float, seconds: float) -> Trace:
    """Publish to so many streams and trace what comes back. Raises SightlineError if nothing does."""
    results: list[Result] = []
    dropped: Counter[str] = Counter()
    begin = time.monotonic() + WARM_UP_S

    async def publish(client: AsyncClient, stream: str) -> None:
        pictures = _paced(jpegs, fps, begin + seconds)
        async with aclosing(client.publish(stream, pictures, adapt=False)) as answers:
            async for answer in answers:
                if time.monotonic() < begin:
                    continue
                if isinstance(answer, Result):
                    results.append(answer)
                else:
                    dropped[answer.reason] += 1

    async with AsyncClient(url) as client, asyncio.TaskGroup() as group:
        for i in range(streams):
            group.create_task(publish(client, f"bench-{i}"))
    if not results:
        raise SightlineError(f"no frame had a result: {dict(dropped)}")
    return _trace(results, dropped, model=model, streams=streams, fps=fps)


async def _paced(jpegs: Sequence[bytes], fps: float, end: float) -> AsyncGenerator[bytes]:
    """Pictures by the clock, as of a camera: those that are due while the server has no room are skipped."""
    started, number = time.monotonic(), 0
    while time.monotonic() < end:
        number = max(number + 1, int((time.monotonic() - started) * fps))
        await asyncio.sleep(started + number / fps - time.monotonic())
        yield jpegs[number % len(jpegs)]


def _trace(results: Sequence[Result], dropped: Counter[str], *, model: str, streams: int, fps: float) -> Trace:
    ways = [parts_of(result) for result in results]
    whole = [sum(way.values()) for way in ways]
    mean = statistics.fmean(whole)
    parts = []
    for name, what in STAGES.items():
        times = [way.get(name, 0.0) for way in ways]
        parts.append(
            Part(
                name,
                what,
                mean_ms=round(statistics.fmean(times), 3),
                p95_ms=round(float(np.percentile(times, 95)), 3),
                share=round(statistics.fmean(times) / mean, 3) if mean else 0.0,
            )
        )
    size = results[0].width, results[0].height
    return Trace(
        model,
        streams,
        fps,
        len(results),
        dict(dropped),
        mean_ms=round(mean, 3),
        p95_ms=round(float(np.percentile(whole, 95)), 3),
        parts=parts,
        advice=advice(parts, results=len(results), dropped=dict(dropped), model=model, size=size),
    )


def advice(
    parts: Sequence[Part], *, results: int, dropped: dict[str, int], model: str, size: tuple[int, int]
) -> list[str]:
    """Sentences on what would make a frame faster, the most useful first."""
    by_name = {part.name: part for part in parts}
    lost = sum(dropped.values())
    said: list[str] = []
    queue = by_name["queue"]
    if lost > LOST * (lost + results) or queue.share > WAITING:
        said.append(
            f"Frames wait {queue.mean_ms:.1f} ms for the model and {lost} of {lost + results} had no result: "
            "send fewer frames a second, or have more instances (--workers) where cores are free."
        )
    worked = [part for part in parts if part.name != "queue"]
    most = max(worked, key=lambda part: part.mean_ms)
    told = {
        "infer": f"a smaller input (--imgsz) or model, or another engine: sightline bench engines {model}",
        "decode": f"pictures smaller than {size[0]}x{size[1]}, or a smaller input (--imgsz): less is decoded for it",
        "preprocess": "a smaller input (--imgsz), or pictures that are not much larger than it",
        "postprocess": "a higher --conf, or fewer classes",
        "encode": "fewer stages for this stream, or a model without masks",
    }.get(most.name, "a machine, or a network, with less else to do; pictures of fewer bytes help on a slow link")
    said.append(f"Most of the work is {most.name} ({most.what}), {most.share:.0%} of the way. Faster: {told}.")
    return said
