"""Predictions as people use them in Python."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sightline
from sightline import load_model
from sightline.core.errors import BadImage, ConfigError, ModelError
from sightline.core.predictions import Detections, Segmentation
from sightline.core.types import Detection, Segment


def made(n: int, *, masked: bool = True) -> Detections:
    rows = np.arange(n, dtype=np.float32)
    mask = np.arange(256, dtype=np.uint8).reshape(1, -1) if masked else None
    tracks = np.arange(n, dtype=np.int32) + 100
    return Detections(
        np.stack([rows] * 4, 1), (rows / max(n, 1)).astype(np.float32), np.arange(n, dtype=np.int32) % 3, tracks, mask
    )


@given(st.integers(0, 300), st.data())
def test_rows_keep_their_columns_and_their_pixels(n: int, data: st.DataObject) -> None:
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    found, all_rows = made(n)[kept], made(n)
    numbers = np.flatnonzero(kept)
    assert found.xyxy[:, 0].tolist() == numbers.tolist()
    assert found.tracker_id is not None
    assert found.tracker_id.tolist() == (numbers + 100).tolist()
    assert found.mask is not None
    for value in range(1, 256):  # a pixel belongs to the row that it belonged to, or to nobody
        row = value - 1
        now = int(found.mask[0, value])
        if row < n and kept[row]:
            assert found.xyxy[now - 1, 0] == row
        else:
            assert now == 0
    assert len(all_rows) == n


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (1, [1]),
        (-1, [4]),
        (slice(1, 3), [1, 2]),
        ([4, 0], [4, 0]),
        ([True, False, True, False, False], [0, 2]),
        (np.array([2, 2]), [2, 2]),
        ([], []),
    ],
)
def test_any_index_gives_rows(rows: Any, expected: list[int]) -> None:
    found = made(5)[rows]
    assert isinstance(found, Detections)
    assert found.xyxy[:, 0].tolist() == expected


def test_rows_are_iterated_with_their_names_and_shown() -> None:
    found = made(7, masked=False).complete(("cat", "dog"), (8, 8))
    assert next(iter(found)) == Detection(0, "cat", 0.0, (0.0, 0.0, 0.0, 0.0), 100)
    assert [row.class_name for row in found[:3]] == ["cat", "dog", "class 2"]
    assert repr(found[:2]) == "<Detections: 2: cat 0.00, dog 0.14>"
    assert repr(found).endswith("dog 0.57, 2 more>")
    assert repr(Detections.empty()) == "<Detections: 0>"


def test_a_map_of_classes_tells_its_shares() -> None:
    area = Segmentation(np.array([[0, 1, 1, 1]], np.uint8)).complete(("sky", "sea"), (4, 1))
    assert list(area) == [Segment(1, "sea", 0.75), Segment(0, "sky", 0.25)]
    assert (len(area), repr(area)) == (2, "<Segmentation: 4x1: sea 75%, sky 25%>")
    assert repr(area.only(frozenset({0}))) == "<Segmentation: 4x1: sky 25%>"


@dataclass
class Columns:
    """What supervision takes."""

    xyxy: Any
    confidence: Any
    class_id: Any
    mask: Any
    data: Any
    tracker_id: Any = None


def test_supervision_gets_the_same_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=Columns))
    mask = np.array([[0, 1], [2, 2]], np.uint8)
    columns = np.zeros((2, 4), np.float32), np.ones(2, np.float32), np.array([1, 0], np.int32)
    two = Detections(*columns, mask=mask).complete(("a", "b"), (4, 2)).to_supervision()
    assert two.data["class_name"].tolist() == ["b", "a"]
    assert two.mask[0].tolist() == [[False, False, True, True], [False] * 4]
    assert two.mask[1].tolist() == [[False] * 4, [True] * 4]
    assert Detections(*columns).to_supervision().mask is None
    area = Segmentation(np.array([[0, 1], [1, 1]], np.uint8)).complete(("sky", "sea"), (4, 4)).to_supervision()
    assert (area.xyxy.tolist(), area.class_id.tolist()) == ([[0, 0, 4, 4], [0, 0, 2, 2]], [1, 0])
    assert (area.confidence.tolist(), area.mask[1].sum()) == ([0.75, 0.25], 4)
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ConfigError, match="pip install supervision"):
        Detections(*columns).to_supervision()


def test_a_class_of_a_map_is_found_by_its_name() -> None:
    area = Segmentation(np.array([[0, 1, 1, 1]], np.uint8), ("sky", "sea"))
    assert area["sea"].tolist() == area[1].tolist() == [[False, True, True, True]]
    with pytest.raises(KeyError, match="'fire': expected one of sky, sea"):
        area["fire"]


def test_a_model_is_called_on_pixels_and_on_files(tmp_path: Path) -> None:
    model = load_model("person", engine="onnx")
    image = np.full((48, 64, 3), 90, np.uint8)
    found = model(image)
    assert isinstance(found, Segmentation)
    assert found.labels == ("background", "person")
    turned = np.full((48, 64, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), turned)
    assert repr(model(str(tmp_path / "a.png"))) == repr(found)
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    for path, why in ((tmp_path / "b.jpg", "can't be read"), (tmp_path / "c.jpg", "No such file")):
        with pytest.raises(BadImage, match=why):
            model(path)


def test_the_package_shows_what_there_is() -> None:
    for name in sightline.__all__:
        assert name in dir(sightline)
        assert getattr(sightline, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sightline.nothing  # noqa: B018


@given(st.lists(st.floats(width=32), min_size=1, max_size=5), st.lists(st.floats(width=32), min_size=4, max_size=4))
def test_no_confidence_outside_0_to_1_and_no_endless_box_leaves(confidence: list[float], box: list[float]) -> None:
    """Fault 20: there was a confidence of 31 in the JSON."""
    xyxy = np.array([box] * len(confidence), np.float32)
    columns = xyxy, np.array(confidence, np.float32), np.zeros(len(confidence), np.int32)
    good = all(0 <= value <= 1 for value in confidence) and bool(np.isfinite(box).all())
    if good:
        assert all(0 <= row.confidence <= 1 for row in Detections(*columns))
    else:
        with pytest.raises(ModelError, match="the model gave a"):
            Detections(*columns)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_an_alpha_is_as_large_as_the_picture_and_has_no_steps(
    w: int, h: int, width: int, height: int, seed: int
) -> None:
    alpha = np.random.default_rng(seed).integers(0, 256, (h, w), np.uint8)
    given_ = Segmentation((alpha >= 128).astype(np.uint8), alpha=alpha)
    whole = given_.complete(("background", "person"), (width, height))
    assert whole.alpha is not None
    assert whole.alpha.shape == (height, width)
    np.testing.assert_array_equal(whole["person"], whole.alpha >= 128)
    expected = cv2.resize(alpha.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    assert np.abs(whole.alpha - expected).max() <= 1.01
    assert given_.only(frozenset({1})).alpha is alpha
    assert given_.only(frozenset({0})).alpha is None
