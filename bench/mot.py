"""Sequences for bench/tracking.py: folders of the MOTChallenge, made scenes, detections made from the truth."""

from __future__ import annotations

import configparser
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = "NDArray[np.float64]"
"""Rows of truth: id, x1, y1, x2, y2, class, visible share. Of detections: x1, y1, x2, y2, confidence, class."""

FPS = 25.0
"""Where nothing says otherwise."""


@dataclass(frozen=True)
class Clip:
    """A sequence: by frame number, what is there and what a detector found."""

    name: str
    fps: float
    truth: dict[int, Rows]
    ignored: dict[int, Rows]
    """Boxes on which a detection is neither right nor wrong: x1, y1, x2, y2."""
    found: dict[int, Rows] | None
    """None where detections are still to be made from the truth."""

    @property
    def frames(self) -> list[int]:
        """Numbers of all frames that are there; they may have gaps."""
        return sorted(self.truth.keys() | self.ignored.keys() | (self.found or {}).keys())


def read(folder: Path) -> Clip:
    """Read ``gt/gt.txt``, and ``det/det.txt`` and ``seqinfo.ini`` if there are any. Exits where there is no truth."""
    truth_file = folder / "gt" / "gt.txt"
    if not truth_file.is_file():
        sys.exit(f"{truth_file} is not there: expected folders as the MOTChallenge has them")
    table = _table(truth_file)
    boxes = np.column_stack([table[:, 2:4], table[:, 2:4] + table[:, 4:6]])
    counted = table[:, 6] != 0 if table.shape[1] > 6 else np.ones(len(table), bool)
    # With 10 columns the last three are a place in the world, as in MOT15; with 8 or 9 they are class and visibility.
    classes = table[:, 7] if table.shape[1] in (8, 9) else np.zeros(len(table))
    visible = _visible(table, boxes)
    rows = np.column_stack([table[:, 1], boxes, classes, visible])
    det = folder / "det" / "det.txt"
    return Clip(
        folder.name,
        _fps(folder / "seqinfo.ini"),
        _by_frame(table[counted, 0], rows[counted]),
        _by_frame(table[~counted, 0], boxes[~counted]),
        _detections(_table(det)) if det.is_file() else None,
    )


def _table(file: Path) -> Rows:
    rows = np.loadtxt(file, delimiter=",", ndmin=2, encoding="utf-8")
    if not len(rows) or rows.shape[1] < 6:
        sys.exit(f"{file}: expected lines of at least frame, id, left, top, width, height")
    return np.asarray(rows[(rows[:, 4] > 0) & (rows[:, 5] > 0)])


def _fps(info: Path) -> float:
    parser = configparser.ConfigParser()
    parser.read(info)
    return parser.getfloat("Sequence", "frameRate", fallback=FPS)


def _by_frame(numbers: Rows, rows: Rows) -> dict[int, Rows]:
    return {int(number): rows[numbers == number] for number in np.unique(numbers)}


def _visible(table: Rows, boxes: Rows) -> Rows:
    """Visible share of each box: as the file tells it, else what no box that stands nearer the camera covers."""
    if table.shape[1] == 9 and ((table[:, 8] >= 0) & (table[:, 8] <= 1)).all():
        return np.asarray(table[:, 8])
    visible = np.ones(len(table))
    for number in np.unique(table[:, 0]):
        rows = np.flatnonzero(table[:, 0] == number)
        visible[rows] = uncovered(boxes[rows])
    return visible


def uncovered(boxes: Rows) -> Rows:
    """Return the share of each box that no other covers whose lower edge is lower in the picture."""
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    low, high = np.maximum(boxes[:, None, :2], boxes[:, :2]), np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    covered = (high - low).clip(0).prod(2) / areas[:, None]
    covered[boxes[None, :, 3] <= boxes[:, None, 3]] = 0
    return np.asarray(1 - covered.max(1, initial=0).clip(0, 1))


def _detections(table: Rows) -> dict[int, Rows]:
    """Public detections. Their scores are put into 0 to 1, where they are none."""
    scores = table[:, 6] if table.shape[1] > 6 else np.ones(len(table))
    if np.ptp(scores) == 0:
        scores = np.ones(len(table))
    elif scores.min() < 0:
        scores = 1 / (1 + np.exp(-scores))
    elif scores.max() > 1:
        scores = scores / np.percentile(scores, 95)
    boxes = np.column_stack([table[:, 2:4], table[:, 2:4] + table[:, 4:6]])
    return _by_frame(table[:, 0], np.column_stack([boxes, scores.clip(0.01, 1), np.zeros(len(table))]))


def detected(clip: Clip, seed: int) -> Clip:
    """Return the clip with detections made from its truth: misses that last, jitter, false alarms. By seed."""
    if clip.found is not None:
        return clip
    random = np.random.default_rng(seed)
    everything = np.concatenate(list(clip.truth.values()))
    low, high = everything[:, 1:3].min(0), everything[:, 3:5].max(0)
    missing: dict[int, bool] = {}
    found = {}
    for number in clip.frames:
        rows = clip.truth.get(number, everything[:0])
        kept = np.array([_is_seen(one, missing, random) for one in rows], bool)
        false = everything[random.integers(len(everything), size=random.poisson(0.4))]
        found[number] = np.concatenate([_seen(rows[kept], random), _false(false, low, high, random)])
    return replace(clip, found=found)


