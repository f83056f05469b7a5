"""Boxes with class names and confidences, over filled masks if there are any."""

from __future__ import annotations

from collections.abc import Sequence

from sightline.core.predictions import Prediction
from sightline.core.types import Image
from sightline.renderers._boxes import FONT as FONT
from sightline.renderers._boxes import draw_boxes


def render(image: Image, prediction: Prediction, labels: Sequence[str], *, opacity: float = 0.5) -> Image:
    """Return a copy of the picture with boxes, labels and filled masks. Lines and letters scale with the picture."""
    return draw_boxes(image, prediction, labels, opacity)
