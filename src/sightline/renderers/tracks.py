"""Boxes in a colour for each track, with the way that each object came."""

from __future__ import annotations

from collections.abc import Sequence

from sightline.core.predictions import Prediction
from sightline.core.types import Image
from sightline.renderers._boxes import draw_boxes


def render(image: Image, prediction: Prediction, labels: Sequence[str], *, opacity: float = 0.5) -> Image:
    """Return a copy of the picture with boxes, labels, trails and filled masks, all in the colours of the tracks."""
    return draw_boxes(image, prediction, labels, opacity, tracks=True)