def _is_seen(row: Rows, missing: dict[int, bool], random: np.random.Generator) -> bool:
    """Whether an object is detected. What was missed is missed again in two of three frames."""
    missed = 0.65 if missing.get(int(row[0])) else 0.05
    missed += (1 - missed) * float(np.clip(1.2 - 2 * row[6], 0, 1))  # below 10 % visible never, above 60 % always
    missing[int(row[0])] = bool(random.random() < missed)
    return not missing[int(row[0])]


def _seen(rows: Rows, random: np.random.Generator) -> Rows:
    sizes = np.tile(rows[:, 3:5] - rows[:, 1:3], 2)
    boxes = rows[:, 1:5] + random.normal(0, 0.03, (len(rows), 4)) * sizes
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    confidence = (0.45 + 0.45 * rows[:, 6] + random.normal(0, 0.1, len(rows))).clip(0.1, 0.99)
    return np.column_stack([boxes, confidence, rows[:, 5]])


def _false(like: Rows, low: Rows, high: Rows, random: np.random.Generator) -> Rows:
    corner = random.uniform(low, high, (len(like), 2))
    boxes = np.column_stack([corner, corner + like[:, 3:5] - like[:, 1:3]])
    return np.column_stack([boxes, random.uniform(0.1, 0.75, len(like)), like[:, 5]])


def scenes(seed: int) -> list[Clip]:
    """Made scenes: people who cross and hide each other, the same before a camera that pans, and fast vehicles."""
    return [
        _scene("crossings", seed, people=12, height=(90, 160), speed=1.2, pan=0.0, turns=0.3),
        _scene("crowd", seed, people=35, height=(60, 110), speed=0.9, pan=0.0, turns=0.6),
        _scene("pan", seed, people=14, height=(70, 140), speed=1.0, pan=120.0, turns=0.3),
        _scene("fast", seed, people=8, height=(50, 90), speed=6.0, pan=0.0, turns=0.1),
    ]


def _scene(
    name: str, seed: int, *, people: int, height: tuple[int, int], speed: float, pan: float, turns: float
) -> Clip:
    """``speed`` in heights a second, ``pan`` in pixels a second (to and fro), ``turns``: changes of way a second."""
    random = np.random.default_rng([seed, *name.encode()])
    wide, high, frames = 1280.0, 720.0, 500
    tall = random.uniform(*height, people)
    wideness = random.uniform(0.32, 0.5, people) * (1 if speed < 3 else 4)
    at = random.uniform([0, high * 0.35], [wide, high], (people, 2))
    way = _ways(people, random) * speed * tall[:, None]
    begins, lasts = random.integers(-150, 350, people), random.integers(150, 500, people)
    truth = {}
    for number in range(1, frames + 1):
        turning = random.random(people) < turns / FPS
        way[turning] = _ways(int(turning.sum()), random) * speed * tall[turning, None] * random.uniform(0, 1.5)
        at = at + way / FPS
        outside = (at < [0, high * 0.35]) | (at > [wide, high])
        way = np.where(outside, -np.sign(at - np.array([wide, high]) / 2) * np.abs(way), way)
        shift = pan * 2 * np.sin(number / FPS / 2 * np.pi)
        walk = 1 + 0.12 * np.sin(number / FPS * 2 * np.pi * 1.8 + np.arange(people))
        halves = tall * wideness / 2 * walk
        boxes = np.column_stack([at[:, 0] - halves, at[:, 1] - tall, at[:, 0] + halves, at[:, 1]])
        boxes[:, [0, 2]] += shift
        there = (number >= begins) & (number < begins + lasts) & (boxes[:, 2] > 10) & (boxes[:, 0] < wide - 10)
        if there.any():
            rows = np.column_stack([np.arange(people) + 1, boxes, np.zeros(people)])[there]
            truth[number] = np.column_stack([rows, uncovered(boxes[there])])
    return Clip(f"{name}-{seed}", FPS, truth, {}, None)


def _ways(count: int, random: np.random.Generator) -> Rows:
    angle = random.choice([0, np.pi], count) + random.normal(0, 0.35, count)
    return np.column_stack([np.cos(angle), 0.4 * np.sin(angle)]) * random.uniform(0.6, 1.4, (count, 1))


def arriving(frames: Iterable[int], drop: str, seed: int) -> list[int]:
    """Return the frames that arrive: ``every`` one, one of 4 (``regular``), or one of 2 to 6 (``irregular``)."""
    frames = list(frames)
    if drop == "every":
        return frames
    if drop == "regular":
        return frames[::4]
    steps = np.random.default_rng(seed).integers(2, 7, len(frames)).cumsum()
    return frames[:1] + [frames[step] for step in steps.tolist() if step < len(frames)]
