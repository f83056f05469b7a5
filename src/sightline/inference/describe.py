"""A prediction in words: the rows that go out in JSON, over the wire and to the SDK."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from sightline.core.predictions import Prediction
from sightline.core.types import Detection, ModelCard, Segment


class Described(Struct, frozen=True):
    """A prediction in words, of the classes that are shown."""

    prediction: Prediction
    detections: tuple[Detection, ...]
    segments: tuple[Segment, ...]
    seen: dict[int, float]
    """Rows of a detector, or share of the frame, by class id; classes that are not shown included."""


def described(prediction: Prediction, card: ModelCard, shown: frozenset[int] | None) -> Described:
    """Put a prediction in words. ``shown``: the classes that are; None for all. The rest goes from words and pixels."""
    detections, segments = prediction.objects.rows(card.label), prediction.segments(card.label)
    seen: dict[int, float] = {s.class_id: s.share for s in segments}
    if not seen and detections:
        seen = dict(Counter(d.class_id for d in detections))
    if shown is not None:
        prediction = prediction.only(shown)
        detections = tuple(d for d in detections if d.class_id in shown)
        segments = tuple(s for s in segments if s.class_id in shown)
    return Described(prediction, detections, segments, seen)
