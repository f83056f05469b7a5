"""Drawing of boxes with class names and confidences, over filled masks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sightline.core import palette
from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Image
from sightline.renderers.base import fill

FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_boxes(image: Image, prediction: Prediction, labels: Sequence[str], opacity: float) -> Image:
    """Draw boxes, labels and filled masks on a copy of the picture. Lines and letters scale with the picture.

    Boxes and labels are solid if ``opacity`` is at least 0.5, and fade below that.
    """
    filled = fill(image, prediction, labels, opacity)
    found = prediction.objects
    if not len(found):
        return filled
    height, width = filled.shape[:2]
    line = max(1, round((width + height) / 640))
    drawn = filled if opacity >= 0.5 else filled.copy()
    # The surest last, so that it lies on top.
    for row in found.confidence.argsort(kind="stable").tolist():
        class_id = int(found.class_id[row])
        left, top, right, bottom = (round(v) for v in found.xyxy[row].tolist())
        colour = palette.color(class_id)
        # The last column of a box that ends at the picture's edge is inside the picture.
        right, bottom = min(right, width - 1), min(bottom, height - 1)
        cv2.rectangle(drawn, (left, top), (right, bottom), colour, line)
        _label(drawn, _words(found, row, labels), (left, top), colour, line)
    if drawn is not filled:
        cv2.addWeighted(filled, 1 - 2 * opacity, drawn, 2 * opacity, 0, dst=drawn)
    return np.asarray(drawn, np.uint8)


def _words(found: Detections, row: int, labels: Sequence[str]) -> str:
    class_id = int(found.class_id[row])
    name = labels[class_id] if 0 <= class_id < len(labels) else f"class {class_id}"
    number = "" if found.tracker_id is None else f"#{int(found.tracker_id[row])} "
    return f"{number}{name} {found.confidence[row]:.0%}"


def _label(drawn: Image, words: str, corner: tuple[int, int], colour: palette.Colour, line: int) -> None:
    """Write words on a plate above the corner, or inside the box if there is no room, always within the picture."""
    height, width = drawn.shape[:2]
    # Letters of less than 11 px can't be read.
    size = max(0.4, (width + height) / 2600)
    stroke = max(1, round(size * 1.6))
    (text_width, text_height), below = cv2.getTextSize(words, FONT, size, stroke)
    pad = max(2, line + 1)
    plate_width, plate_height = text_width + 2 * pad, text_height + below + pad
    half = line // 2
    left = max(0, min(corner[0] - half, width - plate_width))
    top = corner[1] - half - plate_height
    if top < 0:
        top = max(0, min(corner[1] - half, height - plate_height))
    cv2.rectangle(drawn, (left, top), (left + plate_width - 1, top + plate_height - 1), colour, cv2.FILLED)
    origin = (left + pad, top + plate_height - below - pad // 2 + 1)
    cv2.putText(drawn, words, origin, FONT, size, palette.text_color(colour), stroke, cv2.LINE_AA)
