"""Replaced background: people in front of a plain wall, a soft gradient."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sightline.core.predictions import Prediction
from sightline.core.types import Image
from sightline.renderers.base import background, behind

NEEDS = "person"
TOP, BOTTOM = (92, 72, 52), (40, 28, 20)
"""Colours of the wall's first and last row as blue, green, red."""


def render(image: Image, prediction: Prediction, labels: Sequence[str], *, opacity: float = 1.0) -> Image:
    """Return a copy of the picture with a wall behind people. ``opacity`` says how much of the wall shows."""
    share = background(image, prediction, labels)
    if share is None:
        return image.copy()
    height = image.shape[0]
    down = ((np.arange(height) + 0.5) / height)[:, None]
    rows = np.rint(np.array(TOP) * (1 - down) + np.array(BOTTOM) * down).astype(np.uint8)
    wall = np.asarray(cv2.repeat(rows[:, None], 1, image.shape[1]), np.uint8)
    return behind(image, wall, share, opacity)
