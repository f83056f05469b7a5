"""Structural similarity of two pictures (Wang et al., 2004), channel by channel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.types import Image


def ssim_map(a: Image, b: Image) -> NDArray[np.float64]:
    """H x W, up to 1: with a Gaussian window of 1.5 pixels as in the paper, the mean over the channels."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    both = _blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    alike = ((2 * mean_x * mean_y + c1) * (2 * both + c2)) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return np.asarray(alike.mean(axis=2))


def _blur(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float64)


def likeness(a: Image, b: Image, plain: Image) -> float:
    """The mean similarity of two drawings of ``plain``, where one of them has changed it.

    The rest is the same picture in both, and would make any two drawings look alike.
    """
    changed = (cv2.absdiff(a, plain).max(axis=2) > 8) | (cv2.absdiff(b, plain).max(axis=2) > 8)
    assert changed.any(), "nothing is drawn"
    around = cv2.dilate(changed.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return float(ssim_map(a, b)[around].mean())
