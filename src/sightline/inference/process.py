"""From frames to results: decode, predict, describe. Runs in a worker's thread; a frame that fails fails alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from sightline.core.errors import SightlineError
from sightline.core.types import Detections, Frame, Image, Prediction, Result
from sightline.inference.describe import described
from sightline.inference.static_scene import Stills, as_of
from sightline.media import codecs
from sightline.models.base import Model, Options

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a stream's frames."""

    options: Options = field(default_factory=Options)
    shown: frozenset[int] | None = None
    """The classes that are shown; None for all."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A frame that could not be processed, and why, in words for a peer."""

    frame: Frame
    message: str


Outcome: TypeAlias = Result | Failure


def process(
    model: Model,
    frames: Sequence[Frame],
    asked: Sequence[Asked] | None = None,
    *,
    gone: Set[str] = frozenset(),
    stills: Stills | None = None,
) -> list[Outcome]:
    """One outcome for each frame. ``asked``: what of each; without it, what the model is set to.

    ``gone`` are streams to be forgotten before. With ``stills``, a frame that looks like the last one of its stream
    that was inferred gets that one's result.
    """
    asked = asked or [Asked(model.options)] * len(frames)
    for name in gone:
        model.forget(name)
        if stills is not None:
            stills.forget(name)
    if model.remembers:
        stills = None
    started = time.monotonic()
    images: dict[int, Image] = {}
    outcomes: dict[int, Outcome] = {}
    decode_ms: dict[int, float] = {}
    for i, frame in enumerate(frames):
        at = time.perf_counter()
        try:
            if stills is not None and (found := stills.reuse(frame, (model.card, asked[i]))) is not None:
                outcomes[i] = _again(frame, found, started, at)
                continue
            images[i] = codecs.decode(frame.image, at_least=model.wanted_side)
        except SightlineError as e:
            outcomes[i] = Failure(frame, e.message)
        decode_ms[i] = (time.perf_counter() - at) * 1000
    stages: dict[str, float] = {}
    predictions = _predict(model, frames, images, asked, stages)
    for i, said in predictions.items():
        if isinstance(said, str):
            outcomes[i] = Failure(frames[i], said)
            continue
        times = {"queue": (started - frames[i].received_at) * 1000, "decode": decode_ms[i]}
        times |= {name: ms / len(images) for name, ms in stages.items()}
        result = outcomes[i] = _result(model, frames[i], images[i], said, asked[i].shown, started, times)
        if stills is not None:
            stills.remember(result, (model.card, asked[i]))
    return [outcomes[i] for i in range(len(frames))]


def _again(frame: Frame, found: Result, started: float, at: float) -> Result:
    """An earlier result for this frame. ``at``: ``time.perf_counter()`` when it was begun."""
    took_ms = round((time.perf_counter() - at) * 1000, 3)
    stages = {"queue": round((started - frame.received_at) * 1000, 3), "compare": took_ms}
    return as_of(frame, found, stages, took_ms=took_ms, finished_at=time.monotonic())


def _predict(
    model: Model,
    frames: Sequence[Frame],
    images: dict[int, Image],
    asked: Sequence[Asked],
    stages: dict[str, float],
) -> dict[int, Prediction | str]:
    """Predictions by index, or why there is none. A batch that fails is tried again one by one."""
    order = list(images)
    if not order:
        return {}
    try:
        found = model.predict(
            [images[i] for i in order],
            options=[asked[i].options for i in order],
            streams=[frames[i].stream for i in order],
            stages=stages,
        )
        return dict(zip(order, found, strict=True))
    except Exception as e:
        if len(order) == 1:
            if not isinstance(e, SightlineError):
                log.exception("model %s failed", model.card.name)
            return {order[0]: f"{type(e).__name__}: {e}"[:300]}
    alone: dict[int, Prediction | str] = {}
    for i in order:
        alone |= _predict(model, frames, {i: images[i]}, asked, stages)
    return alone


def _result(
    model: Model,
    frame: Frame,
    image: Image,
    prediction: Prediction,
    shown: frozenset[int] | None,
    started: float,
    stages: dict[str, float],
) -> Result:
    at = time.perf_counter()
    prediction = _at_full_size(prediction, frame, image)
    found = described(prediction, model.card, shown)
    mask = found.mask
    mask_png = None if mask is None else codecs.encode_mask(mask)
    stages["encode"] = (time.perf_counter() - at) * 1000
    finished = time.monotonic()
    return Result(
        frame=frame,
        prediction=found.prediction,
        card=model.card,
        detections=found.detections,
        segments=found.segments,
        seen=found.seen,
        mask_png=mask_png,
        stages={name: round(ms, 3) for name, ms in stages.items()},
        processing_time_ms=round((finished - started) * 1000, 3),
        finished_at=finished,
    )


def _at_full_size(prediction: Prediction, frame: Frame, image: Image) -> Prediction:
    """Boxes of a picture that was decoded at reduced size, in pixels of the frame."""
    width, height = frame.size
    if not isinstance(prediction, Detections) or (image.shape[1], image.shape[0]) == (width, height):
        return prediction
    scale = np.array([width / image.shape[1], height / image.shape[0]] * 2, np.float32)
    return Detections(
        prediction.xyxy * scale,
        prediction.confidence,
        prediction.class_id,
        prediction.tracker_id,
        prediction.mask,
    )
