"""Whether a camera was covered or moved: a table of made cases of real clips, and what must hold for any pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.streams.scene.judge import SETTLED, SETTLED_S, SHAPE, Change, SceneJudge
from sightline.streams.scene.structure import Scene, structure
from support.scenes import CHANGED, LEARNT, cases, clip, told

TABLE = list(cases(0, np.zeros((4, 4, 3), np.uint8)))
CLIPS = ["one-by-one-person-detection", "bottle-detection", "crowd"]


@pytest.mark.parametrize("name", TABLE)
def test_a_case(name: str, assets: Path) -> None:
    bus = cv2.imread(str(assets / "images/bus.jpg"))
    assert bus is not None
    for seed, video in enumerate(CLIPS):
        case = cases(seed, np.asarray(bus[200:900], np.uint8))[name]
        changes = told(case, clip(assets / f"videos/{video}.mp4"))
        whole = [(change.phase, change.what) for _, change in changes]
        assert whole == ([] if not case.becomes else [("start", case.becomes), ("end", case.becomes)]), (video, changes)
        if case.becomes:
            (start, _), (end, change) = changes
            assert LEARNT + 4 <= start < CHANGED <= end <= CHANGED + 2
            assert (change.reason, change.seconds) == ("", end - start)


def scene(seed: int, size: tuple[int, int] = (60, 34)) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A picture with edges, one value for each 8 x 8 pixels."""
    random = np.random.default_rng(seed)
    rough = random.uniform(20, 230, (size[1] // 3, size[0] // 3)).astype(np.float32)
    return np.asarray(cv2.resize(rough, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def see(judge: SceneJudge, seconds: range, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> list[Change]:
    size = picture.shape[1] * 8, picture.shape[0] * 8
    return [change for second in seconds for change in judge.see(float(second), picture, size)]


def test_a_new_scene_becomes_the_usual_one() -> None:
    judge = SceneJudge()
    assert see(judge, range(20), scene(1)) == []
    assert see(judge, range(20, 120), scene(2)) == [
        Change("start", "moved"), Change("end", "moved", SETTLED, SETTLED_S)
    ]  # fmt: skip
    assert see(judge, range(120, 130), scene(2)) == []
    assert [change.phase for change in see(judge, range(130, 160), scene(1))] == ["start"], "it knows the new one"


def test_a_covered_camera_that_is_turned_meanwhile() -> None:
    judge, flat = SceneJudge(), np.full((34, 60), 90, np.uint8)
    see(judge, range(20), scene(1))
    changes = see(judge, range(20, 40), flat) + see(judge, range(40, 80), scene(2))
    assert [(one.phase, one.what) for one in changes] == [("start", "covered"), ("end", "covered"), ("start", "moved")]


def test_what_can_not_be_told_is_not() -> None:
    judge, wall = SceneJudge(), np.full((34, 60), 90, np.uint8)
    assert see(judge, range(20), wall) == []
    assert see(judge, range(20, 90), scene(1)) == [], "a blank wall, or a dark room, in which the light went on"


def test_a_picture_of_another_shape_begins_anew() -> None:
    judge, flat = SceneJudge(), np.full((34, 60), 90, np.uint8)
    see(judge, range(20), scene(1))
    assert len(see(judge, range(20, 30), flat)) == 1
    (end,) = see(judge, range(30, 60), scene(1, (34, 60)))
    assert (end.phase, end.reason) == ("end", SHAPE)


def test_pictures_that_come_seldom_and_a_clock_that_is_set() -> None:
    judge, flat = SceneJudge(), np.full((34, 60), 90, np.uint8)
    size = (480, 272)
    for n in range(10):
        assert judge.see(60.0 * n, scene(1), size) == []
    for at in (1e9, float("nan"), float("inf"), 5.0, -1e12, 7.0):
        assert judge.see(at, scene(1), size) == []
    changes = [change for n in range(8) for change in judge.see(1000 + 60.0 * n, flat, size)]
    assert [one.what for one in changes] == ["covered"]


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(5, 30), st.booleans()), max_size=6), st.integers(0, 99))
def test_each_start_has_one_end(plan: list[tuple[int, int, bool]], seed: int) -> None:
    """Whatever is seen, for however long: one scene or another, nothing, noise, another shape."""
    random, judge, at, changes = np.random.default_rng(seed), SceneJudge(), 0.0, list[Change]()
    for what, seconds, tall in plan:
        shape = (34, 60) if tall else (60, 34)
        for _ in range(seconds):
            at += 1.0
            if what < 3:
                picture = scene(what, (60, 34))
            elif what == 3:
                picture = np.full(shape, 90, np.uint8)
            else:
                picture = random.integers(0, 256, (34, 60)).astype(np.uint8)
            changes += judge.see(at, picture, (picture.shape[1] * 8, picture.shape[0] * 8))
    changes += judge.finish("over")
    assert [one.phase for one in changes] == ["start", "end"] * (len(changes) // 2)
    assert [one.what for one in changes[::2]] == [one.what for one in changes[1::2]]


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (9, 3000), (3000, 9), (640, 360), (4096, 4096)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (-(-size[1] // 8), -(-size[0] // 8))).astype(np.uint8)
    seen = structure(picture, size)
    known = Scene(seen)
    assert known.match(seen).kept == pytest.approx(1.0, abs=0.01) or known.match(seen).telling == 0
    assert known.shift(seen).far == 0
