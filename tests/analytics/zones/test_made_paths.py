"""Every count is exact: objects on made paths over a line and through a zone, seen in every frame or in a few."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest

from sightline.analytics.zones.counter import ZoneCounter
from sightline.core.zones import CrossingLine, Zone
from support.walking import HEIGHT, SIZE, Sight, empty, line, sighting, walk

Frames = Sequence[Sequence[Sight]]

GATE = CrossingLine(points=((0.5, 1.0), (0.5, 0.0)))
"""Upright in the middle: in is to the right."""
DRIVE = Zone(points=((0.4, 0.3), (0.6, 0.3), (0.6, 0.9), (0.4, 0.9)))
CLEAR = 0.1 * HEIGHT * SIZE[1] / SIZE[0]
"""How far an object is clear of the line, as a share of the width."""


def steps(start: float, end: float, count: int) -> list[float]:
    return [float(x) for x in np.linspace(start, end, count)]


def crossed(frames: Frames, *, every: int = 1, fps: float = 10.0) -> tuple[int, int]:
    """What a line in the middle counted, with all that is known a while after the last frame."""
    counter = ZoneCounter(lines={"gate": GATE})
    walk(counter, [*frames, *empty(2.5, fps)], every=every, fps=fps)
    counts = counter.counted().lines["gate"]
    return sum(counts.into.values()), sum(counts.out.values())


def together(*paths: Frames) -> list[list[Sight]]:
    """Several objects at a time."""
    longest = max(map(len, paths))
    return [list(chain.from_iterable(path[n] for path in paths if n < len(path))) for n in range(longest)]


JITTER = [0.5 + 0.8 * CLEAR * side for side in (-1, 1)]
ROUGH = [0.5 + 0.9 * CLEAR * float(x) for x in np.random.default_rng(5).uniform(-1, 1, 90)]
TABLE: dict[str, tuple[Frames, tuple[int, int]]] = {
    "plain": (line(*steps(0.3, 0.7, 20)), (1, 0)),
    "plain, back": (line(*steps(0.7, 0.3, 20)), (0, 1)),
    "crossing back": (line(*steps(0.3, 0.7, 20), *steps(0.7, 0.3, 20)), (1, 1)),
    "near the line and back": (line(*steps(0.3, 0.495, 20), *steps(0.495, 0.3, 20)), (0, 0)),
    "a step over the line and back": (line(*steps(0.3, 0.505, 20), *steps(0.495, 0.3, 20)), (0, 0)),
    "jitter on the line all the time": (line(*JITTER * 30), (0, 0)),
    "jitter on the line all the time, ending beyond": (line(*JITTER * 30, JITTER[0]), (0, 0)),
    "rough jitter on the line": (line(*ROUGH), (0, 0)),
    "jitter on the line, then back": (line(*steps(0.3, 0.49, 20), *JITTER * 20, *steps(0.49, 0.3, 20)), (0, 0)),
    "jitter on the line, then over it": (line(*steps(0.3, 0.49, 20), *JITTER * 20, *steps(0.51, 0.7, 20)), (1, 0)),
    "rough jitter, then over it": (line(*steps(0.3, 0.49, 20), *ROUGH, *steps(0.51, 0.7, 20)), (1, 0)),
    "fast: one frame either side": (line(0.1, 0.9), (1, 0)),
    "fast: one frame close before": (line(0.499, 0.9), (1, 0)),
    "fast: one frame close behind": (line(0.1, 0.501), (1, 0)),
    "fast, and back": (line(0.1, 0.9, 0.1), (1, 1)),
    "ends just beyond": (line(*steps(0.3, 0.503, 30)), (1, 0)),
    "stops just beyond": (line(*steps(0.3, 0.509, 30), *[0.509] * 30), (1, 0)),
    "ends just before": (line(*steps(0.3, 0.497, 30)), (0, 0)),
    "starts just before": (line(*steps(0.497, 0.7, 30)), (1, 0)),
    "starts just beyond": (line(*steps(0.503, 0.7, 30)), (0, 0)),
    "an id that changes on the line": (line(*steps(0.3, 0.49, 19)) + line(*steps(0.5, 0.7, 20), track=2), (1, 0)),
    "an id that changes just beyond": (line(*steps(0.3, 0.505, 19)) + line(*steps(0.51, 0.7, 20), track=2), (1, 0)),
    "an id that changes just before": (line(*steps(0.3, 0.48, 18)) + line(*steps(0.49, 0.7, 20), track=2), (1, 0)),
    "an id that changes and turns back": (line(*steps(0.3, 0.5, 20)) + line(*steps(0.5, 0.3, 20), track=2), (0, 0)),
    "ids that change in every frame": ([[Sight(n, x)] for n, x in enumerate(steps(0.3, 0.7, 20))], (1, 0)),
    "an id that changes in the dark": (
        line(*steps(0.3, 0.47, 18)) + empty(0.8) + line(*steps(0.56, 0.7, 15), track=2), (1, 0)
    ),
    "another class begins beyond": (
        line(*steps(0.3, 0.49, 19)) + [[Sight(2, x, class_name="car")] for x in steps(0.51, 0.7, 20)], (0, 0)
    ),
    "another one begins beyond, later": (
        line(*steps(0.3, 0.49, 19)) + empty(1.5) + line(*steps(0.51, 0.7, 20), track=2), (0, 0)
    ),
    "another one begins beyond, far away": (
        line(*steps(0.3, 0.49, 19)) + line(*steps(0.8, 0.9, 10), track=2), (0, 0)
    ),
    "occlusion on the line": (line(*steps(0.3, 0.47, 18)) + empty(0.8) + line(*steps(0.56, 0.7, 15)), (1, 0)),
    "a long occlusion on the line": (line(*steps(0.3, 0.47, 18)) + empty(5) + line(*steps(0.56, 0.7, 15)), (1, 0)),
    "two at a time, opposite ways": (
        together(line(*steps(0.3, 0.7, 40)), line(*steps(0.7, 0.3, 40), track=2, y=0.7)), (1, 1)
    ),
    "two opposite ways, new ids on the line": (
        together(line(*steps(0.3, 0.49, 20)), line(*steps(0.7, 0.51, 20), track=2, y=0.65))
        + together(line(*steps(0.5, 0.7, 20), track=3), line(*steps(0.5, 0.3, 20), track=4, y=0.65)), (1, 1)
    ),
    "two behind each other": (
        together(line(*steps(0.3, 0.7, 40)), line(*steps(0.25, 0.65, 40), track=2)), (2, 0)
    ),
    "along the line": (
        [[Sight(1, 0.49, float(y))] for y in np.linspace(0.3, 0.9, 30)], (0, 0)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_a_path_over_a_line(name: str) -> None:
    frames, expected = TABLE[name]
    assert crossed(frames) == expected


@pytest.mark.parametrize("every", range(2, 11))
@pytest.mark.parametrize("name", ["plain", "plain, back", "crossing back", "two behind each other", "ends just before"])
def test_a_path_of_which_one_frame_in_some_comes(name: str, every: int) -> None:
    frames, expected = TABLE[name]
    if name == "crossing back" and every > 9:
        frames = [*frames[:20], *[frames[19]] * 4, *frames[20:]]  # or it is never seen beyond
    assert crossed(frames, every=every) == expected


@pytest.mark.parametrize("every", range(2, 11))
def test_an_id_that_changes_where_one_frame_in_some_comes(every: int) -> None:
    frames = line(*steps(0.3, 0.5, 20)) + line(*steps(0.51, 0.7, 20), track=2)
    assert crossed(frames, every=every) == (1, 0)


def test_another_one_begins_beyond_after_seconds_without_a_frame() -> None:
    counter = ZoneCounter(lines={"gate": GATE})
    walk(counter, line(*steps(0.3, 0.49, 19)))
    walk(counter, line(*steps(0.51, 0.7, 20), track=2), start=1003.5)
    assert counter.counted().lines["gate"].into == {}


def test_a_line_ends_at_its_ends() -> None:
    counter = ZoneCounter(lines={"short": CrossingLine(points=((0.5, 0.5), (0.5, 0.0)))})
    walk(counter, line(*steps(0.3, 0.7, 20), y=0.6))
    assert counter.counted().lines["short"].into == {}
    walk(counter, line(*steps(0.3, 0.7, 20), track=2, y=0.4), start=2000)
    assert counter.counted().lines["short"].into == {"person": 1}


def test_a_line_that_reaches_the_edge_counts_what_the_edge_cuts_off() -> None:
    counter = ZoneCounter(lines={"gate": GATE})
    walk(counter, line(*steps(0.3, 0.7, 20), y=1.0))
    assert counter.counted().lines["gate"].into == {"person": 1}


def test_the_arrow_says_what_in_is() -> None:
    counter = ZoneCounter(lines={"gate": GATE, "turned": CrossingLine(points=(GATE.points[1], GATE.points[0]))})
    walk(counter, line(*steps(0.3, 0.7, 20)))
    lines = counter.counted().lines
    assert (lines["gate"].into, lines["gate"].out) == ({"person": 1}, {})
    assert (lines["turned"].into, lines["turned"].out) == ({}, {"person": 1})


def visits(frames: Frames, *, zone: Zone = DRIVE, every: int = 1) -> tuple[int, int, int]:
    """What a zone in the middle counted: entered, left, and now, as the last frame is over."""
    counter = ZoneCounter({"drive": zone})
    walk(counter, frames, every=every)
    counts = counter.counted().zones["drive"]
    return sum(counts.entered.values()), sum(counts.left.values()), sum(counts.now.values())


EDGE = [0.4 + 0.8 * CLEAR * side for side in (-1, 1)]
VISITS: dict[str, tuple[Frames, tuple[int, int, int]]] = {
    "through": (line(*steps(0.2, 0.8, 40)), (1, 1, 0)),
    "into": (line(*steps(0.2, 0.5, 20)), (1, 0, 1)),
    "begins inside": (line(*steps(0.5, 0.5, 5)), (1, 0, 1)),
    "out of": (line(*steps(0.5, 0.8, 20)), (1, 1, 0)),
    "vanishes inside": (line(*steps(0.2, 0.5, 20)) + empty(1.5), (1, 1, 0)),
    "a moment unseen inside": (line(*steps(0.2, 0.5, 20)) + empty(0.8) + line(*[0.5] * 5), (1, 0, 1)),
    "jitter on the border": (line(*steps(0.2, 0.39, 20), *EDGE * 20, *steps(0.39, 0.2, 20)), (0, 0, 0)),
    "an id that changes inside": (line(*steps(0.2, 0.5, 20)) + line(*steps(0.5, 0.52, 5), track=2), (1, 0, 1)),
    "past it": (line(*steps(0.2, 0.8, 40), y=0.95), (0, 0, 0)),
    "ends just inside": (line(*steps(0.2, 0.403, 20)) + empty(1.5), (1, 1, 0)),
    "as wide as the zone": ([[Sight(1, x, width=0.2)] for x in steps(0.2, 0.8, 40)], (1, 1, 0)),
    "wider than the zone": ([[Sight(1, x, width=0.4, height=0.5)] for x in steps(0.2, 0.8, 40)], (1, 1, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", VISITS)
def test_a_visit_to_a_zone(name: str) -> None:
    frames, expected = VISITS[name]
    assert visits(frames) == expected


@pytest.mark.parametrize("every", range(2, 11))
def test_a_visit_of_which_one_frame_in_some_comes(every: int) -> None:
    assert visits(line(*steps(0.2, 0.8, 60)) + empty(2), every=every) == (1, 1, 0)


def test_a_zone_that_is_narrower_than_the_hysteresis() -> None:
    strip = Zone(points=((0.49, 0.3), (0.51, 0.3), (0.51, 0.9), (0.49, 0.9)))
    frames = [[Sight(1, x, height=0.5)] for x in steps(0.45, 0.55, 40)]
    assert visits(frames, zone=strip) == (1, 1, 0)


def test_how_long_objects_stay() -> None:
    counter = ZoneCounter({"drive": DRIVE})
    walk(counter, line(*[0.5] * 31) + empty(2))
    walk(counter, line(*[0.5] * 11, track=2) + empty(2), start=2000)
    assert counter.counted().zones["drive"].dwell["person"].mean == 2.0
    assert counter.counted().zones["drive"].dwell["person"].longest == 3.0
    assert counter.counted().zones["drive"].most == 1


def test_only_the_zones_classes_and_sizes_count() -> None:
    counter = ZoneCounter(
        {"cars": DRIVE.model_copy(update={"classes": ("car",)}), "big": DRIVE.model_copy(update={"min_size": 0.3})}
    )
    frames = [[Sight(1, 0.5), Sight(2, 0.5, 0.8, "car"), Sight(3, 0.5, 0.7, "person", height=0.4)] for _ in range(5)]
    walk(counter, frames)
    zones = counter.counted().zones
    assert (zones["cars"].now, zones["big"].now) == ({"car": 1}, {"person": 1})
    walk(counter, [[Sight(1, 0.5, height=0.35)]], start=1001.0)
    assert zones["big"].now == {"person": 1}
    assert counter.counted().zones["big"].now == {"person": 2}, "it came closer"


def test_a_clock_that_is_set_counts_nothing_twice() -> None:
    counter = ZoneCounter({"drive": DRIVE}, {"gate": GATE})
    for n, at in enumerate([5.0, 5.1, 5.2, 1e9, 1e9 + 0.1, 3.0, 3.1, float("nan"), 3.2, float("inf"), 3.3]):
        counter.update(at, sighting(Sight(1, 0.45 + 0.01 * n)))
    counted = counter.counted()
    assert counted.zones["drive"].now == {"person": 1}
    assert counted.lines["gate"].into == {"person": 1}


def test_the_pictures_shape_is_no_matter() -> None:
    """Distances are the same across and down, so 10 % of a box's height is not wider in a wide picture."""
    for size in ((1600, 400), (400, 1600)):
        counter = ZoneCounter(lines={"gate": GATE})
        reach = 0.1 * HEIGHT * size[1] / size[0]
        for n in range(40):
            counter.update(n / 10, sighting(Sight(1, 0.5 + 0.9 * reach * (-1) ** n), size=size))
        counter.update(4.0, sighting(Sight(1, 0.5 - 1.2 * reach), size=size))
        assert counter.counted().lines["gate"].into == {}


