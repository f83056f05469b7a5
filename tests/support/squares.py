"""A model that finds squares by their brightness, and scenes with such squares: what is found is known beforehand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sightline.analytics.zones.board import ZoneBoard
from sightline.core.predictions import Detections, Prediction
from sightline.core.types import FrameResult, Image, ModelCard
from sightline.models.base import Model, Options
from sightline.offline.run import Run
from sightline.recordings.lines import said
from sightline.settings.stream import Tracking
from sightline.sinks.base import Entry
from sightline.sources.base import open_source
from support.clips import write_clip
from support.recordings import file_of

WIDTH, HEIGHT = 320, 120
BASE = 60_000
PERSON, DOG = 250, 150
"""Brightness of a person, which is found with 0.9, and of a dog, found with 0.4."""


class Squares(Model):
    """Finds bright squares."""

    card = ModelCard("squares", "squares", "detect", ("person", "dog"), None, "MIT", "here")
    wanted_side = 4096
    max_batch = 4

    def __init__(self, confidence: float | None = None) -> None:
        self.options = Options(confidence=0.25 if confidence is None else confidence)

    def predict(
        self,
        images: Sequence[Image],
        *,
        options: Sequence[Options] | None = None,
        streams: Sequence[str] | None = None,
        stages: dict[str, float] | None = None,
    ) -> list[Prediction]:
        asked = [self.options] * len(images) if options is None else options
        return [_find(image, one.confidence) for image, one in zip(images, asked, strict=True)]


def _find(image: Image, least: float) -> Detections:
    rows = [
        (box, confidence, number)
        for number, (low, high, confidence) in enumerate(((200, 256, 0.9), (120, 180, 0.4)))
        for box in _squares(image, low, high)
        if confidence >= least
    ]
    return Detections(
        np.array([box for box, _, _ in rows], np.float32).reshape(-1, 4),
        np.array([confidence for _, confidence, _ in rows], np.float32),
        np.array([number for _, _, number in rows], np.int32),
    )


def _squares(image: Image, low: int, high: int) -> list[tuple[int, int, int, int]]:
    grey = image[..., 1]
    _, _, stats, _ = cv2.connectedComponentsWithStats(((grey >= low) & (grey < high)).astype(np.uint8))
    return [(x, y, x + w, y + h) for x, y, w, h, area in stats[1:].tolist() if area > 100 and min(w, h) > 8]


def scene(*squares: tuple[int, int, int]) -> Image:
    """A dark room with squares of 30 x 30: x and y of the upper left corner, and how bright."""
    image = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    for x, y, bright in squares:
        image[max(0, y) : y + 30, max(0, x) : x + 30] = bright
    return image


def walk(count: int) -> list[Image]:
    """A person goes from the left to the right, a dog below from the right to the left, each once."""
    return [scene((8 * n, 10, PERSON), (270 - 8 * n, 80, DOG)) for n in range(count)]


class _Kept:
    """Keeps the results of a run."""

    target, wants_drawn = "", False

    def __init__(self) -> None:
        self.results: list[FrameResult] = []

    def write(self, entry: Entry) -> None:
        """Keep one."""
        self.results.append(entry.result)

    def close(self) -> None:
        """Nothing is open."""


def remember(
    data: Path, stream: str, began: float, *files: Sequence[Image], fps: int = 10, zones: ZoneBoard | None = None
) -> list[Path]:
    """Record pictures in these files, one after the other, with what is found in them by a run over the very files."""
    paths, lines = [], list[dict[str, Any]]()
    for images in files:
        start = began + len(lines) / fps
        paths.append(write_clip(file_of(data / "recordings", stream, start), images, fps=fps))
        stamps = [round(n / fps * BASE) for n in range(len(images))]
        lines += [{"pts": pts, "at": start + pts / BASE, "seq": len(lines) + n} for n, pts in enumerate(stamps)]
        _write(paths[-1], stream, start, lines[-len(images) :])
    kept = _Kept()
    with open_source(f"recording:{stream}", data=lambda: data) as source:
        job = Run(source, Squares(), [kept], stream=stream, latest=False, tracking=Tracking(), zones=zones)
        job.go(lambda: False, lambda: None)
    for line, result in zip(lines, kept.results, strict=True):
        line["result"] = json.loads(bytes(said(result)[0]))
    for path, images in zip(paths, files, strict=True):
        _write(path, stream, lines[0]["at"], lines[: len(images)])
        del lines[: len(images)]
    return paths


def _write(path: Path, stream: str, began: float, lines: Sequence[object]) -> None:
    head = {"sightline": 1, "stream": stream, "started_at": began, "session": "made", "codec": "h264"}
    head |= {"time_base": [1, BASE], "width": WIDTH, "height": HEIGHT}
    path.with_suffix(".jsonl").write_text("".join(json.dumps(one) + "\n" for one in (head, *lines)))
