"""Counts are exact for any walk and any frames that are missing, where both ends of each crossing were seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sightline.analytics.zones.counter import ZoneCounter
from sightline.core.zones import CrossingLine, Zone
from support.walking import HEIGHT, SIZE, Sight, sighting

GATE = CrossingLine(points=((0.5, 1.0), (0.5, 0.0)))
DRIVE = Zone(points=((0.3, 0.2), (0.7, 0.2), (0.7, 0.9), (0.5, 0.5), (0.3, 0.9)))
CLEAR = 0.1 * HEIGHT * SIZE[1] / SIZE[0]

walks = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def a_walk(random: np.random.Generator, frames: int, step: float) -> list[float]:
    """A walk about the line that begins and ends clear of it, sometimes far from it and often on it."""
    path = [0.5 + CLEAR * float(random.choice([-1.5, 1.5]))]
    for _ in range(frames):
        path.append(float(np.clip(path[-1] + random.normal(0, step), 0.05, 0.95)))
    return [*path, 0.5 + CLEAR * float(random.choice([-1.5, 1.5]))]


def net(counter: ZoneCounter) -> int:
    counts = counter.counted().lines["gate"]
    return sum(counts.into.values()) - sum(counts.out.values())


def true_net(path: Sequence[float]) -> int:
    return int(path[-1] > 0.5) - int(path[0] > 0.5)


@given(walks, st.integers(0, 80), st.floats(0.0005, 0.2), st.floats(0, 0.95), st.floats(2, 60))
def test_net_crossings_of_walks_with_frames_missing(
    random: np.random.Generator, frames: int, step: float, dropped: float, fps: float
) -> None:
    counter = ZoneCounter(lines={"gate": GATE})
    path = a_walk(random, frames, step)
    seen = [n for n in range(len(path)) if n in (0, len(path) - 1) or random.uniform() >= dropped]
    for n in seen:
        counter.update(n / fps, sighting(Sight(1, path[n])))
    assert net(counter) == true_net(path), "at once, as it is clear of the line"
    counter.finish("over")
    assert net(counter) == true_net(path)


@given(walks, st.integers(2, 60), st.floats(0, 0.8))
def test_net_crossings_of_walks_whose_ids_change(random: np.random.Generator, frames: int, dropped: float) -> None:
    """An id may change in any frame; for each the gap is below a second and the walk slower than its height."""
    counter = ZoneCounter(lines={"gate": GATE})
    path, track = a_walk(random, frames, CLEAR / 2), 0
    kept = 0
    for n, x in enumerate(path):
        last = n == len(path) - 1
        if last or n == 0 or n - kept >= 9 or random.uniform() >= dropped:
            kept = n
            track += int(random.uniform() < 0.3)
            counter.update(n / 10, sighting(Sight(track, x)))
    counter.finish("over")
    assert net(counter) == true_net(path)


@given(walks, st.integers(1, 6), st.integers(1, 60), st.floats(0.001, 0.2), st.floats(0, 0.9))
def test_who_entered_and_has_not_left_is_there(
    random: np.random.Generator, people: int, frames: int, step: float, dropped: float
) -> None:
    counter = ZoneCounter({"drive": DRIVE}, {"gate": GATE})
    places = random.uniform(0, 1, (people, 2))
    for n in range(frames):
        places = np.clip(places + random.normal(0, step, places.shape), 0, 1)
        shown = [i for i in range(people) if random.uniform() >= dropped]
        begun = counter.update(n / 10, sighting(*(Sight(i, *places[i].tolist()) for i in shown)))
        counts = counter.counted().zones["drive"]
        assert sum(counts.entered.values()) - sum(counts.left.values()) == sum(counts.now.values())
        assert counts.most >= sum(counts.now.values())
        assert all(one.box[2] > one.box[0] for one in begun)
    counter.finish("over")
    counts = counter.counted().zones["drive"]
    assert counts.now == {}
    assert counts.entered == counts.left


@given(walks, st.integers(1, 40))
def test_each_visit_begins_once_and_ends_once(random: np.random.Generator, frames: int) -> None:
    """Whatever happens meanwhile: objects that vanish, zones that change and go, the end of the camera."""
    counter = ZoneCounter({"drive": DRIVE})
    happened = []
    for n in range(frames):
        places = random.uniform(0, 1, (4, 2))
        shown = [Sight(int(random.integers(0, 9)) * 10 + i, *places[i].tolist()) for i in range(4)]
        happened += counter.update(n / 3, sighting(*shown[: random.integers(0, 5)]))
        if random.uniform() < 0.2:
            zones = {"drive": DRIVE} if random.uniform() < 0.5 else {"other": DRIVE, "yard": DRIVE}
            happened += counter.change(zones, {"gate": GATE} if random.uniform() < 0.5 else {})
        if random.uniform() < 0.1:
            happened += counter.finish("over")
    happened += counter.finish("over")
    visits: dict[int, list[str]] = {}
    for one in happened:
        if one.kind == "zone":
            visits.setdefault(one.number, []).append(one.direction)
    assert all(directions == ["in", "out"] for directions in visits.values())
