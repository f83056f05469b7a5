"""Milliseconds a frame of zones and lines: python bench/zones.py [--objects 50] [--zones 10] [--lines 10].

Objects walk at random through zones of six corners and over lines, at 25 frames a second, and are counted. The time is
the thread's own CPU time, without the model and the tracker. The table has all frames and those in which something
was counted.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from sightline.analytics.zones.counter import ZoneCounter
from sightline.analytics.zones.objects import Sighting
from sightline.core.zones import CrossingLine, Zone

SIZE = (1280, 720)
FPS = 25


def zone(random: np.random.Generator) -> Zone:
    """A zone of six corners."""
    angles = np.sort(random.uniform(0, 2 * np.pi, 6))
    x, y = random.uniform(0.3, 0.7, (2, 1)) + 0.25 * np.array([np.cos(angles), np.sin(angles)])
    return Zone.model_validate({"points": np.stack((x, y), axis=1).tolist()})


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=50)
    parser.add_argument("--zones", type=int, default=10)
    parser.add_argument("--lines", type=int, default=10)
    parser.add_argument("--frames", type=int, default=3000)
    given = parser.parse_args()
    random = np.random.default_rng(1)
    zones = {f"zone{n}": zone(random) for n in range(given.zones)}
    ends = random.uniform(0, 1, (given.lines, 2, 2)).tolist()
    counter = ZoneCounter(zones, {f"line{n}": CrossingLine(points=points) for n, points in enumerate(ends)})
    feet, speed = random.uniform(0.2, 0.8, (given.objects, 2)), random.normal(0, 0.1 / FPS, (given.objects, 2))
    ids, classes = list(range(given.objects)), ["person"] * given.objects
    all_ms, counted_ms = [], []
    for frame in range(given.frames):
        feet += speed
        speed[(feet < 0.1) | (feet > 0.9)] *= -1
        boxes = (np.tile(feet, 2) + np.array((-0.025, -0.2, 0.025, 0.0))) * (SIZE * 2)
        begun = time.thread_time()
        happened = counter.update(frame / FPS, Sighting(ids, classes, boxes, SIZE))
        counter.counted()
        ms = (time.thread_time() - begun) * 1000
        all_ms.append(ms)
        counted_ms += [ms] if happened else []
    print(f"{given.objects} objects, {given.zones} zones, {given.lines} lines, {given.frames} frames of {FPS} fps")
    for name, values in (("all frames", all_ms), ("with counts", counted_ms)):
        if values:
            shown = f"{np.mean(values):8.3f} {np.median(values):8.3f} {np.percentile(values, 95):8.3f}"
            print(f"{name:12} {len(values):6} frames: mean, median, 95 %: {shown} ms")


if __name__ == "__main__":
    main()
