"""A prediction in words."""

from __future__ import annotations

import msgspec
import numpy as np

from sightline.describe import describe
from sightline.types import Detection, Detections, ModelCard, Segment, Segmentation

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
    rows, segments = describe(detections(), DETECTOR)
    assert rows == (
        Detection(1, "car", 0.1235, (1.0, 2.1, 30.3, 40.0)),
        Detection(7, "class 7", 0.87, (0.0, 0.0, 5.0, 5.0)),
    )
    assert segments == ()


def test_a_row_in_json_has_no_tail_of_float32_digits() -> None:
    rows, _ = describe(detections(), DETECTOR)
    assert msgspec.json.encode(rows[0]) == (
        b'{"class_id":1,"class_name":"car","confidence":0.1235,"xyxy":[1.0,2.1,30.3,40.0]}'
    )


def test_tracker_ids_go_along() -> None:
    rows, _ = describe(detections([5, 9]), DETECTOR)
    assert [row.tracker_id for row in rows] == [5, 9]


def test_nothing_found_is_nothing_said() -> None:
    assert describe(Detections.empty(), DETECTOR) == ((), ())


def test_segments_are_the_classes_present_largest_first() -> None:
    class_map = np.ones((10, 10), np.uint8)
    class_map[0, :3] = 0
    class_map[9, 9] = 200
    rows, segments = describe(Segmentation(class_map), SEGMENTER)
    assert rows == ()
    assert segments == (Segment(1, "person", 0.96), Segment(0, "background", 0.03), Segment(200, "class 200", 0.01))


def test_an_empty_class_map_has_no_segments() -> None:
    assert describe(Segmentation(np.zeros((0, 0), np.uint8)), SEGMENTER) == ((), ())
