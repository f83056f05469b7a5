"""Drawing of boxes with class names and confidences, over filled masks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sightline.core import palette
from sightline.core.predictions import Detections, Prediction, label_of
from sightline.core.types import Image
from sightline.renderers._labels import FACES, place_labels
from sightline.renderers.base import fill, first_name

FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_boxes(
    image: Image, prediction: Prediction, labels: Sequence[str], opacity: float, *, tracks: bool = False
) -> Image:
    """Draw boxes, labels and filled masks on a copy of the picture. Lines and letters scale with the picture.

    Boxes and labels are solid if ``opacity`` is at least 0.5, and fade below that. ``tracks``: draw objects in a colour
    for each track, with the way that they came.
    """
    found = prediction.objects
    colours = [palette.color(number) for number in _numbers(found, tracks)]
    filled = fill(image, prediction, labels, opacity, colours)
    if not len(found):
        return filled
    height, width = filled.shape[:2]
    line = max(1, round((width + height) / 640))
    drawn = filled if opacity >= 0.5 else filled.copy()
    # The surest last, so that it lies on top.
    rows = found.confidence.argsort(kind="stable").tolist()
    if tracks:
        _draw_trails(drawn, found, colours, line)
    for row in rows:
        left, top, right, bottom = (round(v) for v in found.xyxy[row].tolist())
        # The last column of a box that ends at the picture's edge is inside the picture.
        right, bottom = min(right, width - 1), min(bottom, height - 1)
        cv2.rectangle(drawn, (left, top), (right, bottom), colours[row], line)
    _draw_labels(drawn, found, rows, labels, line, colours)
    if drawn is not filled:
        cv2.addWeighted(filled, 1 - 2 * opacity, drawn, 2 * opacity, 0, dst=drawn)
    return np.asarray(drawn, np.uint8)


def _numbers(found: Detections, tracks: bool) -> list[int]:
    """Return the number whose colour each row has: its track's if asked for and there, else its class's."""
    if not tracks or found.tracker_id is None:
        return [int(one) for one in found.class_id]
    return [int(one) for one in np.where(found.tracker_id >= 0, found.tracker_id, found.class_id)]


def _draw_trails(drawn: Image, found: Detections, colours: list[palette.Colour], line: int) -> None:
    if found.trails is None or found.tracker_id is None:
        return
    for row in np.flatnonzero(found.tracker_id >= 0).tolist():
        places = found.trails[row]
        places = places[np.isfinite(places).all(axis=1)].round().astype(np.int32)
        cv2.polylines(drawn, [places.reshape(-1, 1, 2)], False, colours[row], line, cv2.LINE_AA)


def _draw_labels(
    drawn: Image,
    found: Detections,
    rows: list[int],
    labels: Sequence[str],
    line: int,
    colours: list[palette.Colour],
) -> None:
    """Write each box's name on a plate, where there is room for it."""
    height, width = drawn.shape[:2]
    # Letters of less than 11 px can't be read.
    size = max(0.4, (width + height) / 2600)
    stroke = max(1, round(size * 1.6))
    pad = max(2, line + 1)
    (_, text_height), _ = cv2.getTextSize("#", FONT, size, stroke)
    below = text_height // 2 + stroke  # which OpenCV's own figure for what hangs down falls short of
    plate = text_height + below + pad
    names = [label_of(int(found.class_id[row]), labels) for row in rows]
    wordings = [_wordings(found, row, name) for row, name in zip(rows, names, strict=True)]
    widths = [[cv2.getTextSize(w, FONT, size, stroke)[0][0] + 2 * pad for w in words] for words in wordings]
    boxes = found.xyxy[rows].astype(np.float64)
    boxes[:, :2] -= line // 2
    faces = np.array([FACES.get(first_name(name), 0.0) for name in names])
    places = place_labels(boxes, faces, widths, plate, (width, height))
    for row, words, wide, place in zip(rows, wordings, widths, places, strict=True):
        if place is None:
            continue
        colour = colours[row]
        left, top = round(place.x), round(place.y)
        corner = (left + wide[place.wording] - 1, top + plate - 1)
        cv2.rectangle(drawn, (left, top), corner, colour, cv2.FILLED)
        origin = (left + pad, top + plate - below - pad // 2)
        ink = palette.text_color(colour)
        cv2.putText(drawn, words[place.wording], origin, FONT, size, ink, stroke, cv2.LINE_AA)


def _wordings(found: Detections, row: int, name: str) -> list[str]:
    """What a label may say, at best and where room is short."""
    confidence = f"{found.confidence[row]:.2f}"
    if found.tracker_id is None or found.tracker_id[row] < 0:
        return [f"{name} {confidence}", name]
    number = f"#{int(found.tracker_id[row])}"
    return [f"{number} {name} {confidence}", number]
