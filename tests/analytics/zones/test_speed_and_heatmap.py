"""Speed over the ground, and where objects have been."""

from __future__ import annotations

import numpy as np
import pytest

from sightline.analytics.zones.counter import ZoneCounter
from sightline.analytics.zones.heatmap import Heatmap
from sightline.core.zones import Zone
from support.walking import Sight, sighting

ROAD = ((0.0, 0.0), (6.0, 0.0), (6.0, 30.0), (0.0, 30.0))
"""Metres."""
CAMERA = np.array([[0.09, -0.006, 0.22], [0.0, -0.005, 0.95], [0.0, 0.03, 1.0]])
"""Shows the ground as a camera above the road does: what is far is small."""


def shown(east: float, north: float) -> tuple[float, float]:
    """Where a place on the ground is in the picture."""
    x, y, scale = CAMERA @ (east, north, 1.0)
    return float(x / scale), float(y / scale)


STREET = Zone(points=tuple(shown(*place) for place in ROAD), ground=ROAD)


def drive(
    speed: float, *, fps: float = 10.0, seconds: float = 2.0, noise: float = 0.0, random: np.random.Generator
) -> tuple[float, float, float] | None:
    """What is told of a car that drives along the road."""
    counter = ZoneCounter({"street": STREET})
    for n in range(round(seconds * fps) + 1):
        x, y = shown(3.0, 5.0 + speed * n / fps)
        dx, dy = random.normal(0, noise, 2)
        counter.update(n / fps, sighting(Sight(1, x + float(dx), y + float(dy), "car", height=0.02)))
    (left,) = (one for one in counter.finish("over") if one.kind == "zone")
    assert counter.speeds() == {"street": {}}
    return left.speed


@pytest.mark.parametrize("speed", [0.0, 1.4, 8.0, -8.0])
@pytest.mark.parametrize("fps", [3.0, 30.0])
def test_a_speed_in_metres_a_second(speed: float, fps: float) -> None:
    start = 0.0 if speed >= 0 else 20.0
    counter = ZoneCounter({"street": STREET})
    for n in range(round(2 * fps) + 1):
        counter.update(n / fps, sighting(Sight(1, *shown(3.0, 5.0 + start + speed * n / fps), "car", height=0.02)))
    found = counter.speeds()["street"]["1"]
    assert found.speed == pytest.approx(abs(speed), abs=0.02)
    assert found.least <= found.speed <= found.most


def test_the_interval_has_the_true_speed_in_19_of_20_cases() -> None:
    random = np.random.default_rng(3)
    found = [drive(6.0, noise=0.004, random=random) for _ in range(200)]
    hits = [one is not None and one[1] <= 6.0 <= one[2] for one in found]
    assert 0.9 <= np.mean(hits) <= 0.99
    widths = [one[2] - one[1] for one in found if one is not None]
    assert 0.05 < np.mean(widths) < 6, "it says something"


def test_who_was_seen_briefly_has_no_speed() -> None:
    random = np.random.default_rng(3)
    assert drive(6.0, seconds=0.4, random=random) is None
    assert drive(6.0, seconds=2.0, fps=1.0, random=random) is None, "three sights say little"
    assert drive(6.0, seconds=0.7, random=random) is not None


def test_the_heatmap_fades_and_takes_any_clock() -> None:
    heatmap = Heatmap()
    assert not heatmap.picture().any()
    there, corner = np.array([[0.5, 0.5]]), np.array([[1.0, 1.0]])
    for at in map(float, range(20)):
        heatmap.add(at, there)
    for at in (20.0, 21.0, 3.0, float("nan"), float("inf"), 4.0, 5.0):
        heatmap.add(at, corner)
    picture = heatmap.picture()
    assert picture.shape == (36, 64, 4)
    assert picture[35, 63, 3] > 0, "the edge is in the last cell"
    for at in map(float, range(6, 5000, 10)):
        heatmap.add(at, corner)
    assert heatmap.picture()[18, 32, 3] < 20
