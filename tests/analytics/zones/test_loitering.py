"""Who stays in a zone for ``loiter_s`` loiters there: once a visit, however frames are missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.analytics._happenings import Happening
from sightline.analytics.zones.counter import ZoneCounter
from sightline.core.zones import Zone
from support.walking import Sight, empty, line, sighting, walk

DRIVE = Zone(points=((0.4, 0.3), (0.6, 0.3), (0.6, 0.9), (0.4, 0.9)))
STAYS = DRIVE.model_copy(update={"loiter_s": 3.0})
IN, OUT = 0.5, 0.8


def loitering(happened: Sequence[Happening]) -> list[tuple[str, float | None, str]]:
    return [(one.direction, one.seconds, one.reason) for one in happened if one.kind == "loiter"]


@pytest.mark.parametrize(
    ("name", "frames", "told"),
    [
        ("short of it", line(*[IN] * 29, OUT), []),
        ("just long enough", line(*[IN] * 31, OUT), [("in", None, ""), ("out", 3.1, "")]),
        ("still there", line(*[IN] * 60), [("in", None, "")]),
        ("twice", line(*[IN] * 40, *[OUT] * 5, *[IN] * 35), [("in", None, ""), ("out", 4.0, ""), ("in", None, "")]),
        ("seen no more", line(*[IN] * 40) + empty(2), [("in", None, ""), ("out", 3.9, "it was seen no more")]),
        ("unseen in time", line(*[IN] * 28) + empty(2), []),
        ("a moment unseen", line(*[IN] * 28) + empty(0.8) + line(*[IN] * 2), [("in", None, "")]),
        ("another id", line(*[IN] * 20) + line(*[IN] * 20, track=2), [("in", None, "")]),
        ("about to leave", line(*[IN] * 29, *[0.605] * 2, *[OUT]), []),
        ("not quite leaving", line(*[IN] * 29, *[0.605] * 2, *[IN] * 2), [("in", None, "")]),
        ("on the border", line(*[IN] * 20, *[0.599, 0.601] * 20, IN), [("in", None, "")]),
    ],
)  # fmt: skip
def test_a_stay(name: str, frames: list[list[Sight]], told: list[tuple[str, float | None, str]]) -> None:
    assert loitering(walk(ZoneCounter({"drive": STAYS}), frames)) == told, name


@pytest.mark.parametrize("every", range(2, 10))
def test_a_stay_of_which_one_frame_in_some_comes(every: int) -> None:
    frames = line(*[IN] * 45, *[OUT] * 20)
    assert [one[0] for one in loitering(walk(ZoneCounter({"drive": STAYS}), frames, every=every))] == ["in", "out"]


def test_who_was_seen_to_leave_after_it_has_loitered_though_no_frame_showed_it() -> None:
    counter = ZoneCounter({"drive": STAYS})
    told = [one for at in (0.0, 0.9) for one in counter.update(at, sighting(Sight(1, IN)))]
    told += counter.update(3.2, sighting(Sight(1, OUT)))
    told = [one for one in told if one.kind != "picture"]
    assert [(one.kind, one.direction) for one in told] == [
        ("zone", "in"), ("loiter", "in"), ("loiter", "out"), ("zone", "out")
    ]  # fmt: skip
    assert told[1].number == told[2].number != told[0].number == told[3].number
    assert told[2].seconds == told[3].seconds == 3.2


def test_a_change_of_how_long_is_in_force_at_once() -> None:
    counter = ZoneCounter({"drive": DRIVE})
    assert loitering(walk(counter, line(*[IN] * 50))) == []

    def change(loiter_s: float | None, at: float) -> list[tuple[str, float | None, str]]:
        told = counter.change({"drive": DRIVE.model_copy(update={"loiter_s": loiter_s})}, {})
        return loitering([*told, *counter.update(at, sighting(Sight(1, IN)))])

    assert change(6.0, 1005.0) == []
    assert change(5.0, 1005.1) == [("in", None, "")]
    assert change(2.0, 1005.2) == [], "it is the same loitering"
    assert change(60.0, 1005.3) == [("out", 5.2, "the zone was changed")]
    assert change(5.0, 1005.4) == [("in", None, "")]
    assert change(None, 1005.5) == [("out", 5.4, "the zone was changed")]
    assert loitering(counter.change({}, {})) == []


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 4), st.floats(0, 0.8), st.integers(1, 60))
def test_exactly_the_visits_that_last_so_long_are_loitering(
    seed: int, loiter_s: float, dropped: float, frames: int
) -> None:
    """Whatever happens: walks in and out, ids that change, objects unseen, the end of the camera."""
    random = np.random.default_rng(seed)
    counter = ZoneCounter({"drive": DRIVE.model_copy(update={"loiter_s": loiter_s})})
    told: list[Happening] = []
    places = random.uniform((0.3, 0.5), (0.7, 0.7), (3, 2))
    for n in range(frames):
        places += random.normal(0, 0.02, places.shape)
        shown = [Sight(i + 10 * (n // 17), *places[i].tolist()) for i in range(3) if random.uniform() >= dropped]
        told += counter.update(n / 4, sighting(*shown))
        told += counter.finish("over") if random.uniform() < 0.02 else []
    told += counter.finish("over")
    by_number: dict[int, list[Happening]] = {}
    for one in told:
        by_number.setdefault(one.number, []).append(one)
    assert all([one.direction for one in both] == ["in", "out"] for both in by_number.values())
    ends = [both[1] for both in by_number.values()]
    long = {(e.seconds, e.track, e.box) for e in ends if e.kind == "zone" and (e.seconds or 0) >= loiter_s - 1e-3}
    assert {(e.seconds, e.track, e.box) for e in ends if e.kind == "loiter"} == long
