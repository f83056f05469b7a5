"""The one maker of results: for frames that this server infers, that a camera's own page has inferred, that look like
the one before, and that ``sightline run`` reads. All pass their stream's stages here."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sightline.analytics.base import Pipeline
from sightline.core.predictions import Prediction
from sightline.core.rounding import rounded
from sightline.core.types import Frame, FrameResult, ModelCard
from sightline.inference.describe import described
from sightline.media import codecs


def make_result(
    frame: Frame,
    prediction: Prediction,
    card: ModelCard,
    pipeline: Pipeline,
    *,
    stages: Mapping[str, float],
    shown: frozenset[int] | None = None,
    started: float | None = None,
    processing_time_ms: float = 0.0,
    browser: str = "",
    with_mask: bool = True,
) -> FrameResult:
    """A frame's result: the stages have their turn, then only what is shown is put in words and in a mask.

    ``prediction``: in pixels of the frame. ``stages``: milliseconds by stage; ``encode`` is added where the server
    measures. ``started``: ``time.monotonic()`` when processing began; without it ``processing_time_ms`` is taken as
    given. ``with_mask``: encode the mask as a PNG. Touches pixels: not for the event loop where there is a mask.
    """
    at = time.perf_counter()
    applied = pipeline.apply(frame, prediction, card)
    found = described(applied.prediction, card, shown)
    raster = found.prediction.raster()
    mask_png = codecs.encode_mask(raster.values, raster.alpha) if with_mask and raster is not None else None
    finished = time.monotonic()
    if started is not None:
        stages = {**stages, "encode": (time.perf_counter() - at) * 1000}
        processing_time_ms = (finished - started) * 1000
    return FrameResult(
        frame=frame,
        prediction=found.prediction,
        card=card,
        detections=found.detections,
        segments=found.segments,
        mask_png=mask_png,
        stages={name: rounded(ms) for name, ms in stages.items()},
        processing_time_ms=rounded(processing_time_ms),
        finished_at=finished,
        seen=found.seen,
        browser=browser,
        mask_kind=None if raster is None else raster.kind,
        extras=applied.extras,
        events=applied.events,
    )


def reuse_result(
    frame: Frame,
    earlier: FrameResult,
    pipeline: Pipeline,
    *,
    started: float,
    took_ms: float,
    shown: frozenset[int] | None = None,
) -> FrameResult:
    """An earlier frame's result for one that looks the same. Words and prediction stay unless a stage has others.

    ``started``: ``time.monotonic()`` when its batch began. ``took_ms``: milliseconds that the comparison took.
    """
    applied = pipeline.touch(frame, earlier.prediction)
    if applied.prediction is not earlier.prediction:
        found = described(applied.prediction, earlier.card, shown)
        earlier = earlier.changed(prediction=found.prediction, detections=found.detections)
    took_ms = rounded(took_ms)
    return earlier.changed(
        frame=frame,
        reused=earlier.frame,
        stages={"queue": rounded((started - frame.received_at) * 1000), "compare": took_ms},
        processing_time_ms=took_ms,
        finished_at=time.monotonic(),
        extras=applied.extras,
        events=applied.events,
    )
