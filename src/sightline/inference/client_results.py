"""Results that a camera's own browser found: checked, and made into what the stream's model would have said."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sightline.analytics.base import Pipeline
from sightline.core.errors import ProtocolError
from sightline.core.predictions import Detections, Prediction, Segmentation
from sightline.core.types import Frame, FrameResult, ModelCard
from sightline.inference.result import make_result
from sightline.media import codecs
from sightline.wire.requests import PageResults

MAX_MASK_PIXELS = 1 << 21
"""Most pixels of a class map: 1024 x 2048."""


def result_of(
    frame: Frame,
    said: PageResults,
    mask_png: bytes | None,
    card: ModelCard,
    pipeline: Pipeline,
    shown: frozenset[int] | None = None,
) -> FrameResult:
    """The result of a frame, of the classes that are shown. Decodes the mask, if any: then not for the event loop.

    Raises ProtocolError, or BadImage for the mask, where the camera's words make no sense.
    """
    _check_classes([found.class_id for found in said.detections], card)
    mask = None if mask_png is None else _mask(mask_png, said, card)
    prediction: Prediction
    if mask is not None and said.mask_kind == "classes":
        if said.detections:
            raise ProtocolError(f"{len(said.detections)} detections with a map of classes: expected one of the two")
        prediction = Segmentation(mask, alpha=_alpha(mask_png or b"", card))
    else:
        prediction = _detections(said, frame, mask)
    stages = said.stages
    return make_result(
        frame,
        prediction,
        card,
        pipeline,
        shown=shown,
        stages={
            "preprocess": stages.preprocess,
            "infer": stages.infer,
            "postprocess": stages.postprocess,
            "encode": stages.encode,
        },
        processing_time_ms=said.processing_time_ms,
        browser="webgpu" if said.backend == "webgpu" else f"wasm, {said.threads} thread{'s' * (said.threads > 1)}",
    )


def _detections(said: PageResults, frame: Frame, mask: NDArray[np.uint8] | None) -> Detections:
    width, height = frame.size
    xyxy = np.array([found.xyxy for found in said.detections], np.float32).reshape(-1, 4)
    if (xyxy[:, 2:] < xyxy[:, :2]).any():
        raise ProtocolError("a box that ends before it begins: expected x1, y1, x2, y2")
    confidence = np.array([found.confidence for found in said.detections], np.float32)
    class_id = np.array([found.class_id for found in said.detections], np.int32)
    return Detections(xyxy.clip(0, [width, height] * 2).astype(np.float32), confidence, class_id, None, mask)


def _mask(png: bytes, said: PageResults, card: ModelCard) -> NDArray[np.uint8]:
    mask = codecs.decode_mask(png, max_pixels=MAX_MASK_PIXELS)
    if said.mask_kind == "instances":
        most = min(len(said.detections), 255)
        if mask.max() > most:
            raise ProtocolError(f"a mask with instance {mask.max()} of {most} detections")
    else:
        _check_classes([int(mask.max())], card)
    return mask


def _alpha(png: bytes, card: ModelCard) -> NDArray[np.uint8] | None:
    alpha = codecs.decode_alpha(png, max_pixels=MAX_MASK_PIXELS)
    if alpha is not None and len(card.labels) != 2:
        raise ProtocolError(f"an alpha of {len(card.labels)} classes: expected one only for a model with two")
    return alpha


def _check_classes(class_ids: list[int], card: ModelCard) -> None:
    highest = max(class_ids, default=0)
    if card.labels and highest >= len(card.labels):
        raise ProtocolError(f"class {highest}: expected one of the {len(card.labels)} of model {card.name!r}")
