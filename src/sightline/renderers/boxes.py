"""Boxes with what they are and how sure the model is; masks, where there are any, are filled in under them."""

from __future__ import annotations

from collections.abc import Sequence

from sightline.core.predictions import Prediction
from sightline.core.types import Image
from sightline.renderers._boxes import FONT as FONT
from sightline.renderers._boxes import draw_boxes


def render(image: Image, prediction: Prediction, labels: Sequence[str], *, opacity: float = 0.5) -> Image:
    """A copy of the picture with boxes, labels and filled masks, their size in step with the picture's."""
    return draw_boxes(image, prediction, labels, opacity)
