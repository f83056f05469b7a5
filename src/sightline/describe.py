"""A prediction in words: the rows that go out in JSON, over the wire and to the SDK."""

from __future__ import annotations

import numpy as np

from sightline.types import Detection, Detections, ModelCard, Prediction, Segment, Segmentation


def describe(prediction: Prediction, card: ModelCard) -> tuple[tuple[Detection, ...], tuple[Segment, ...]]:
    """The rows of a detector, or the classes that a segmentation shows and their share of the frame, largest first.

    Confidence and share are rounded to 4 digits, coordinates to a tenth of a pixel.
    """
    if isinstance(prediction, Segmentation):
        return (), _segments(prediction, card)
    return _rows(prediction, card), ()


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
    counts = np.bincount(found.class_map.ravel())
    present = counts.nonzero()[0]
    largest_first = present[np.argsort(-counts[present], kind="stable")]
    total = found.class_map.size
    return tuple(Segment(c, card.label(c), round(int(counts[c]) / total, 4)) for c in largest_first.tolist())
