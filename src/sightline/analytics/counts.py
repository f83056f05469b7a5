"""Objects by class: how many there are now, and how many on average of late."""

from __future__ import annotations

import math
from collections import Counter

from msgspec import Struct

from sightline.analytics.base import Stage, Staged
from sightline.core.predictions import Prediction
from sightline.core.types import Frame, ModelCard

HALF_LIFE_S = 1.0
"""Time after which a count weighs half in the mean."""
LEAST = 0.05
"""A class whose mean falls below this is left out."""


class Counts(Struct, frozen=True):
    """Objects by the name of their class. A class with neither an object nor a mean is left out."""

    now: dict[str, int]
    mean: dict[str, float]
    """Exponential mean on the frames' clock, rounded to 2 digits."""


def create() -> Stage:
    """A stage for one stream."""
    return CountObjects()


class CountObjects(Stage):
    """Counts the rows of detections by class."""

    quick = True

    def __init__(self) -> None:
        self._now: dict[str, int] = {}
        self._means: dict[str, float] = {}
        self._at: float | None = None
        """Time of the last frame, seconds on the frames' clock."""

    def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Staged:
        """Count the objects of a frame."""
        ids = prediction.objects.class_id.tolist()
        self._now = dict(Counter(map(card.label, ids)))
        return self.touch(frame)

    def touch(self, frame: Frame) -> Staged:
        """The last count goes on."""
        passed = 0.0 if self._at is None else max(0.0, frame.captured_at - self._at)
        kept = 0.0 if self._at is None else math.pow(0.5, passed / HALF_LIFE_S)
        self._at = frame.captured_at
        means = {
            name: kept * self._means.get(name, 0.0) + (1 - kept) * self._now.get(name, 0)
            for name in self._means.keys() | self._now.keys()
        }
        self._means = {name: mean for name, mean in means.items() if mean >= LEAST or name in self._now}
        return Staged(Counts(self._now, {name: round(mean, 2) for name, mean in sorted(self._means.items())}))
