"""From pictures to predictions: decode, compare with the last picture, predict. Runs where the model is, off the loop.

Knows nothing of streams, stages or results: what it takes and gives can cross to another process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

from sightline.core.errors import FAULTS, SightlineError, told
from sightline.core.predictions import Prediction
from sightline.core.types import Frame, Image
from sightline.inference.static_scene import StaticScenes
from sightline.media import codecs
from sightline.models.base import Model, Options

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """One picture that a model is asked about."""

    frame: Frame
    options: Options
    last: float | None = None
    """``received_at`` of the stream's last frame that was inferred, if its result may be used again."""


@dataclass(frozen=True, slots=True, eq=False)
class Inferred:
    """A prediction, in pixels of the frame."""

    prediction: Prediction
    stages: dict[str, float]
    """Milliseconds of queue, decode, preprocess, infer and postprocess."""
    started: float
    """``time.monotonic()`` when its batch began."""


@dataclass(frozen=True, slots=True)
class Same:
    """A frame that looks like the last one that was inferred."""

    started: float
    took_ms: float
    """Milliseconds that the comparison took."""


@dataclass(frozen=True, slots=True)
class NotInferred:
    """No prediction, and why, in words for a peer."""

    message: str


Answer: TypeAlias = Inferred | Same | NotInferred


def infer(
    model: Model, asks: Sequence[Ask], scenes: StaticScenes | None, *, gone: Set[str] = frozenset()
) -> list[Answer]:
    """One answer for each picture, in their order. A picture that fails fails alone.

    ``scenes``: what the streams looked like of late; None to infer every picture. ``gone``: streams that the model
    forgets before.
    """
    for name in gone:
        if scenes is not None:
            scenes.forget(name)
        _forget(model, name)
    if model.remembers:
        scenes = None
    started = time.monotonic()
    answers: dict[Ask, Answer] = {}
    images: dict[Ask, Image] = {}
    decode_ms: dict[Ask, float] = {}
    for ask in asks:
        begun = time.perf_counter()
        try:
            if scenes is not None and scenes.same(ask.frame, ask.last):
                answers[ask] = Same(started, (time.perf_counter() - begun) * 1000)
                continue
            images[ask] = codecs.decode(ask.frame.image, at_least=model.wanted_side)
        except FAULTS as e:
            answers[ask] = NotInferred(told(e))
        decode_ms[ask] = (time.perf_counter() - begun) * 1000
    stages: dict[str, float] = {}
    for ask, said in _predict(model, images, stages).items():
        if isinstance(said, NotInferred):
            answers[ask] = said
            continue
        times = {"queue": (started - ask.frame.received_at) * 1000, "decode": decode_ms[ask]}
        times |= {name: ms / len(images) for name, ms in stages.items()}
        answers[ask] = _placed(model, ask.frame, images[ask], said, times, started)
    return [answers[ask] for ask in asks]


def _placed(
    model: Model, frame: Frame, image: Image, said: Prediction, stages: dict[str, float], started: float
) -> Answer:
    """Put a prediction into pixels of its frame; what is no prediction fails here."""
    across, down = frame.size[0] / image.shape[1], frame.size[1] / image.shape[0]
    try:
        return Inferred(said.scaled(across, down), stages, started)
    except FAULTS as e:
        log.exception("model %s: its prediction can't be used", model.card.name)
        return NotInferred(told(e))


def _forget(model: Model, stream: str) -> None:
    try:
        model.forget(stream)
    except FAULTS:
        log.exception("model %s could not forget stream %s", model.card.name, stream)


def _predict(model: Model, images: dict[Ask, Image], stages: dict[str, float]) -> dict[Ask, Prediction | NotInferred]:
    """Predictions, or why there is none. A batch that fails is tried again one by one."""
    if not images:
        return {}
    try:
        found = model.predict(
            list(images.values()),
            options=[ask.options for ask in images],
            streams=[ask.frame.stream for ask in images],
            stages=stages,
        )
        return dict(zip(images, found, strict=True))
    except FAULTS as e:
        if len(images) == 1:
            if not isinstance(e, SightlineError):
                log.exception("model %s failed", model.card.name)
            return dict.fromkeys(images, NotInferred(f"{type(e).__name__}: {e}"[:300]))
    alone: dict[Ask, Prediction | NotInferred] = {}
    for ask, image in images.items():
        alone |= _predict(model, {ask: image}, stages)
    return alone
