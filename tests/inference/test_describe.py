"""A prediction in words."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from sightline.core.predictions import NOTHING, Detections, Segmentation
from sightline.core.types import Detection, ModelCard, Segment
from sightline.inference.describe import described
from support.results import words

DETECTOR = ModelCard("d", "yolox", "detect", ("person", "car"), None, "Apache-2.0", "here")
SEGMENTER = ModelCard("s", "sem", "segment", ("background", "person"), None, "MIT", "here")


def detections(tracker_id: list[int] | None = None) -> Detections:
    return Detections(
        np.array([[1.04, 2.06, 30.26, 40.0], [0, 0, 5, 5]], np.float32),
        np.array([0.123456, 0.87], np.float32),
        np.array([1, 7], np.int32),
        None if tracker_id is None else np.array(tracker_id, np.int32),
    )


def test_rows_are_rounded_and_named() -> None:
    rows, segments = words(detections(), DETECTOR)
    assert rows == (
        Detection(1, "car", 0.1235, (1.0, 2.1, 30.3, 40.0)),
        Detection(7, "class 7", 0.87, (0.0, 0.0, 5.0, 5.0)),
    )
    assert segments == ()


def test_a_row_in_json_has_no_tail_of_float32_digits() -> None:
    rows, _ = words(detections(), DETECTOR)
    assert msgspec.json.encode(rows[0]) == (
        b'{"class_id":1,"class_name":"car","confidence":0.1235,"xyxy":[1.0,2.1,30.3,40.0]}'
    )


def test_tracker_ids_go_along() -> None:
    rows, _ = words(detections([5, 9]), DETECTOR)
    assert [row.tracker_id for row in rows] == [5, 9]


def test_nothing_found_is_nothing_said() -> None:
    assert words(Detections.empty(), DETECTOR) == ((), ())


def test_segments_are_the_classes_present_largest_first() -> None:
    class_map = np.ones((10, 10), np.uint8)
    class_map[0, :3] = 0
    class_map[9, 9] = 200
    rows, segments = words(Segmentation(class_map), SEGMENTER)
    assert rows == ()
    assert segments == (Segment(1, "person", 0.96), Segment(0, "background", 0.03), Segment(200, "class 200", 0.01))


def test_an_empty_class_map_has_no_segments() -> None:
    assert words(Segmentation(np.zeros((0, 0), np.uint8)), SEGMENTER) == ((), ())


def test_only_some_classes_of_detections() -> None:
    masked = Detections(
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.array([0.9, 0.8, 0.7], np.float32),
        np.array([1, 0, 1], np.int32),
        np.array([11, 12, 13], np.int32),
        np.array([[0, 1, 2, 3]], np.uint8),
    )
    found = masked.only(frozenset({1, 5}))
    assert isinstance(found, Detections)
    assert found.xyxy.tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert (found.class_id.tolist(), found.confidence.round(1).tolist()) == ([1, 1], pytest.approx([0.9, 0.7]))
    assert found.tracker_id is not None
    assert found.mask is not None
    assert (found.tracker_id.tolist(), found.mask.tolist()) == ([11, 13], [[0, 1, 0, 2]]), "rows have their new numbers"
    none = masked.only(frozenset())
    assert len(none.confidence if isinstance(none, Detections) else [1]) == 0
    assert not np.any(none.mask if isinstance(none, Detections) else 1)


def test_a_mask_marks_only_the_first_255_rows() -> None:
    count = 300
    rows = Detections(
        np.zeros((count, 4), np.float32),
        np.ones(count, np.float32),
        np.array([0] * 10 + [1] * (count - 10), np.int32),
        None,
        np.arange(256, dtype=np.uint8).reshape(1, -1),
    )
    found = rows.only(frozenset({1}))
    assert isinstance(found, Detections)
    assert found.mask is not None
    assert found.mask.ravel()[10:].tolist() == [0, *range(1, 246)]


def test_what_is_not_shown_goes_from_words_and_pixels_but_is_counted() -> None:
    area = Segmentation(np.array([[0, 1, 1, 2]], np.uint8))
    found = described(area, SEGMENTER, frozenset({1}))
    assert found.segments == (Segment(1, "person", 0.5),)
    found_raster = found.prediction.raster()
    assert found_raster is not None
    assert found_raster.values.tolist() == [[NOTHING, 1, 1, NOTHING]]
    assert found.seen == {1: 0.5, 0: 0.25, 2: 0.25}
    again, segments = found.prediction, words(found.prediction, SEGMENTER)[1]
    assert segments == found.segments, "nothing is no class"
    assert isinstance(again, Segmentation)
    whole = described(detections(), DETECTOR, None)
    assert (len(whole.detections), whole.seen, whole.prediction.raster()) == (2, {1: 1, 7: 1}, None)
