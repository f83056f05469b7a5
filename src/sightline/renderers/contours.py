"""Contours of areas in the colour of their class; the insides stay clear."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sightline.core.predictions import Prediction
from sightline.core.types import Image
from sightline.renderers.base import Areas

NEEDS = "mask"


def render(image: Image, prediction: Prediction, labels: Sequence[str], *, opacity: float = 1.0) -> Image:
    """Return a copy of the picture with a line along the inside of every area's edge, whose width scales with the
    picture."""
    areas = Areas.of(image, prediction, labels)
    if areas is None:
        return image.copy()
    height, width = image.shape[:2]
    reach = max(1, (width + height) // 400)
    values = areas.values
    edge = np.zeros((height, width), bool)
    # A pixel is on an edge if the pixel ``reach`` away on any of the four sides belongs to another area.
    differs = values[:, reach:] != values[:, :-reach]
    edge[:, reach:] |= differs
    edge[:, :-reach] |= differs
    differs = values[reach:] != values[:-reach]
    edge[reach:] |= differs
    edge[:-reach] |= differs
    for value in areas.nothing:
        edge &= values != value
    lines = areas.colours()
    cv2.addWeighted(image, 1 - opacity, lines, opacity, 0, dst=lines)
    return np.asarray(cv2.copyTo(lines, edge.view(np.uint8), image.copy()), np.uint8)
