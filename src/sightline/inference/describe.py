"""A prediction in words: the rows that go out in JSON, over the wire and to the SDK."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.core.types import NOTHING, Detection, Detections, ModelCard, Prediction, Segment, Segmentation


def describe(prediction: Prediction, card: ModelCard) -> tuple[tuple[Detection, ...], tuple[Segment, ...]]:
    """The rows of a detector, or the classes that a segmentation shows and their share of the frame, largest first.

    Confidence and share are rounded to 4 digits, coordinates to a tenth of a pixel.
    """
    if isinstance(prediction, Segmentation):
        return (), _segments(prediction, card)
    return _rows(prediction, card), ()


@dataclass(frozen=True, slots=True)
class Described:
    """A prediction in words, of the classes that are shown."""

    prediction: Prediction
    detections: tuple[Detection, ...]
    segments: tuple[Segment, ...]
    seen: dict[int, float]
    """By class, those that are not shown too: rows of a detector, or the share of the frame."""

    @property
    def mask(self) -> NDArray[np.uint8] | None:
        """Of the prediction, where it has one."""
        return self.prediction.mask if isinstance(self.prediction, Detections) else self.prediction.class_map


def described(prediction: Prediction, card: ModelCard, shown: frozenset[int] | None) -> Described:
    """``shown``: the classes that are; None for all. The rest goes from words and pixels alike."""
    detections, segments = describe(prediction, card)
    seen: dict[int, float] = {s.class_id: s.share for s in segments} or dict(Counter(d.class_id for d in detections))
    if shown is not None:
        prediction = only(prediction, shown)
        detections = tuple(d for d in detections if d.class_id in shown)
        segments = tuple(s for s in segments if s.class_id in shown)
    return Described(prediction, detections, segments, seen)


def only(prediction: Prediction, shown: frozenset[int]) -> Prediction:
    """The prediction without all other classes: their rows, and their pixels in the mask."""
    if isinstance(prediction, Segmentation):
        table = np.full(256, NOTHING, np.uint8)
        kept = [class_id for class_id in shown if class_id < NOTHING]
        table[kept] = kept
        return Segmentation(table[prediction.class_map])
    rows = np.flatnonzero(np.isin(prediction.class_id, list(shown)))
    tracked = prediction.tracker_id
    mask = prediction.mask
    if mask is not None:
        table = np.zeros(256, np.uint8)
        marked = rows[rows < 255]
        table[marked + 1] = np.arange(1, len(marked) + 1)
        mask = table[mask]
    return Detections(
        prediction.xyxy[rows],
        prediction.confidence[rows],
        prediction.class_id[rows],
        None if tracked is None else tracked[rows],
        mask,
    )


def _rows(found: Detections, card: ModelCard) -> tuple[Detection, ...]:
    # Columns first: one call per column instead of one per number.
    boxes = found.xyxy.astype(np.float64).round(1).tolist()
    confidences = found.confidence.astype(np.float64).round(4).tolist()
    classes = found.class_id.tolist()
    trackers = [None] * len(found) if found.tracker_id is None else found.tracker_id.tolist()
    return tuple(
        Detection(class_id, card.label(class_id), confidence, (x1, y1, x2, y2), tracker)
        for class_id, confidence, (x1, y1, x2, y2), tracker in zip(classes, confidences, boxes, trackers, strict=True)
    )


def _segments(found: Segmentation, card: ModelCard) -> tuple[Segment, ...]:
    counts = np.bincount(found.class_map.ravel(), minlength=NOTHING + 1)
    counts[NOTHING] = 0
    present = counts.nonzero()[0]
    largest_first = present[np.argsort(-counts[present], kind="stable")]
    total = found.class_map.size
    return tuple(Segment(c, card.label(c), round(int(counts[c]) / total, 4)) for c in largest_first.tolist())
