"""Areas filled with the colour of their class, without boxes or labels."""

from __future__ import annotations

from collections.abc import Sequence

from sightline.core.predictions import Prediction
from sightline.core.types import Image
from sightline.renderers.base import fill

NEEDS = "mask"


def render(image: Image, prediction: Prediction, labels: Sequence[str], *, opacity: float = 0.5) -> Image:
    """Return a copy of the picture with every class of the map, or every instance's mask, filled."""
    return fill(image, prediction, labels, opacity)
