"""Made pictures: what is said to be in them is in them."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import SourceError
from sightline.core.predictions import Detections
from sightline.sources.base import open_source
from sightline.sources.synthetic import BACKGROUND, Synthetic
from sightline.zoo.loader import load_model


def made(spec: str) -> Synthetic:
    source = open_source(spec)
    assert isinstance(source, Synthetic)
    return source


@given(seed=st.integers(0, 2**32 - 1), index=st.integers(0, 10**6), size=st.sampled_from(["16x16", "640x360", "99x17"]))
def test_truth_covers_exactly_what_is_not_background(seed: int, index: int, size: str) -> None:
    source = made(f"synthetic:shapes?size={size}&seed={seed}")
    image = source.picture(index)
    boxed = np.zeros(image.shape[:2], bool)
    for shape in source.truth(index):
        x1, y1, x2, y2 = shape.xyxy
        assert 0 <= x1 < x2 <= image.shape[1]
        assert 0 <= y1 < y2 <= image.shape[0]
        boxed[y1:y2, x1:x2] = True
    drawn = (image != BACKGROUND).any(axis=2)
    assert not (drawn & ~boxed).any()
    top = source.truth(index)[-1].xyxy
    x1, y1, x2, y2 = top
    part = drawn[y1:y2, x1:x2]
    assert part.any(axis=0).mean() > 0.5
    assert part.any(axis=1).mean() > 0.5


def test_shapes_move_and_the_same_seed_makes_the_same() -> None:
    a, b = made("synthetic:?seed=7"), made("synthetic:shapes?seed=7&size=640x360&fps=30")
    assert all(np.array_equal(a.picture(i), b.picture(i)) for i in range(5))
    assert all(a.truth(i) != a.truth(i + 1) for i in range(200))
    assert not np.array_equal(a.picture(0), made("synthetic:?seed=8").picture(0))


def test_noise_is_noise() -> None:
    source = made("synthetic:noise?size=64x48")
    assert source.picture(0).shape == (48, 64, 3)
    assert source.picture(0).std() > 60
    assert not np.array_equal(source.picture(0), source.picture(1))
    assert np.array_equal(source.picture(1), source.picture(1))


def test_the_street_has_people_that_the_default_model_finds_and_any_size() -> None:
    source = made("synthetic:street")
    assert (source.fps, source.picture(0).shape) == (15, (360, 640, 3))
    assert np.array_equal(source.picture(7), made("synthetic:street").picture(7))
    assert made("synthetic:street?size=320x240").picture(0).shape == (240, 320, 3)
    model = load_model("nano", engine="onnx")
    found = [model(source.picture(index)) for index in range(0, 900, 90)]
    with_people = sum(isinstance(one, Detections) and 0 in one.class_id for one in found)
    assert with_people >= 7, "of 10; it is 9"


def test_so_many_frames_come_without_waiting_each_with_its_time() -> None:
    with made("synthetic:?frames=90&fps=30") as source:
        assert (source.live, source.total, source.fps) == (False, 90, 30)
        times = [shot.timestamp for shot in source]
    assert times == pytest.approx([i / 30 for i in range(90)])


def test_without_an_end_it_is_as_live_as_a_camera() -> None:
    with made("synthetic:?fps=100&size=64x48") as source:
        assert (source.live, source.total) == (True, None)
        before = time.time()
        shots = list(itertools.islice(source, 10))
    assert time.time() - before > 0.08
    assert all(before <= a.timestamp < b.timestamp for a, b in itertools.pairwise(shots))


@pytest.mark.parametrize(
    "spec",
    ["cats", "shapes?size=640", "?size=0x5", "?fps=0", "?fps=fast", "?seed=-1", "?fsp=30", "?frames=0", "?size=1e3x20"],
)
def test_what_makes_no_sense_is_refused(spec: str) -> None:
    with pytest.raises(SourceError, match=r"expected") as caught:
        open_source(f"synthetic:{spec}")
    assert spec in caught.value.message
