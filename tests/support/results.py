"""Makes results and sink entries for tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.predictions import Detections, Prediction, Segmentation
from sightline.core.types import Detection, Frame, FrameResult, Image, ModelCard, Segment
from sightline.inference.describe import described
from sightline.sinks.base import Entry

DETECTOR = ModelCard("finder", "yolox", "detect", ("person", "car"), (64, 64), "MIT", "here")
SEGMENTER = ModelCard("painter", "semantic", "segment", ("background", "person"), (64, 64), "MIT", "here")


def two_found(mask: NDArray[np.uint8] | None = None) -> Detections:
    return Detections(
        np.array([[1.25, 2, 30, 40], [5, 5, 25, 35]], np.float32),
        np.array([0.875, 0.5], np.float32),
        np.array([1, 0], np.int32),
        None,
        mask,
    )


def words(prediction: Prediction, card: ModelCard) -> tuple[tuple[Detection, ...], tuple[Segment, ...]]:
    """A prediction's rows and segments."""
    found = described(prediction, card, None)
    return found.detections, found.segments


def entry(
    image: Image,
    *,
    seq: int = 0,
    at: float = 0.0,
    prediction: Prediction | None = None,
    source: str = "clip.mp4",
    still: bool = False,
) -> Entry:
    """What a sink gets for one picture; nothing is drawn in."""
    prediction = Detections.empty() if prediction is None else prediction
    card = SEGMENTER if isinstance(prediction, Segmentation) else DETECTOR
    detections, segments = words(prediction, card)
    raster = prediction.raster()
    kind = None if raster is None else raster.kind
    frame = Frame("hall", seq, at, 0.0, image)
    result = FrameResult(frame, prediction, card, detections, segments, None, {"infer": 1.5}, 2.5, 0.0, mask_kind=kind)
    return Entry(result, image, image, source, still)


def result_of(frame: Frame) -> FrameResult:
    """What a model that finds two things says of a frame."""
    return FrameResult(frame, two_found(), DETECTOR, *words(two_found(), DETECTOR), None, {"infer": 1.5}, 2.5, 0.0)


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """While it lasts, no file can grow beyond ``size`` bytes: the closest to a full disk that needs no rights."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def inferred(seq: int, rows: list[dict[str, Any]]) -> str:
    """A frame that the camera's own page has inferred."""
    told = {"model": "motion", "backend": "wasm", "threads": 1, "processing_time_ms": 9.5, "stages": {"infer": 8}}
    meta = {"type": "frame_metadata", "timestamp": 1000.0 + 100 * seq, "frameNumber": seq, "width": 320, "height": 180}
    return json.dumps(meta | {"results": told | {"detections": rows}})
