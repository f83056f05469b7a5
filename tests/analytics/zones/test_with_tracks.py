"""Zones and lines behind the tracker: what an object did before it had an id counts too."""

from __future__ import annotations

import numpy as np
import pytest

from sightline.analytics.base import Pipeline
from sightline.analytics.zones.board import ZoneBoard
from sightline.core.predictions import Detections
from sightline.core.types import Frame, ModelCard
from sightline.core.zones import CrossingLine, Zone

CARD = ModelCard("m", "m", "detect", ("person",), None, "-", "-")
SIZE = (1000, 1000)


def seen(*places: tuple[float, float]) -> ZoneBoard:
    """Have one person seen at these x, from 0 to 1, at these seconds; then nobody any more."""
    line = CrossingLine(points=((0.5, 1.0), (0.5, 0.0)))
    zone = Zone(points=((0.2, 0.0), (0.4, 0.0), (0.4, 1.0), (0.2, 1.0)))
    board = ZoneBoard("door", {"left": zone}, {"middle": line})
    pipeline = Pipeline.of(["tracks", "zones"], {"zones": {"board": board}})
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    for at, x in [*places, (places[-1][0] + 5, None)]:
        middle = 0.0 if x is None else x * SIZE[0]
        boxes = np.array([[middle - 100, 400, middle + 100, 700]], np.float32)[: x is not None]
        rows = len(boxes)
        found = Detections(boxes, np.full(rows, 0.9, np.float32), np.zeros(rows, np.int32))
        pipeline.apply(Frame("door", 0, 100 + at, 0.0, picture), found, CARD)
    return board


@pytest.mark.parametrize("seconds", [0.04, 0.2, 0.5])
@pytest.mark.parametrize(("first", "second", "expected"), [(0.4, 0.6, (1, 0)), (0.6, 0.4, (0, 1)), (0.6, 0.7, (0, 0))])
def test_one_frame_before_a_line_and_one_after_are_enough(
    first: float, second: float, expected: tuple[int, int], seconds: float
) -> None:
    counts = seen((0.0, first), (seconds, second)).counted().lines["middle"]
    assert (counts.into.get("person", 0), counts.out.get("person", 0)) == expected


def test_a_zone_that_was_left_with_the_second_sight_was_entered() -> None:
    counts = seen((0.0, 0.3), (0.3, 0.45)).counted().zones["left"]
    assert (counts.entered, counts.left, counts.now) == ({"person": 1}, {"person": 1}, {})


def test_what_was_counted_once_is_not_counted_again() -> None:
    walk = [(n / 10, 0.35 + 0.02 * n) for n in range(15)]
    counts = seen(*walk, *((at + 8, x) for at, x in walk)).counted().lines["middle"]
    assert counts.into == {"person": 2}, "the first is gone for longer than a track is waited for: it is another"
