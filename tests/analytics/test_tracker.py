"""Tracks: identities by boxes and the frames' clock alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sightline.analytics._association import chosen
from sightline.analytics._tracker import MOST, Tracker

Row = tuple[float, float, float, float, float, int]


def see(tracker: Tracker, at: float, *boxes: tuple[float, ...], sure: float = 0.9, classes: int = 0) -> list[int]:
    """The ids of boxes, each left, top, width and height, all of one confidence and class."""
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    rows[:, 2:] += rows[:, :2]
    n = len(rows)
    ids = tracker.update(rows, np.full(n, sure, np.float32), np.full(n, classes, np.int32), at)
    return [int(one) for one in ids]


def walker(at: float, speed: float = 60.0) -> tuple[float, float, float, float]:
    return (speed * at, 100.0, 40.0, 100.0)


@pytest.mark.parametrize("confirm", [1, 2, 3, 5])
def test_an_id_is_given_after_so_many_sightings_and_stays(confirm: int) -> None:
    tracker = Tracker(confirm=confirm)
    ids = [see(tracker, n / 10, walker(n / 10))[0] for n in range(8)]
    assert ids == [-1] * (confirm - 1) + [1] * (9 - confirm)


def test_what_a_detector_doubts_needs_more_sightings() -> None:
    tracker = Tracker()
    ids = [see(tracker, n / 10, walker(n / 10), sure=0.3)[0] for n in range(8)]
    assert ids == [-1] * 5 + [1] * 3


def test_an_object_seen_once_has_no_id() -> None:
    tracker = Tracker()
    assert see(tracker, 0.0, (0, 0, 40, 100)) == see(tracker, 9.0, (0, 0, 40, 100)) == [-1]


@pytest.mark.parametrize("every", [1, 2, 4, 6, 10])
def test_frames_may_be_missing(every: int) -> None:
    tracker = Tracker()
    ids = [see(tracker, n / 25, walker(n / 25), (300 - 60 * n / 25, 300, 40, 100)) for n in range(0, 100, every)]
    assert ids[0] == [-1, -1]
    assert {tuple(one) for one in ids[1:]} == {(1, 2)}


def test_frames_may_come_irregularly_where_two_cross() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        tracker, at, seen = Tracker(), 0.0, set()
        while at < 8:
            seen.add(tuple(see(tracker, at, walker(at), (400 - 60 * at, 108, 40, 100))))
            at += random.integers(2, 7) / 25
        assert seen - {(-1, -1)} == {(1, 2)}


def test_who_was_hidden_for_a_while_is_the_same() -> None:
    tracker = Tracker(lost_s=2)
    ids = [see(tracker, n / 10, *([] if 10 <= n < 25 else [walker(n / 10)])) for n in range(40)]
    assert {one[0] for one in ids[25:]} == {1}


def test_who_was_lost_for_longer_is_another() -> None:
    tracker = Tracker(lost_s=1)
    ids = [see(tracker, n / 10, *([] if 10 <= n < 25 else [(50, 100, 40, 100)])) for n in range(40)]
    assert (ids[9], ids[-1]) == ([1], [2])


def test_classes_are_not_mixed() -> None:
    tracker = Tracker()
    assert [see(tracker, n / 10, (0, 0, 40, 100), classes=n % 2)[0] for n in range(6)] == [-1, -1, 1, 2, 1, 2]


def test_everybody_keeps_their_id_before_a_camera_that_pans() -> None:
    tracker = Tracker()
    ids = set()
    for n in range(60):
        shift = 300 * np.sin(n / 20)
        ids.add(tuple(see(tracker, n / 10, *[(120 * k + shift, 100 + 9 * k, 40, 100) for k in range(6)])))
    assert ids == {(-1,) * 6, (1, 2, 3, 4, 5, 6)}


def test_neighbours_are_told_apart_by_all_of_them_together() -> None:
    first, second = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    ones, others = chosen(first, second, np.array([0.9, 0.8, 0.7, 0.1], np.float32))
    assert (ones.tolist(), others.tolist()) == ([0, 1], [1, 0])


def test_a_frame_that_looks_the_same_changes_no_id_and_lets_time_go_on() -> None:
    tracker = Tracker(lost_s=1)
    see(tracker, 0.0, (0, 0, 40, 100), (15, 0, 40, 100))
    assert tracker.touch(0.1).tolist() == [1, 2], "a second look confirms"
    assert see(tracker, 0.2, (20, 0, 40, 100)) == [2]
    for n in range(50):
        assert tracker.touch(0.3 + n / 10).tolist() == [2]
    assert see(tracker, 5.3, (20, 0, 40, 100), (0, 0, 40, 100)) == [2, -1], "the other has been gone for seconds"


def test_ids_come_from_one_place_for_all() -> None:
    numbers = itertools.count(7)
    first, second = Tracker(ids=numbers), Tracker(ids=numbers)
    given_ = [see(one, n / 10, (0, 0, 40, 100))[0] for n in range(3) for one in (first, second)]
    assert given_ == [-1, -1, 7, 8, 7, 8]


def test_a_number_that_is_too_large_begins_again() -> None:
    tracker = Tracker(confirm=1, ids=itertools.count(2**31 - 1))
    assert see(tracker, 0, (0, 0, 9, 9), (50, 50, 9, 9)) == [2**31 - 1, 1]


@pytest.mark.parametrize(
    "clock", [lambda n: 5.0, lambda n: -n / 10, lambda n: n / 10 - 0.15 * (n % 2), lambda n: float("nan")]
)
def test_a_clock_that_stands_or_goes_back_costs_no_id(clock: Callable[[int], float]) -> None:
    tracker = Tracker()
    assert [see(tracker, clock(n), (2.0 * n, 100, 40, 100))[0] for n in range(30)] == [-1] + [1] * 29


def test_a_clock_that_was_set_goes_on_from_there() -> None:
    tracker = Tracker(lost_s=1)
    for at in (1000.0, 1000.1, 2.0, 2.1):
        last = see(tracker, at, (0, 0, 40, 100))
    assert last == [1]
    assert see(tracker, 1e12, (0, 0, 40, 100)) == [-1], "who was not seen for an hour is another"
    assert see(tracker, 1e12 + 4, (0, 0, 40, 100)) == [-1], "the clock's steps are large there"


def test_ten_thousand_boxes_are_no_trouble() -> None:
    random = np.random.default_rng(0)
    rows = random.uniform(0, 4000, (10_000, 4)).astype(np.float32)
    confidence = random.uniform(0, 1, 10_000).astype(np.float32)
    tracker = Tracker()
    for n in range(3):
        ids = tracker.update(rows, confidence, np.zeros(10_000, np.int32), n / 10)
    known = ids[ids > 0]
    assert 0 < len(known) == len(set(known.tolist())) <= MOST
    assert confidence[ids > 0].min() > confidence[ids < 0].max() - 0.2, "the surest come first"


NUMBERS = st.floats(-1e7, 1e7, width=32)
ROWS = st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.floats(0, 1, width=32), st.integers(0, 2))
FRAMES = st.lists(
    st.tuples(
        st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 10),
        st.lists(ROWS, max_size=8),
    ),
    max_size=12,
)


@given(FRAMES, st.integers(1, 4))
def test_whatever_comes_every_row_has_one_answer(frames: list[tuple[float, list[Row]]], confirm: int) -> None:
    tracker = Tracker(confirm=confirm)
    classes: dict[int, int] = {}
    sightings: dict[int, int] = {}
    for number, (at, rows) in enumerate(frames):
        table: NDArray[np.float32] = np.array(rows, np.float32).reshape(-1, 6)
        kinds = table[:, 5].astype(np.int32)
        ids = tracker.update(table[:, :4], table[:, 4], kinds, at)
        known = ids[ids != -1].tolist()
        assert len(ids) == len(rows)
        assert len(set(known)) == len(known), "two rows never share an id"
        assert all(one >= 1 for one in known)
        for one, kind in zip(ids.tolist(), kinds.tolist(), strict=True):
            if one != -1:
                assert classes.setdefault(one, kind) == kind
                sightings.setdefault(one, number + 1)
                assert sightings[one] >= confirm, "not before it was seen so often"
        before = ids[ids > 0]
        after = tracker.touch(at)
        assert (after[ids > 0] == before).all(), "a frame that looks the same changes no id"


@given(
    st.lists(st.tuples(st.floats(0, 900), st.floats(0, 900)), min_size=1, max_size=12, unique=True),
    st.lists(st.floats(0.01, 1.5), min_size=3, max_size=15),
)
def test_nothing_changes_in_a_still_scene(corners: list[tuple[float, float]], steps: list[float]) -> None:
    tracker, at = Tracker(), 0.0
    boxes = [(x, y, 40.0, 90.0) for x, y in corners]
    answers = []
    for step in steps:
        answers.append(see(tracker, at, *boxes))
        at += step
    for before, after in itertools.pairwise(answers):
        assert all(old in (-1, new) for old, new in zip(before, after, strict=True))
