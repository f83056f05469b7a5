"""Filled areas on pixels."""

from __future__ import annotations

import numpy as np
import pytest

from sightline.core import palette
from sightline.core.predictions import Detections, Segmentation
from sightline.renderers import filled
from sightline.renderers.base import default_for

IMAGE = np.full((30, 40, 3), 90, np.uint8)
HALVES = Segmentation(np.array([[0, 1]], np.uint8))


def at(image: np.typing.NDArray[np.uint8], x: int) -> tuple[int, ...]:
    return tuple(image[15, x].tolist())


def test_the_map_covers_the_frame_at_any_resolution() -> None:
    drawn = filled.render(IMAGE, HALVES, ("wall", "person"), opacity=1)
    assert (at(drawn, 19), at(drawn, 20)) == (palette.color(0), palette.color(1))
    assert (IMAGE == 90).all()


def test_background_is_left_clear() -> None:
    drawn = filled.render(IMAGE, HALVES, ("background", "person"), opacity=1)
    assert (at(drawn, 19), at(drawn, 20)) == ((90, 90, 90), palette.color(1))


@pytest.mark.parametrize("opacity", [0.0, 0.3, 1.0])
def test_opacity_is_the_share_of_the_colour(opacity: float) -> None:
    drawn = filled.render(IMAGE, HALVES, ("background", "person"), opacity=opacity)
    expected = 90 * (1 - opacity) + np.array(palette.color(1)) * opacity
    assert np.abs(drawn[15, 30] - expected).max() <= 1


def test_instances_are_filled_without_boxes() -> None:
    mask = np.array([[0, 1]], np.uint8)
    prediction = Detections(
        np.array([[2, 2, 18, 28]], np.float32), np.ones(1, np.float32), np.array([5], np.int32), None, mask
    )
    drawn = filled.render(IMAGE, prediction, (), opacity=1)
    assert (at(drawn, 30), at(drawn, 10), at(drawn, 2)) == (palette.color(5), (90, 90, 90), (90, 90, 90))


def test_detections_without_a_mask_leave_the_picture_as_it_is() -> None:
    drawn = filled.render(IMAGE, Detections.empty(), ())
    assert (drawn == IMAGE).all()
    assert drawn is not IMAGE


def test_the_default_renderer_suits_the_prediction() -> None:
    assert default_for(Detections.empty()) == "boxes"
    assert default_for(HALVES) == "filled"
