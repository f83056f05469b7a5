"""From pictures to predictions: decode, compare with the last picture, predict. Runs where the model is, off the loop.

Knows nothing of streams, stages or results: what it takes and gives can cross to another process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import NamedTuple, TypeAlias, cast

from msgspec import Struct

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


class Ask(Struct, frozen=True, eq=False):
    """One picture that a model is asked about."""

    frame: Frame
    options: Options
    last: float | None = None
    """``received_at`` of the stream's last frame that was inferred, if its result may be used again."""


class Inferred(Struct, frozen=True, eq=False):
    """A prediction, in pixels of the frame."""

    prediction: Prediction
    stages: dict[str, float]
    """Milliseconds of queue, decode, preprocess, infer and postprocess."""
    started: float
    """``time.monotonic()`` when its batch began."""


class Same(Struct, frozen=True):
    """A frame that looks like the last one that was inferred."""

    started: float
    took_ms: float
    """Milliseconds that the comparison took."""


class NotInferred(Struct, frozen=True):
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
    seen = _look_at_all(model, asks, None if model.remembers else scenes, started)
    waiting = [(n, asks[n], one) for n, one in enumerate(seen) if isinstance(one, _Picture)]
    for first in range(0, len(waiting), model.max_batch):
        batch = waiting[first : first + model.max_batch]
        stages: dict[str, float] = {}
        predictions = _predict(model, [(ask, picture.image) for _, ask, picture in batch], stages)
        shares = {name: ms / len(batch) for name, ms in stages.items()}
        for (n, ask, picture), said in zip(batch, predictions, strict=True):
            seen[n] = _placed(model, ask.frame, picture, said, shares, started)
    return cast("list[Answer]", seen)


class _Picture(NamedTuple):
    """A picture that has to be inferred."""

    image: Image
    decode_ms: float


def _look_at_all(
    model: Model, asks: Sequence[Ask], scenes: StaticScenes | None, started: float
) -> list[Answer | _Picture]:
    """Decode the pictures, on several cores where they are many: each of them takes one for about a millisecond."""
    look = partial(_look_at, model, scenes=scenes, started=started)
    large = sum(ask.frame.size[0] * ask.frame.size[1] for ask in asks) > WORTH_A_THREAD
    shares = min(_cores(), len(asks)) if large else 1
    others = [_decoders().submit(list, map(look, asks[n::shares])) for n in range(1, shares)]
    parts = [list(map(look, asks[::shares])), *(other.result() for other in others)]
    return [parts[n % shares][n // shares] for n in range(len(asks))]


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
    model: Model,
    frame: Frame,
    picture: _Picture,
    said: Prediction | NotInferred,
    stages: dict[str, float],
    started: float,
) -> Answer:
    """Put a prediction into pixels of its frame; what is no prediction fails here."""
    if isinstance(said, NotInferred):
        return said
    (width, height), (rows, columns) = frame.size, picture.image.shape[:2]
    times = {"queue": (started - frame.received_at) * 1000, "decode": picture.decode_ms, **stages}
    try:
        return Inferred(said.scaled(width / columns, height / rows), times, started)
    except FAULTS as e:
        log.exception("model %s: its prediction can't be used", model.card.name)
        return NotInferred(told(e))


def _forget(model: Model, stream: str) -> None:
    try:
        model.forget(stream)
    except FAULTS:
        log.exception("model %s could not forget stream %s", model.card.name, stream)


def _predict(model: Model, images: list[tuple[Ask, Image]], stages: dict[str, float]) -> list[Prediction | NotInferred]:
    """Predictions, or why there is none, for at least one picture. A batch that fails is tried again one by one."""
    try:
        found = model.predict(
            [image for _, image in images],
            options=[ask.options for ask, _ in images],
            streams=[ask.frame.stream for ask, _ in images],
            stages=stages,
        )
        return [said for said, _ in zip(found, images, strict=True)]
    except FAULTS as e:
        if len(images) == 1:
            if not isinstance(e, SightlineError):
                log.exception("model %s failed", model.card.name)
            return [NotInferred(f"{type(e).__name__}: {e}"[:300])]
    return [said for one in images for said in _predict(model, [one], stages)]
