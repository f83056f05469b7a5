"""Moved pictures and moved truth stay together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.train import augment


@pytest.mark.parametrize("seed", range(12))
def test_a_box_moves_with_its_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = np.zeros((90, 140, 3), np.uint8)
    image[30:60, 50:90] = 255
    matrix = augment.placement(image.shape, 256, 256, rng, zoom=(0.6, 1.4), stretch=1.3)
    boxes, inside = augment.warp_boxes(np.array([[50, 30, 90, 60]], np.float32), matrix, 256, 256)
    bright = augment.warp(image, matrix, 256, 256).min(2) > 190
    if inside[0] > 0.9:
        ys, xs = np.nonzero(bright)
        found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        assert np.abs(np.array(found) - boxes[0]).max() < 3


@pytest.mark.parametrize("seed", range(8))
def test_a_mask_moves_with_its_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((100, 80), np.uint8)
    mask[20:70, 30:60] = 1
    image = np.repeat(mask[..., None] * 255, 3, 2)
    matrix = augment.placement(image.shape, 128, 128, rng, zoom=(0.8, 1.5), angle=15)
    bright = augment.warp(image, matrix, 128, 128).min(2) > 127
    moved = augment.warp_mask(mask, matrix, 128, 255)
    judged = moved != 255
    assert ((moved == 1) == bright)[judged].mean() > 0.97


def test_what_left_the_canvas_is_known_to_have_left() -> None:
    shift = np.array([[1.0, 0, -60], [0, 1.0, 0]])
    boxes, inside = augment.warp_boxes(np.array([[0, 0, 40, 40], [50, 0, 70, 40]], np.float32), shift, 100, 100)
    assert inside.tolist() == [0, 0.5]
    assert boxes[1].tolist() == [0, 0, 10, 40]


def test_recolouring_keeps_shape_and_type() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (40, 60, 3), np.uint8)
    for _ in range(60):  # every branch
        out = augment.recolour(image, rng)
        assert out.shape == image.shape
        assert out.dtype == np.uint8


@given(
    x=st.floats(0, 300),
    y=st.floats(0, 200),
    wide=st.floats(2, 300),
    high=st.floats(2, 200),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_close_up_shows_its_box_whole(x: float, y: float, wide: float, high: float, seed: int) -> None:
    box = np.array([[x, y, x + wide, y + high]], np.float32)
    rng = np.random.default_rng(seed)
    matrix = augment.close_up(box[0], 256, rng, fills=(0.2, 0.95), stretch=1.3)
    moved, inside = augment.warp_boxes(box, matrix, 256, 256)
    assert inside[0] == pytest.approx(1, abs=0.01)
    longer = float((moved[0, 2:] - moved[0, :2]).max())
    enlarged = abs(matrix[0, 0] * matrix[1, 1]) ** 0.5
    assert longer <= 0.96 * 256
    assert longer >= 0.19 * 256 or enlarged == pytest.approx(augment.LARGEST, rel=0.01)
