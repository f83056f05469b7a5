"""From pictures to predictions: decode, compare with the last picture, predict. Runs where the model is, off the loop.

Knows nothing of streams, stages or results: what it takes and gives can cross to another process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import NamedTuple, TypeAlias

from sightline.core.errors import FAULTS, SightlineError, told
from sightline.core.predictions import Prediction
from sightline.core.types import Frame, Image
from sightline.engines.base import cores
from sightline.inference.static_scene import StaticScenes
from sightline.media import codecs
from sightline.models.base import Model, Options

log = logging.getLogger(__name__)

WORTH_A_THREAD = 1 << 17
"""Pixels of a batch above which its pictures are decoded by several threads; fewer take as long as the hand-over."""


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
    started = time.monotonic()
    looked = _look_at_all(model, asks, None if model.remembers else scenes, started)
    answers = {ask: seen for ask, seen in looked.items() if not isinstance(seen, _Picture)}
    pictures = {ask: seen for ask, seen in looked.items() if isinstance(seen, _Picture)}
    waiting = iter(pictures)
    while batch := list(islice(waiting, model.max_batch)):
        stages: dict[str, float] = {}
        for ask, said in _predict(model, {ask: pictures[ask].image for ask in batch}, stages).items():
            if isinstance(said, NotInferred):
                answers[ask] = said
                continue
            picture = pictures[ask]
            times = {"queue": (started - ask.frame.received_at) * 1000, "decode": picture.decode_ms}
            times |= {name: ms / len(batch) for name, ms in stages.items()}
            answers[ask] = _placed(model, ask.frame, picture.image, said, times, started)
    return [answers[ask] for ask in asks]


class _Picture(NamedTuple):
    """A picture that has to be inferred."""

    image: Image
    decode_ms: float


def _look_at_all(
    model: Model, asks: Sequence[Ask], scenes: StaticScenes | None, started: float
) -> dict[Ask, Answer | _Picture]:
    """Decode the pictures, on several cores where they are many: each of them takes one for about a millisecond."""
    look = partial(_look_at, model, scenes=scenes, started=started)
    large = sum(ask.frame.size[0] * ask.frame.size[1] for ask in asks) > WORTH_A_THREAD
    shares = min(_cores(), len(asks)) if large else 1
    others = [(asks[n::shares], _decoders().submit(list, map(look, asks[n::shares]))) for n in range(1, shares)]
    looked = dict(zip(asks[::shares], map(look, asks[::shares]), strict=True))
    for share, seen in others:
        looked |= zip(share, seen.result(), strict=True)
    return looked


def _look_at(model: Model, ask: Ask, *, scenes: StaticScenes | None, started: float) -> Answer | _Picture:
    """Decode a picture, unless it looks like the one before or can't be decoded."""
    begun = time.perf_counter()
    try:
        if scenes is not None and scenes.same(ask.frame, ask.last):
            return Same(started, (time.perf_counter() - begun) * 1000)
        image = codecs.decode(ask.frame.image, at_least=model.wanted_side)
    except FAULTS as e:
        return NotInferred(told(e))
    return _Picture(image, (time.perf_counter() - begun) * 1000)


@cache
def _decoders() -> ThreadPoolExecutor:
    """Threads that decode beside the one that asks."""
    return ThreadPoolExecutor(max(1, _cores() - 1), thread_name_prefix="decode")


_cores = cache(cores)


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
