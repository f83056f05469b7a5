"""The original picture, and beside it the one with the prediction drawn in."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sightline.core.predictions import Prediction
from sightline.core.types import Image
from sightline.renderers._boxes import draw_boxes

ACROSS = 2


def render(image: Image, prediction: Prediction, labels: Sequence[str], *, opacity: float = 0.5) -> Image:
    """Return a picture twice as wide: the original on the left, the same with boxes and filled areas on the right."""
    return np.asarray(cv2.hconcat([image, draw_boxes(image, prediction, labels, opacity)]), np.uint8)
