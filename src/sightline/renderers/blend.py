"""Dyed areas: hue and saturation of the class's colour, brightness (the V of HSV) of the picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sightline.core.predictions import Prediction
from sightline.core.types import Image
from sightline.renderers.base import Areas, paint

NEEDS = "mask"


def render(image: Image, prediction: Prediction, labels: Sequence[str], *, opacity: float = 0.7) -> Image:
    """Return a copy of the picture with every area in shades of its class's colour; its content stays visible."""
    areas = Areas.of(image, prediction, labels)
    if areas is None:
        return image.copy()
    # In HSV a colour is its brightest shade times V, so no conversion back from HSV is needed.
    shades = areas.table.astype(np.float32)
    shades *= 255 / shades.max(axis=2, keepdims=True)
    dyed = areas._replace(table=np.rint(shades).astype(np.uint8)).colours()
    brightness = cv2.extractChannel(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), 2)
    cv2.multiply(dyed, cv2.cvtColor(brightness, cv2.COLOR_GRAY2BGR), dst=dyed, scale=1 / 255)
    return paint(image, areas, dyed, opacity)
