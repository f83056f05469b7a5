"""Blurred background: people stay sharp, everything else is blurred."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from sightline.core.predictions import Prediction
from sightline.core.types import Image
from sightline.renderers.base import background, behind

NEEDS = "person"


def render(image: Image, prediction: Prediction, labels: Sequence[str], *, opacity: float = 0.5) -> Image:
    """Return a copy of the picture, blurred except on people. ``opacity`` is the strength: 1 blurs over a 20th of its
    longer side."""
    share = background(image, prediction, labels)
    if share is None or opacity <= 0:
        return image.copy()
    return behind(image, _blurred(image, opacity), share)


def _blurred(image: Image, strength: float) -> Image:
    """Blur by halving and doubling the size a few times, which gives a wide, smooth blur at the cost of a small one."""
    height, width = image.shape[:2]
    halvings = max(1, round(math.log2(max(2.0, strength * max(width, height) / 20))))
    sizes = [(max(1, width >> n), max(1, height >> n)) for n in range(halvings + 1)]
    blurred = image
    for size in sizes[1:]:
        blurred = cv2.resize(blurred, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    for size in reversed(sizes[:-1]):
        blurred = cv2.resize(blurred, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    return blurred
