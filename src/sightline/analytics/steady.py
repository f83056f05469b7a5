"""Steady edges: the alpha of models with two classes, smoothed over time where little changes.

Noise of the camera and of its compression moves a still person's edges by a fraction of a pixel in each frame. Where
an alpha differs little from what was shown, it is followed slowly; where it differs much around a pixel, as something
moves there, at once.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.analytics.base import NOTHING, Stage, Staged
from sightline.core.predictions import Prediction, Segmentation
from sightline.core.types import Frame, ModelCard
from sightline.media.alpha import class_map_of

SLOW_S = 0.6
"""Seconds after which two thirds of a small change are followed."""
FORGOTTEN_S = 2.0
"""Seconds without a frame after which nothing of before counts."""
AROUND = 5
"""Pixels a side, at the alpha's own size, over which changes are averaged."""
STILL, MOVING = 30, 90
"""Mean change of 255 around a pixel up to which all is noise, and from which all is movement: measured by
``bench/steadiness.py``."""
CUT = 0.5
"""Share of what was shown or is to be shown that changes where the camera shows something else now."""
_MOVES = ((np.arange(256, dtype=np.float32) - STILL) / (MOVING - STILL)).clip(0, 1)


def create() -> Stage:
    """A stage for one stream."""
    return SteadyEdges()


class SteadyEdges(Stage):
    """Smooths a person's edges, and has the map of classes follow. Whatever has no alpha passes as it is."""

    quick = True

    def __init__(self) -> None:
        self._shown: NDArray[np.float32] | None = None
        """The alpha as it was shown last; None where there was none."""
        self._card: ModelCard | None = None
        self._at = 0.0

    def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Staged:
        """Smooth the alpha of a frame. The first one, or that after a cut or a gap, stays as it is."""
        alpha = prediction.alpha if isinstance(prediction, Segmentation) else None
        if alpha is None:
            self._shown = None
            return NOTHING
        passed, self._at = frame.captured_at - self._at, frame.captured_at
        if self._card is not card and self._card != card:
            self._card, self._shown = card, None
        new = alpha.astype(np.float32)
        if self._shown is None or self._shown.shape != new.shape or not 0 <= passed <= FORGOTTEN_S:
            self._shown = new
            return NOTHING
        apart = np.asarray(cv2.absdiff(new, self._shown), np.float32)
        if cv2.sumElems(apart)[0] > CUT * cv2.sumElems(cv2.max(new, self._shown))[0]:
            self._shown = new
            return NOTHING
        self._shown += _followed(apart, passed) * (new - self._shown)
        assert isinstance(prediction, Segmentation), "others have no alpha"
        return Staged(prediction=_with(prediction, np.asarray(cv2.convertScaleAbs(self._shown), np.uint8)))

    def touch(self, frame: Frame) -> Staged:
        """What was shown holds for this frame too."""
        self._at = frame.captured_at
        return NOTHING

    def finish(self, reason: str) -> tuple[()]:
        """Forget what was shown."""
        self._shown = None
        return ()


def _followed(apart: NDArray[np.float32], passed: float) -> NDArray[np.float32]:
    """To what share each pixel's change is followed, after so many seconds."""
    around = cv2.blur(cv2.convertScaleAbs(apart), (AROUND, AROUND))
    least = 1 - math.exp(-passed / SLOW_S)
    return np.asarray(cv2.LUT(around, least + (1 - least) * _MOVES), np.float32)


def _with(said: Segmentation, alpha: NDArray[np.uint8]) -> Segmentation:
    height, width = said.class_map.shape
    return replace(said, alpha=alpha, class_map=class_map_of(alpha, width, height))
