"""The picture as it came, and beside it what the model sees."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sightline.core.predictions import Prediction
from sightline.core.types import Image
from sightline.renderers._boxes import draw_boxes

ACROSS = 2


def render(image: Image, prediction: Prediction, labels: Sequence[str], *, opacity: float = 0.5) -> Image:
    """Twice as wide as the picture: left the picture, right the same with boxes and filled areas."""
    return np.asarray(cv2.hconcat([image, draw_boxes(image, prediction, labels, opacity)]), np.uint8)
