"""What renderers share. A renderer is a module with ``render``; its file name is its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline import palette
from sightline.types import Detections, Image, Prediction, Segmentation


class Renderer(Protocol):
    """Draws a prediction on a copy of the picture it was made from."""

    def render(self, image: Image, prediction: Prediction, labels: Sequence[str], *, opacity: float = 0.5) -> Image:
        """The picture with the prediction drawn in, of the same size. ``opacity`` of filled areas is 0 to 1."""
        ...


def default_for(prediction: Prediction) -> str:
    """The renderer to use where nobody chose one."""
    return "filled" if isinstance(prediction, Segmentation) else "boxes"


def fill(image: Image, prediction: Prediction, labels: Sequence[str], opacity: float) -> Image:
    """A copy of the picture with the prediction's mask coloured in by class.

    A segmentation's class 0 is left clear where its label is "background".
    """
    label_map, colours, clear_zero = _label_map(prediction, labels)
    if label_map is None or label_map.size == 0:
        return image.copy()
    height, width = image.shape[:2]
    # The label map is scaled, not the colours: one channel instead of three, and no new labels in between.
    scaled = cv2.resize(label_map, (width, height), interpolation=cv2.INTER_NEAREST)
    filled = cv2.applyColorMap(scaled, colours)
    cv2.addWeighted(image, 1 - opacity, filled, opacity, 0, dst=filled)
    if clear_zero:
        cv2.copyTo(image, np.equal(scaled, 0).view(np.uint8), filled)
    return np.asarray(filled, np.uint8)


def _label_map(
    prediction: Prediction, labels: Sequence[str]
) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint8], bool]:
    """Labels of pixels, the colour of each label, and whether label 0 is nothing."""
    colours = palette.table()
    if isinstance(prediction, Detections):
        by_row = prediction.class_id[:255].tolist()
        if by_row:
            colours[1 : len(by_row) + 1, 0] = [palette.color(class_id) for class_id in by_row]
        return prediction.mask, colours, True
    return prediction.class_map, colours, bool(labels) and labels[0] == "background"
