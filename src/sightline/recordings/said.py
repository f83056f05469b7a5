"""What a line says of its picture, made into what renderers draw; and pictures in which nobody can be recognized."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import cv2
import msgspec
import numpy as np
from msgspec import UNSET, Struct
from numpy.typing import NDArray

from sightline.core.predictions import Detections, Prediction, Segmentation
from sightline.core.records import Detection, Segment
from sightline.core.types import Image
from sightline.media import codecs
from sightline.recordings.lines import FrameLine
from sightline.renderers.base import PERSON, first_name

AROUND_S = 0.5
"""Seconds around a picture in which a person was found who is blurred in it: models miss people now and then."""
AWAY_S = 2.0
"""If no result is nearer, nobody knows who is in the picture, and it is blurred altogether."""
MARGIN = 0.1
"""What is blurred around a person on each side, in widths and heights."""
CELLS = 5, 8
"""What is left of a person: so many spots across and down."""


class Said(Struct):
    """The parts of a recorded result that pictures are made of."""

    width: int
    height: int
    detections: tuple[Detection, ...] = ()
    segments: tuple[Segment, ...] = ()
    mask_kind: str | None = None


_said = msgspec.json.Decoder(Said)


def said_of(line: FrameLine | None) -> Said | None:
    """Return what a line says; None without a result."""
    return None if line is None or line.result is UNSET else _said.decode(bytes(line.result))


def labels_of(said: Said) -> tuple[str, ...]:
    """Return names by class id, as far as this result has them. One is ``person``, so that modes for people fit."""
    found: Sequence[Detection | Segment] = said.detections or said.segments
    names = {one.class_id: one.class_name for one in found}
    labels = [names.get(number, f"class {number}") for number in range(max(names, default=-1) + 1)]
    return tuple(labels if any(first_name(label) == PERSON for label in labels) else [*labels, PERSON])


def prediction_of(said: Said, line: FrameLine, image: Image) -> Prediction:
    """Return what was found, in pixels of this picture. Raises BadImage for a mask that can't be read."""
    mask = _mask(line)
    if mask is not None and said.mask_kind == "classes":
        return Segmentation(mask, alpha=codecs.decode_alpha(_png(line)))
    found = said.detections
    ids = [-1 if one.tracker_id is None else one.tracker_id for one in found]
    rows = Detections(
        np.array([one.xyxy for one in found], np.float32).reshape(-1, 4),
        np.array([one.confidence for one in found], np.float32),
        np.array([one.class_id for one in found], np.int32),
        np.array(ids, np.int32) if any(one >= 0 for one in ids) else None,
        mask,
    )
    return rows.scaled(image.shape[1] / said.width, image.shape[0] / said.height)


def _mask(line: FrameLine) -> NDArray[np.uint8] | None:
    return None if not line.mask else codecs.decode_mask(_png(line))


def _png(line: FrameLine) -> bytes:
    return msgspec.json.decode(f'"{line.mask}"', type=bytes)


class Blurring:
    """Blurs the people in the pictures of a time."""

    def __init__(self, lines: Sequence[FrameLine]) -> None:
        """``lines``: all of the time, and of ``AWAY_S`` before and after it."""
        self._lines = sorted((line for line in lines if line.result is not UNSET), key=lambda line: line.at)
        self._times = [line.at for line in self._lines]

    def blur(self, image: Image, at: float) -> tuple[Image, bool]:
        """Return a copy without people, by what was found in this picture and in those around it; True if some were."""
        known = self._known(at)
        if not known:
            return _spots(image, *CELLS), True
        blurred, found = image.copy(), False
        for line in known:
            said = said_of(line)
            assert said is not None, "others are left out"
            for left, top, right, bottom in _boxes(said, image):
                found = True
                blurred[top:bottom, left:right] = _spots(image[top:bottom, left:right], *CELLS)
            ids = [one.class_id for one in said.segments if first_name(one.class_name) == PERSON]
            if ids and not said.detections:
                found = True
                _blur_classes(blurred, image, _mask(line), ids)
        return blurred, found

    def _known(self, at: float) -> list[FrameLine]:
        """Return the results around a moment."""
        low, high = bisect_left(self._times, at - AROUND_S), bisect_right(self._times, at + AROUND_S)
        here = bisect_right(self._times, at)
        low, high = min(low, max(0, here - 1)), max(high, min(here + 1, len(self._times)))
        return [line for line in self._lines[low:high] if abs(line.at - at) <= AWAY_S]


def _boxes(said: Said, image: Image) -> Iterator[tuple[int, int, int, int]]:
    height, width = image.shape[:2]
    across, down = width / said.width, height / said.height
    for one in said.detections:
        if first_name(one.class_name) != PERSON:
            continue
        x1, y1, x2, y2 = one.xyxy
        wide, high = (x2 - x1) * MARGIN, (y2 - y1) * MARGIN
        left, right = max(0, int((x1 - wide) * across)), min(width, int((x2 + wide) * across) + 1)
        top, bottom = max(0, int((y1 - high) * down)), min(height, int((y2 + high) * down) + 1)
        if left < right and top < bottom:
            yield left, top, right, bottom


def _blur_classes(blurred: Image, image: Image, mask: NDArray[np.uint8] | None, ids: Sequence[int]) -> None:
    """Blur what a map of classes calls a person; all of the picture where the map was not recorded."""
    height, width = image.shape[:2]
    where = np.ones((height, width), bool)
    if mask is not None and mask.size:
        person = cv2.resize(np.isin(mask, ids).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        edge = max(3, width // 50)
        where = cv2.dilate(person, np.ones((edge, edge), np.uint8)).astype(bool)
    blurred[where] = _spots(image, 2 * CELLS[0], 2 * CELLS[0])[where]


def _spots(image: Image, across: int, down: int) -> Image:
    height, width = image.shape[:2]
    few = cv2.resize(image, (min(across, width), min(down, height)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