@pytest.mark.parametrize(
    ("points", "feet", "counted"),
    [
        pytest.param(((0.5, 0.97), (0.5, 0.03)), 1.0, 1, id="drawn to the border as well as one can"),
        pytest.param(((0.5, 0.03), (0.5, 0.97)), 1.0, -1, id="the other way"),
        pytest.param(((0.46, 0.97), (0.54, 0.03)), 1.0, 1, id="aslant"),
        pytest.param(((0.5, 0.9), (0.5, 0.1)), 1.0, 0, id="ends before the border: one may walk around it"),
    ],
)
def test_a_line_that_ends_near_the_border_reaches_it(
    points: tuple[tuple[float, float], tuple[float, float]], feet: float, counted: int
) -> None:
    """Feet that the picture cuts off are on its border, where nobody can draw."""
    counter = ZoneCounter(lines={"gate": CrossingLine(points=points)})
    walk(counter, [*line(*steps(0.3, 0.7, 9), y=feet), *empty(2.5)])
    counts = counter.counted().lines["gate"]
    assert sum(counts.into.values()) - sum(counts.out.values()) == counted


def test_a_line_along_the_border_is_not_made_longer_sideways() -> None:
    counter = ZoneCounter(lines={"gate": CrossingLine(points=((0.3, 0.97), (0.6, 0.975)))})
    down = [[Sight(1, 0.75, y)] for y in steps(0.8, 1.0, 9)]
    walk(counter, [*down, *empty(2.5)])
    counts = counter.counted().lines["gate"]
    assert sum(counts.into.values()) + sum(counts.out.values()) == 0
