"""Hours in minutes: eight streams over four transports, while cameras and viewers come and go in every way.

``/stats`` is read 720 times, but no more often than every second. At each sample every stream's ledger must balance.
Memory must not grow: the slope is Theil and Sen's, the median of the slopes of all pairs of samples, over the last
three quarters. The latency's p95 must stay as it was.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeAlias

import numpy as np

from chaos.common import Finding, Mark, Watched, watched
from support import rtc
from support.rtsp import RtspServer
from support.serving import Json, balanced, peer, picture
from support.tcp_peer import frame, tcp_peer

CAMERA_S, VIEWER_S = (15.0, 60.0), (2.0, 20.0)
"""Shortest and longest life."""
FPS = 5
ABORTS = 0.3
"""Share of peers that leave without a word."""
SAMPLES = 720
SLOPE_MB_H = 5.0
"""Growth of memory that is too much, of runs that are long enough to tell it."""
TELLING_S = 1200.0
FLAT = 1.5
"""Factor by which p95 may grow from the second quarter to the last; a growth below FLAT_MS is none."""
FLAT_MS = 5.0
SEED = 1

PICTURES = [picture(seed) for seed in range(8)]
PUSHED = {"ws-1": "ws", "ws-2": "ws", "tcp-1": "tcp", "tcp-2": "tcp", "rtc-1": "rtc", "rtc-2": "rtc"}
PULLED = ("pulled-rtsp", "pulled-made")


@dataclass
class Soak:
    """A run: who comes and goes, and what was seen."""

    house: Watched
    rng: random.Random
    came: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    samples: list[Json] = field(default_factory=list)

    def life(self, bounds: tuple[float, float]) -> float:
        """When a peer that comes now will leave."""
        return time.monotonic() + self.rng.uniform(*bounds)

    def abrupt(self) -> bool:
        return self.rng.random() < ABORTS


Being: TypeAlias = Callable[[Soak, str], Awaitable[None]]


async def ws_camera(soak: Soak, name: str) -> None:
    async with peer(f"{soak.house.server.ws}/ws/camera/{name}?session=soak") as camera:
        end, seq = soak.life(CAMERA_S), 0
        while time.monotonic() < end:
            await camera.send_frame(seq, PICTURES[seq % len(PICTURES)])
            answer, _ = await camera.next("result", "dropped")
            assert answer["frameNumber"] == seq
            seq += 1
            await asyncio.sleep(1 / FPS)
        if soak.abrupt():
            await camera.ws.send('{"type":"frame_metadata"')
            camera.ws.transport.abort()


async def tcp_camera(soak: Soak, name: str) -> None:
    async with tcp_peer(soak.house.server.tcp) as camera:
        end, seq = soak.life(CAMERA_S), 0
        while time.monotonic() < end:
            await camera.send(frame(name, seq, PICTURES[seq % len(PICTURES)], session="soak"))
            answer = await camera.next("result", "dropped", "error")
            assert (answer["type"] != "error", answer.get("seq")) == (True, seq), answer
            seq += 1
            await asyncio.sleep(1 / FPS)
        if soak.abrupt():
            await camera.send_raw(b"\x00\x00\x10\x00half a message")
            camera.writer.transport.abort()


async def rtc_camera(soak: Soak, name: str) -> None:
    async with rtc.camera(soak.house.server, name, "?session=soak", fps=FPS) as camera:
        await camera.until(lambda: camera.of("result"))
        await asyncio.sleep(soak.life(CAMERA_S) - time.monotonic())


async def ws_viewer(soak: Soak, name: str) -> None:
    await _reads(
        soak, soak.rng.choice((f"/ws/view/{name}", f"/ws/view/{name}?render=server", f"/ws?stream={name}", "/ws"))
    )


async def _reads(soak: Soak, path: str) -> None:
    async with peer(soak.house.server.ws + path) as viewer:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + soak.rng.uniform(*VIEWER_S)):
                while True:
                    await viewer.ws.recv()
        if soak.abrupt():
            viewer.ws.transport.abort()


async def mjpeg_viewer(soak: Soak, name: str) -> None:
    end = soak.life(VIEWER_S)
    async with soak.house.server.http.stream("GET", f"/mjpeg/{name}") as answer:
        async for _ in answer.aiter_bytes():
            if time.monotonic() > end:
                return


async def tcp_viewer(soak: Soak, name: str) -> None:
    async with tcp_peer(soak.house.server.tcp) as viewer:
        await viewer.send({"type": "subscribe", "stream": name, "pictures": soak.rng.random() < 0.5})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(soak.rng.uniform(*VIEWER_S)):
                while True:
                    await viewer.receive()
        if soak.abrupt():
            viewer.writer.transport.abort()


async def rtc_viewer(soak: Soak, name: str) -> None:
    async with rtc.viewer(soak.house.server, name):
        await asyncio.sleep(soak.rng.uniform(*VIEWER_S))


CAMERAS: dict[str, Being] = {"ws": ws_camera, "tcp": tcp_camera, "rtc": rtc_camera}
VIEWERS: tuple[Being, ...] = (ws_viewer, ws_viewer, tcp_viewer, mjpeg_viewer, rtc_viewer)


async def come_and_go(soak: Soak, being: Being, names: Sequence[str]) -> None:
    """Be one after the other, for ever, with a short pause between."""
    while True:
        kind = being.__name__
        try:
            await being(soak, soak.rng.choice(names))
            soak.came[kind] += 1
        except Exception as e:  # noqa: BLE001 - whatever it is, it is what was looked for
            soak.faults[f"{kind}: {type(e).__name__}: {e}"[:200]] += 1
        await asyncio.sleep(soak.rng.uniform(0.1, 2.0))


async def sample(soak: Soak, seconds: float) -> None:
    """Read the figures for so long."""
    began, every = time.monotonic(), max(1.0, seconds / SAMPLES)
    count = int(seconds / every)
    for number in range(count):
        await asyncio.sleep(max(0.0, began + (number + 1) * every - time.monotonic()))
        stats = await soak.house.server.get("/stats")
        mark = soak.house.mark()
        live = [s["latency_ms"]["p95"] for s in stats["streams"].values() if s["state"] == "live"]
        soak.samples.append(
            {
                "s": round(time.monotonic() - began, 1),
                "wrong": [name for name, s in stats["streams"].items() if not balanced(s)],
                "rss_mb": round(mark.rss_mb, 2),
                "p95_ms": round(median(live), 1) if live else None,
                "descriptors": mark.descriptors,
                "received": stats["total_frames"],
            }
        )
        if number % max(1, count // 12) == 0:
            print(f"       {soak.samples[-1]}", flush=True)


@asynccontextmanager
async def crowd(soak: Soak) -> AsyncGenerator[None]:
    """Everybody, until it is left."""
    names = [*PUSHED, *PULLED]
    people = [come_and_go(soak, CAMERAS[kind], [name]) for name, kind in PUSHED.items()]
    people += [come_and_go(soak, being, names) for being in VIEWERS]
    tasks = [asyncio.create_task(one) for one in people]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run(seconds: float) -> tuple[list[Finding], Json]:
    """Soak a server of its own. Gives what was found, and all samples."""
    with RtspServer(fps=FPS) as rtsp:
        sources = [f"--source={PULLED[0]}={rtsp.url}", f"--source={PULLED[1]}=synthetic:shapes?size=320x180&fps={FPS}"]
        async with watched("--model", "motion", "--log-level", "warning", *sources) as house:
            await house.server.until(lambda s: all(s["streams"][n]["state"] == "live" for n in PULLED))
            soak, before = Soak(house, random.Random(SEED)), house.mark()
            async with crowd(soak):
                await sample(soak, seconds)
            back_s = await house.settled(before, descriptors=4)
            stats = await house.server.until(lambda s: not any(one["viewers"] for one in s["streams"].values()))
            exact = all(map(balanced, stats["streams"].values()))
            return judged(soak, before, house.mark(), back_s, exact=exact), {
                "came": soak.came,
                "faults": soak.faults,
                "samples": soak.samples,
            }


def judged(soak: Soak, before: Mark, after: Mark, back_s: float, *, exact: bool) -> list[Finding]:
    """What the samples say."""
    taken, wrong = soak.samples, [s for s in soak.samples if s["wrong"]]
    seconds, peers, faults = taken[-1]["s"], soak.came.total(), soak.faults.total()
    tried = f"soak of {seconds:.0f} s, {len(PUSHED) + len(PULLED)} streams, {peers} peers that came and went"
    slope = theil_sen([(s["s"] / 3600, s["rss_mb"]) for s in taken[len(taken) // 4 :]])
    early, late = (p95_of(taken, quarter) for quarter in (1, 3))
    told = seconds >= TELLING_S
    flat = late <= max(early * FLAT, early + FLAT_MS)
    return [
        Finding(
            f"{tried}: ledger",
            "exact at every sample",
            f"{len(taken) - len(wrong)} of {len(taken)} exact, {taken[-1]['received']} frames",
            not wrong and exact,
            not wrong and exact,
        ),
        Finding("soak: peers that were not served", "0", f"{faults} {dict(soak.faults) or ''}", not faults, not faults),
        Finding(
            "soak: memory, slope over the last three quarters",
            f"< {SLOPE_MB_H:g} MB an hour",
            f"{slope:+.2f} MB an hour, {taken[0]['rss_mb']:.0f} to {taken[-1]['rss_mb']:.0f} MB"
            + ("" if told else f" (a run below {TELLING_S / 60:.0f} minutes can't tell)"),
            not told or slope < SLOPE_MB_H,
        ),
        Finding("soak: p95 of the second and the last quarter", "flat", f"{early:.1f}, {late:.1f} ms", flat),
        Finding(
            "soak: left behind",
            "no descriptor, no traceback",
            f"{after.descriptors - before.descriptors:+d} descriptors after {back_s:.1f} s, "
            f"{after.tracebacks} tracebacks, {after.logged} bytes of log",
            after.descriptors <= before.descriptors + 4 and not after.tracebacks,
            not after.tracebacks,
        ),
    ]


def p95_of(samples: Sequence[Json], quarter: int) -> float:
    """Median of p95 in one quarter, counted from 0."""
    size = max(1, len(samples) // 4)
    found = [s["p95_ms"] for s in samples[quarter * size : (quarter + 1) * size] if s["p95_ms"] is not None]
    return float(median(found)) if found else 0.0


def theil_sen(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes of all pairs of points."""
    x, y = np.array(points).T
    first, second = np.triu_indices(len(x), 1)
    return float(np.median((y[second] - y[first]) / (x[second] - x[first]))) if len(first) else 0.0


def seconds_of(text: str) -> float:
    """``90s``, ``2m`` or ``1.5h`` in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number with s, m or h, such as 60m")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def main() -> None:
    """Soak, print, write bench/results/soak.json; status 1 if something broke."""
    from common import save

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("length", type=seconds_of, nargs="?", default="60m", help="such as 60m or 2m")
    seconds: float = parser.parse_args().length
    findings, rest = asyncio.run(run(seconds))
    for finding in findings:
        print(finding.line)
    found: dict[str, Any] = {"findings": [finding.line for finding in findings], **rest}
    save("soak", found, f"make soak SOAK={seconds / 60:g}m")
    sys.exit(not all(finding.held for finding in findings))


if __name__ == "__main__":
    main()
