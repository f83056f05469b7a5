"""Comparison of two forms of a model by their predictions for a few pictures."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Image
from sightline.models.base import Options

PIXELS = 0.995
"""Minimum share of pixels with the same class."""
CORNER = 1.0
"""Maximum distance in pixels between the sides of matching boxes."""
CERTAINTY = 0.05
"""Maximum difference in confidence between matching boxes."""
ROWS = 10
"""Number of most confident boxes of each picture that are looked for."""
FOUND = 0.95
"""Minimum share of these boxes that must be found again.

A detector keeps only the best boxes; of two that are equally good, the last digit decides which one is kept.
"""
ALL = Options(confidence=0.0, max_detections=1000)
"""Detector options under which enough boxes are left to compare."""


def pictures(width: int, height: int, count: int = 4) -> list[Image]:
    """Synthetic scenes with soft light, edges and texture; the same at each call, one with another aspect ratio."""
    rng = np.random.default_rng(4)
    made = []
    for number in range(count):
        size = (width, height) if number else (width, max(1, height * 9 // 16))
        made.append(_scene(rng, *size))
    return made


def _scene(rng: np.random.Generator, width: int, height: int) -> Image:
    light = cv2.resize(rng.integers(0, 256, (5, 6, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    scene = np.ascontiguousarray(light)
    for _ in range(12):
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        axes = tuple(max(2, int(rng.integers(4, 30) * min(width, height) / 100)) for _ in range(2))
        cv2.ellipse(scene, centre, axes, float(rng.integers(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return (scene + rng.normal(0, 5, scene.shape)).clip(0, 255).astype(np.uint8)


def disagreement(wanted: Sequence[Prediction], got: Sequence[Prediction]) -> str | None:
    """Description of what differs too much; None if the two agree. Run detectors with the options ALL."""
    if not wanted[0].scored:
        return _of_maps(wanted, got)
    lacking = rows = 0
    for one, other in zip([p.objects for p in wanted], [p.objects for p in got], strict=True):
        rows += min(ROWS, len(one))
        lacking += sum(not _found(one, row, other) for row in range(min(ROWS, len(one))))
    if any(not p.scored for p in got):
        return "one finds boxes, the other does not"
    if lacking <= rows * (1 - FOUND):
        return None
    return f"of the {rows} most certain boxes {lacking} are not found again within {CORNER:g} pixel"


def _of_maps(wanted: Sequence[Prediction], got: Sequence[Prediction]) -> str | None:
    same = pixels = 0
    for one, other in zip([p.raster() for p in wanted], [p.raster() for p in got], strict=True):
        if one is None or other is None or one.values.shape != other.values.shape:
            return "the class maps are not of one shape"
        same += int(np.count_nonzero(one.values == other.values))
        pixels += one.values.size
    share = same / pixels
    return None if share > PIXELS else f"{share:.2%} of the pixels are of the same class; expected over {PIXELS:.1%}"


def _found(wanted: Detections, row: int, got: Detections) -> bool:
    near = np.abs(got.xyxy - wanted.xyxy[row]).max(axis=1, initial=0) <= CORNER
    near &= np.abs(got.confidence - wanted.confidence[row]) <= CERTAINTY
    return bool((near & (got.class_id == wanted.class_id[row])).any())
