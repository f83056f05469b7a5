"""Edges are as soft as the model's alpha, at any size of the picture: fault 28."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sightline.core.predictions import Segmentation
from sightline.renderers.base import Areas, draw

IMAGE = np.full((60, 160, 3), 90, np.uint8)
IMAGE[:, ::2] = 110
"""Stripes, so that blur shows."""
ALPHA = np.array([[0, 0, 128, 255, 255]], np.uint8)
SOFT = Segmentation(np.array([[0, 0, 1, 1, 1]], np.uint8), alpha=ALPHA)
LABELS = ("background", "person")


@pytest.mark.parametrize("mode", ["filled", "blend", "blur_background", "replace_background"])
@pytest.mark.parametrize("soft", [SOFT, SOFT.only(frozenset({1}))], ids=["all", "background hidden"])
def test_a_picture_goes_over_into_what_is_drawn_without_a_step(mode: str, soft: Segmentation) -> None:
    changed = np.abs(draw(IMAGE, soft, LABELS, mode=mode, opacity=1).astype(int) - IMAGE).sum(axis=(0, 2))
    changed = changed.reshape(-1, 2).sum(axis=1)  # both colours of the stripes
    if mode in ("filled", "blend"):
        changed = changed[::-1]
    ramp = changed[24:56]
    assert changed[:8].min() > 0
    assert changed[-8:].max() == 0
    assert (np.diff(ramp) <= 0).all()
    assert np.abs(np.diff(ramp)).max() < 0.12 * changed[0], "a map of five pixels alone has a step of 32"


def test_contours_follow_the_alpha_not_the_maps_steps() -> None:
    areas = Areas.of(IMAGE, SOFT, LABELS)
    assert areas is not None
    assert np.flatnonzero(areas.values[0])[0] == 80, "the middle of the pixel of one half, where the map says 64"


def test_a_person_that_is_hidden_or_of_a_model_with_another_class_is_drawn_as_before() -> None:
    hard = replace(SOFT, alpha=None)
    for shown in (frozenset({0}), frozenset[int]()):
        soft, before = (draw(IMAGE, one.only(shown), LABELS, mode="filled") for one in (SOFT, hard))
        np.testing.assert_array_equal(soft, before)
    soft, before = (draw(IMAGE, one, ("wall", "floor"), mode="filled") for one in (SOFT, hard))
    np.testing.assert_array_equal(soft, before)


def test_people_may_be_the_first_class() -> None:
    turned = Segmentation(1 - SOFT.class_map, alpha=255 - ALPHA)
    first, second = draw(IMAGE, SOFT, LABELS, mode="replace_background"), ("person", "wall")
    assert np.abs(draw(IMAGE, turned, second, mode="replace_background").astype(int) - first).max() <= 1
