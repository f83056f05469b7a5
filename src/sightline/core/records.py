"""Predictions as rows, as JSON lines, the wire and the SDK have them. No numpy here."""

from __future__ import annotations

import msgspec


class Detection(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row of Detections as it goes out."""

    class_id: int
    class_name: str
    confidence: float
    xyxy: tuple[float, float, float, float]
    tracker_id: int | None = None


class Segment(msgspec.Struct, frozen=True):
    """One class of a segmentation and the share of the frame it covers, 0 to 1."""

    class_id: int
    class_name: str
    share: float
