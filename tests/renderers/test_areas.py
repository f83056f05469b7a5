"""Contours, dyed areas, and what becomes of the background."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.core import palette
from sightline.core.predictions import NOTHING, Detections, Segmentation
from sightline.core.types import Image
from sightline.renderers import blend, blur_background, contours, filled, replace_background

LABELS = ("background", "person")
HALVES = Segmentation(np.array([[0, 1]], np.uint8))
"""Nothing on the left, a person on the right."""


def grainy(width: int = 640, height: int = 360) -> Image:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def two_people(person: int = 1) -> Detections:
    """Two instances that touch, one left, one right."""
    xyxy = np.array([[0, 0, 320, 360], [320, 0, 640, 360]], np.float32)
    class_ids = np.array([person, person], np.int32)
    return Detections(xyxy, np.ones(2, np.float32), class_ids, None, np.array([[1, 2]], np.uint8))


def test_contours_are_a_line_inside_the_area_in_its_colour() -> None:
    image = grainy()
    drawn = contours.render(image, HALVES, LABELS)
    changed = (drawn != image).any(axis=2).any(axis=0)
    columns = changed.nonzero()[0]
    assert columns[0] == 320, "the side that is nothing has no line"
    assert 2 <= len(columns) <= 4
    assert (drawn[:, columns] == palette.color(1)).all()


def test_contours_part_instances_of_one_class() -> None:
    drawn = contours.render(grainy(), two_people(), LABELS)
    assert (drawn[:, 319:321] == palette.color(1)).all()
    assert (drawn[:, 100] == grainy()[:, 100]).all(), "the picture's own edge is no contour"


def test_contours_grow_with_the_picture() -> None:
    def thickness(width: int, height: int) -> int:
        image = grainy(width, height)
        return int((contours.render(image, HALVES, LABELS) != image).any(axis=2)[0].sum())

    assert thickness(320, 240) < thickness(640, 360) < thickness(1920, 1080)


def test_blend_keeps_the_pictures_brightness_and_takes_the_classs_hue_and_saturation() -> None:
    image = np.maximum(grainy(), 60)  # in the dark, hue is lost to rounding
    drawn = blend.render(image, HALVES, LABELS, opacity=1)
    assert (drawn[:, :320] == image[:, :320]).all()
    before, after = (hsv(picture[:, 320:]) for picture in (image, drawn))
    colour = hsv(np.full((1, 1, 3), palette.color(1), np.uint8))[0, 0]
    assert np.abs(after[..., 2] - before[..., 2]).max() < 0.006
    assert np.abs(after[..., 1] - colour[1]).max() < 0.03
    assert np.abs(after[..., 0] - colour[0]).max() < 3  # degrees


def hsv(image: Image) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2HSV), np.float32)


def contrast(image: Image) -> float:
    return float(image.astype(float).std())


@pytest.mark.parametrize("prediction", [HALVES, two_people()], ids=["classes", "instances"])
def test_a_blurred_background_leaves_the_person_sharp(prediction: Detections | Segmentation) -> None:
    if isinstance(prediction, Detections):
        prediction.class_id[0] = 0  # the left one is something else
    image = grainy()
    drawn = blur_background.render(image, prediction, LABELS, opacity=1)
    assert (drawn[:, 500:] == image[:, 500:]).all()
    assert contrast(drawn[:, :140]) < 0.1 * contrast(image)


def test_opacity_is_how_strongly_the_background_is_blurred() -> None:
    image = grainy()
    left = [contrast(blur_background.render(image, HALVES, LABELS, opacity=o)[:, :140]) for o in (0, 0.1, 0.5, 1)]
    assert left == sorted(left, reverse=True)
    assert len(set(left)) == 4


def test_people_are_known_by_other_spellings_too() -> None:
    image = grainy()
    expected = blur_background.render(image, HALVES, LABELS)
    for label in ("Person", "person, individual, someone"):
        assert (blur_background.render(image, HALVES, ("wall", label)) == expected).all()
    assert (blur_background.render(image, HALVES, ("wall", "personal computer")) == image).all()


def test_where_nobody_is_all_is_background() -> None:
    nobody = Detections.empty(np.zeros((9, 16), np.uint8))
    assert contrast(blur_background.render(grainy(), nobody, LABELS, opacity=1)) < 0.1 * contrast(grainy())


def test_a_replaced_background_shows_nothing_of_the_room() -> None:
    image = grainy()
    drawn = replace_background.render(image, HALVES, LABELS)
    assert (drawn[:, 500:] == image[:, 500:]).all()
    wall = drawn[:, :140]
    assert (wall == wall[:, :1]).all(), "every row is plain"
    assert (wall[0, 0] > wall[-1, 0]).all(), "and they grow darker downwards"
    half = replace_background.render(image, HALVES, LABELS, opacity=0.5)[:, :140]
    assert np.abs(half - (image[:, :140] * 0.5 + wall * 0.5)).max() <= 1


def test_what_is_not_to_be_shown_stays_as_it_is() -> None:
    image = grainy()
    hidden = Segmentation(np.array([[NOTHING, 1]], np.uint8))
    for renderer in (filled, blend, contours):
        for labels in (LABELS, ("wall", "person")):
            drawn = renderer.render(image, hidden, labels)
            assert (drawn[:, :320] == image[:, :320]).all()
            assert (drawn[:, 320:] != image[:, 320:]).any()
    gone = Segmentation(np.full((2, 2), NOTHING, np.uint8))
    assert (filled.render(image, gone, LABELS) == image).all()
