"""Motion by background subtraction and connected components. Needs no weights and works for any fixed camera.

Pictures are scaled to a longer side of 320 pixels. A background model per stream learns what stays. Pixels that differ
from it, except for shadows, are cleaned and grouped into connected parts. Each part is a row of class ``motion``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Image, ModelCard
from sightline.models.base import Model, Options, check_image, timed

SIDE = 320
"""Longer side in pixels at which motion is detected."""
MAX_STREAMS = 64
"""Maximum number of backgrounds; the least recently used one is dropped."""
LEARNING = 8
"""Number of frames that a new background learns from before it detects anything."""
RATE = 1 / 500
"""Learning rate: what stands still becomes background after about 50 frames; with MOG2's own rate, 5 at the start."""
SMALLEST = 0.0015
"""Share of the picture below which a part is noise."""
EVERYTHING = 0.6
"""Share of the picture that can move at once; above it the light or the camera changed, and the background is learnt
anew."""
SHADOW = 127
"""OpenCV's value for a pixel in a shadow."""

_SPECK = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
_GAP = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))


def builtin() -> ModelCard:
    """The card of the model, which needs no weights."""
    return ModelCard(
        name="motion",
        family="motion",
        task="detect",
        labels=("motion",),
        input_size=None,
        licence="Apache-2.0",
        source="built in",
        description="Boxes and a mask of what moves in front of a fixed camera. Needs no weights.",
    )


def create() -> Motion:
    """Create a model without any backgrounds."""
    return Motion()


class _Background:
    """The picture of one stream as it looks when nothing moves."""

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()
        self._learn()

    def _learn(self) -> None:
        # MOG2 takes half of KNN's time and keeps parts that are near each other apart better.
        self._subtractor = cv2.createBackgroundSubtractorMOG2(varThreshold=16, detectShadows=True)
        # Less than 22 levels of 255 is no motion: cameras that adjust their exposure change a whole wall by 10 to 15.
        self._subtractor.setVarMin(30)
        self._subtractor.setVarInit(30)
        self._seen = 0

    def moving(self, small: Image) -> NDArray[np.uint8]:
        """H x W, 255 for pixels that differ from the background and are not shadows, else 0."""
        if small.shape != self._shape:  # at another resolution the background no longer fits
            self._shape = small.shape
            self._learn()
        self._seen += 1
        learning = self._seen <= LEARNING
        found: Any = self._subtractor.apply(small, learningRate=-1 if learning else RATE)
        if learning:
            return np.zeros_like(found)
        changed: Any = cv2.threshold(found, SHADOW, 255, cv2.THRESH_BINARY)[1]
        changed = cv2.morphologyEx(changed, cv2.MORPH_OPEN, _SPECK)
        changed = _closed(changed)
        if cv2.countNonZero(changed) > EVERYTHING * changed.size:
            self._learn()
            return np.zeros_like(found)
        return changed  # type: ignore[no-any-return]


class Motion(Model):
    """Detects moving parts as rows of class ``motion``; the confidence is the share of the box that moves."""

    remembers = True

    def __init__(self) -> None:
        self.card = builtin()
        self._streams: OrderedDict[str, _Background] = OrderedDict()

    @property
    def wanted_side(self) -> int:
        """The longer side in pixels at which motion is detected."""
        return SIDE

    def predict(
        self,
        images: Sequence[Image],
        *,
        options: Sequence[Options] | None = None,
        streams: Sequence[str] | None = None,
        stages: dict[str, float] | None = None,
    ) -> list[Prediction]:
        """See Model. Without ``streams``, all pictures belong to one stream."""
        stages = {} if stages is None else stages
        found: list[Prediction] = []
        streams = streams or [""] * len(images)
        for image, stream, asked in zip(images, streams, options or [self.options] * len(images), strict=True):
            with timed(stages, "preprocess"):
                small = _small(check_image(image))
            with timed(stages, "infer"):
                moving = self._background(stream).moving(small)
            with timed(stages, "postprocess"):
                found.append(self._rows(moving, image.shape[1], image.shape[0], asked))
        return found

    def forget(self, stream: str) -> None:
        """Drop the background of a stream."""
        self._streams.pop(stream, None)

    def close(self) -> None:
        """Drop all backgrounds."""
        self._streams.clear()

    def _background(self, stream: str) -> _Background:
        if stream not in self._streams:
            if len(self._streams) >= MAX_STREAMS:
                self._streams.popitem(last=False)
            self._streams[stream] = _Background()
        self._streams.move_to_end(stream)
        return self._streams[stream]

    def _rows(self, moving: NDArray[np.uint8], width: int, height: int, options: Options) -> Detections:
        _, parts, stats, _ = cv2.connectedComponentsWithStats(moving, connectivity=8)
        left, top, w, h, area = (stats[:, c].astype(np.float32) for c in range(5))
        filled = area / (w * h)
        wanted = (area >= max(SMALLEST * moving.size, 4.0)) & (filled >= options.confidence)
        wanted[0] = False  # label 0 is everything that doesn't move
        order = np.flatnonzero(wanted)
        order = order[np.argsort(-area[order], kind="stable")][: min(options.max_detections, 255)]
        row_of_part = np.zeros(len(stats), np.uint8)
        row_of_part[order] = np.arange(1, len(order) + 1)
        scale = np.array([width / moving.shape[1], height / moving.shape[0]] * 2, np.float32)
        xyxy = np.stack([left, top, left + w, top + h], axis=1)[order] * scale
        return Detections(
            xyxy=xyxy,
            confidence=filled[order],
            class_id=np.zeros(len(order), np.int32),
            mask=row_of_part[parts],
        )


def _closed(changed: NDArray[np.uint8]) -> Any:
    """Fill gaps within parts. A margin keeps parts near the picture's edge from growing up to it."""
    margin = _GAP.shape[0] // 2
    wide = cv2.copyMakeBorder(changed, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
    return cv2.morphologyEx(wide, cv2.MORPH_CLOSE, _GAP)[margin:-margin, margin:-margin]


def _small(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = min(1.0, SIDE / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (3, 3), 0)  # type: ignore[return-value]
