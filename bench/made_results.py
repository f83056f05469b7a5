"""Microseconds that it takes to make a frame's result of a prediction: python bench/made_results.py [--frames 3000].

Objects move through the picture at 25 frames a second, so many in each row. The columns have no stages, tracks, tracks
and zones as every stream has them, and ten zones and ten lines besides. The time is the thread's own CPU time, without
the model: the least of all groups of a hundred frames, since what disturbs only adds to it. To compare two versions,
run it in turns with each one's ``src`` in PYTHONPATH.
"""

from __future__ import annotations

import argparse
import itertools
import time
from typing import Any

import numpy as np

from sightline.analytics.base import Pipeline
from sightline.analytics.zones.board import ZoneBoard
from sightline.core.predictions import Detections
from sightline.core.types import Frame, ModelCard
from sightline.core.zones import CrossingLine
from sightline.inference.result import make_result
from zones import FPS, SIZE, zone

CARD = ModelCard("made", "made", "detect", ("person", "car"), None, "-", "-")
OBJECTS = (0, 1, 5, 10, 20, 50)
CASES: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("no stages", (), 0),
    ("tracks", ("tracks",), 0),
    ("tracks, zones", ("tracks", "zones"), 0),
    ("10 zones, 10 lines", ("tracks", "zones"), 10),
)
"""Title, stages, and how many zones and how many lines there are."""
GROUP = 100
BOX = np.array((0, 0, 40, 90), np.float32)


def pipeline(names: tuple[str, ...], shapes: int) -> Pipeline:
    """Return new stages, with so many zones and lines at random."""
    random = np.random.default_rng(1)
    lines = random.uniform(0, 1, (shapes, 2, 2)).tolist()
    board = ZoneBoard(
        "bench",
        {f"zone{n}": zone(random) for n in range(shapes)},
        {f"line{n}": CrossingLine(points=points) for n, points in enumerate(lines)},
    )
    options: dict[str, dict[str, Any]] = {"tracks": {"ids": itertools.count(1)}, "zones": {"board": board}}
    return Pipeline.of(names, {name: options[name] for name in names})


def scene(objects: int, frames: int) -> list[Detections]:
    """Objects that go to and fro, each at its own speed."""
    random = np.random.default_rng(2)
    place, speed = random.uniform(0, 2, (objects, 2)), random.normal(0, 0.003, (objects, 2))
    rest = np.full(objects, 0.8, np.float32), np.zeros(objects, np.int32)
    room = np.array(SIZE) - BOX[2:]
    corners = (np.tile(np.abs((place + speed * n) % 2 - 1) * room, 2).astype(np.float32) for n in range(frames))
    return [Detections(corner + BOX, *rest) for corner in corners]


def measured(objects: int, names: tuple[str, ...], shapes: int, frames: int) -> float:
    """Return microseconds a frame."""
    stages, found = pipeline(names, shapes), scene(objects, frames)
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    seen = [Frame("bench", n, n / FPS, time.monotonic(), image) for n in range(frames)]
    took = []
    for first in range(0, frames, GROUP):
        group = list(zip(seen, found, strict=True))[first : first + GROUP]
        begun = time.thread_time()
        for frame, prediction in group:
            make_result(frame, prediction, CARD, stages, stages={"queue": 1.5, "decode": 2.5, "infer": 9.5}, started=0)
        took.append((time.thread_time() - begun) / GROUP * 1e6)
    return min(took)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=3000)
    given = parser.parse_args()
    print("| objects | " + " | ".join(title for title, _, _ in CASES) + " |\n" + "|---" * (len(CASES) + 1) + "|")
    for objects in OBJECTS:
        took = [measured(objects, names, shapes, given.frames) for _, names, shapes in CASES]
        print(f"| {objects} | " + " | ".join(f"{one:.0f}" for one in took) + " |", flush=True)


if __name__ == "__main__":
    main()
