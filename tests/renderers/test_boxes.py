"""Boxes, labels and masks on pixels."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sightline.core import palette
from sightline.core.predictions import Detections, Segmentation
from sightline.core.types import Image
from sightline.renderers import boxes
from sightline.renderers._labels import FACES, place_labels

LABELS = ("person", "car")
Box = tuple[float, float, float, float]


def found(*xyxy: tuple[float, float, float, float], mask: NDArray[np.uint8] | None = None) -> Detections:
    n = len(xyxy)
    return Detections(
        np.array(xyxy, np.float32).reshape(n, 4),
        np.full(n, 0.87, np.float32),
        np.arange(n, dtype=np.int32),
        None,
        mask,
    )


def grey(width: int, height: int) -> Image:
    return np.full((height, width, 3), 90, np.uint8)


def ink(image: Image) -> NDArray[np.uint8]:
    """1 where a black letter covers most of a pixel. Letters are thinner than a pixel, so none is quite black."""
    return np.asarray(image.max(axis=2) < 85, np.uint8)


def test_a_box_is_a_frame_in_its_class_colour() -> None:
    image = grey(640, 360)
    drawn = boxes.render(image, found((100, 150, 300, 250)), LABELS)
    for x, y in [(100, 200), (300, 200), (200, 250), (250, 150)]:
        assert tuple(drawn[y, x].tolist()) == palette.color(0)
    assert tuple(drawn[200, 200].tolist()) == (90, 90, 90), "the inside stays clear"
    assert (image == 90).all(), "the picture given is not drawn on"


def test_a_box_over_the_whole_frame_shows_all_four_sides() -> None:
    drawn = boxes.render(grey(320, 240), found((0, 0, 320, 240)), LABELS)
    for x, y in [(0, 200), (319, 200), (200, 239), (319, 239)]:
        assert tuple(drawn[y, x].tolist()) == palette.color(0)


@pytest.mark.parametrize("corner", [(0, 0), (600, 0), (0, 330), (600, 330), (300, 4)])
def test_the_label_is_inside_the_picture_wherever_the_box_is(corner: tuple[int, int]) -> None:
    x, y = corner
    drawn = boxes.render(grey(640, 360), found((x, y, x + 40, y + 30)), LABELS)
    in_the_middle = boxes.render(grey(640, 360), found((300, 200, 340, 230)), LABELS)
    assert ink(drawn).sum() == ink(in_the_middle).sum() > 20, "no letter is cut off"


def test_the_label_reads_name_and_confidence_and_the_tracker_where_there_is_one() -> None:
    plain = found((100, 100, 400, 200))
    tracked = Detections(plain.xyxy, plain.confidence, plain.class_id, np.array([12], np.int32))

    def written(words: str) -> NDArray[np.uint8]:
        (width, height), below = cv2.getTextSize(words, boxes.FONT, 0.4, 1)
        plate = np.full((height + below, width, 3), palette.color(0), np.uint8)
        cv2.putText(plate, words, (0, height), boxes.FONT, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
        return ink(plate)

    for prediction, words in [(plain, "person 0.87"), (tracked, "#12 person 0.87")]:
        drawn = ink(boxes.render(grey(640, 360), prediction, LABELS))
        letters = written(words)
        assert letters.sum() > 20
        assert drawn.sum() == letters.sum(), words
        assert cv2.matchTemplate(drawn, letters, cv2.TM_SQDIFF).min() < 0.5, words


def test_lines_are_thicker_on_a_larger_picture() -> None:
    def thickness(width: int, height: int) -> int:
        drawn = boxes.render(grey(width, height), found((0.3 * width, 0.3 * height, width, height)), LABELS)
        row = drawn[int(0.7 * height), : int(0.6 * width)]
        return int((row == np.array(palette.color(0), np.uint8)).all(axis=1).sum())

    assert thickness(320, 240) == 1
    assert thickness(640, 360) < thickness(1280, 720) < thickness(3840, 2160)


def test_the_surest_box_lies_on_top() -> None:
    overlapping = found((100, 100, 300, 200), (100, 100, 300, 200))
    overlapping.confidence[:] = (0.9, 0.4)
    drawn = boxes.render(grey(640, 360), overlapping, LABELS)
    assert tuple(drawn[150, 100].tolist()) == palette.color(0)


def test_instances_are_filled_in_the_colour_of_their_class_whatever_the_masks_resolution() -> None:
    mask = np.zeros((9, 16), np.uint8)
    mask[:, 8:] = 2
    drawn = boxes.render(grey(640, 360), found((0, 0, 10, 10), (320, 0, 640, 360), mask=mask), LABELS, opacity=0.5)
    half = [round(0.5 * 90 + 0.5 * channel) for channel in palette.color(1)]
    assert np.abs(drawn[180, 480].astype(int) - half).max() <= 1
    assert tuple(drawn[180, 160].tolist()) == (90, 90, 90)


def test_more_instances_than_a_mask_can_tell_apart_are_still_boxed() -> None:
    many = Detections(
        np.tile(np.array([[10, 10, 60, 60]], np.float32), (300, 1)),
        np.full(300, 0.5, np.float32),
        np.zeros(300, np.int32),
        None,
        np.full((4, 4), 255, np.uint8),
    )
    drawn = boxes.render(grey(64, 64), many, LABELS)
    assert tuple(drawn[50, 10].tolist()) == palette.color(0)


@settings(max_examples=60)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.lists(st.tuples(*[st.floats(-1e4, 1e4, width=32)] * 4), max_size=4),
    st.integers(-5, 500),
)
def test_no_box_and_no_size_of_picture_is_too_odd(
    width: int, height: int, xyxy: list[tuple[float, float, float, float]], class_id: int
) -> None:
    prediction = found(*xyxy)
    prediction.class_id[:] = class_id
    drawn = boxes.render(grey(width, height), prediction, LABELS)
    assert drawn.shape == (height, width, 3)
    assert drawn.dtype == np.uint8


def test_a_segmentation_is_filled() -> None:
    drawn = boxes.render(grey(64, 64), Segmentation(np.ones((1, 1), np.uint8)), LABELS, opacity=1)
    assert tuple(drawn[5, 5].tolist()) == palette.color(1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 300)] * 2, *[st.integers(4, 200)] * 2), min_size=1, max_size=25))
def test_no_label_hides_another_or_a_head_or_leaves_the_picture(found: list[tuple[int, int, int, int]]) -> None:
    """Fault 45."""
    placed = [np.array([x, y, x + w, y + h], np.float64) for x, y, w, h in found]
    faces = np.resize([FACES["person"], 0.0, FACES["face"]], len(found))
    labels = place_labels(np.array(placed), faces, [[80.0, 40.0]] * len(found), 16, (500, 400))
    heads = [(b[0], b[1], b[2], b[1] + face * (b[3] - b[1])) for b, face in zip(placed, faces, strict=True) if face]
    plates = [(at.x, at.y, at.x + (80, 40)[at.wording], at.y + 16) for at in labels if at is not None]
    for i, plate in enumerate(plates):
        assert 0 <= plate[0] <= plate[2] <= 500
        assert 0 <= plate[1] <= plate[3] <= 400
        for head in heads:
            assert common(plate, head) <= 0.15 * area(plate) + 1e-6
        for other in plates[:i]:
            assert common(plate, other) <= 0.15 * max(area(plate), area(other)) + 1e-6


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def common(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    return max(0.0, width) * max(0.0, min(one[3], other[3]) - max(one[1], other[1]))


def test_a_lone_box_has_its_whole_name_and_a_crowd_is_named_where_there_is_room() -> None:
    widths = [[80.0, 40.0]]
    lone = place_labels(np.array([[100.0, 100, 160, 220]]), np.array([0.3]), widths, 16, (500, 400))
    assert lone == [(100, 84, 0)]
    crowd = np.array([[x, 100.0 + x % 7, x + 30, 190] for x in range(20, 420, 12)])
    labels = place_labels(crowd, np.full(len(crowd), 0.3), widths * len(crowd), 16, (500, 400))
    assert 0 < sum(label is not None for label in labels) < len(crowd)


def test_names_are_where_the_browser_puts_them() -> None:
    """``tests/web/draw/labels.test.js`` reads the same file."""
    for scene in json.loads((Path(__file__).parents[1] / "golden" / "labels.json").read_text()):
        placed = place_labels(
            np.array(scene["boxes"], np.float64),
            np.array(scene["faces"], np.float64),
            scene["widths"],
            scene["height"],
            (scene["size"][0], scene["size"][1]),
        )
        assert [None if at is None else list(at) for at in placed] == scene["placed"]
