"""From frames to results: decode, predict, make the result. Runs off the loop; a frame that fails fails alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence, Set

from sightline.core.errors import FAULTS, SightlineError, told
from sightline.core.predictions import Prediction
from sightline.core.types import Image
from sightline.inference.place import Failure, Outcome, Request
from sightline.inference.result import make_result, reuse_result
from sightline.inference.static_scene import StaticScenes
from sightline.media import codecs
from sightline.models.base import Model

log = logging.getLogger(__name__)


def process(
    model: Model, requests: Sequence[Request], *, gone: Set[str] = frozenset(), scenes: StaticScenes | None = None
) -> list[Outcome]:
    """One outcome for each request, in their order.

    ``gone``: streams that the model forgets before. With ``scenes``, a frame that looks like the last one of its
    stream that was inferred gets that one's result.
    """
    for name in gone:
        _forget(model, name)
        if scenes is not None:
            scenes.forget(name)
    if model.remembers:
        scenes = None
    started = time.monotonic()
    outcomes: dict[Request, Outcome] = {}
    images: dict[Request, Image] = {}
    decode_ms: dict[Request, float] = {}
    for request in requests:
        begun = time.perf_counter()
        try:
            earlier = None if scenes is None else scenes.reuse(request.frame, (model.card, request.asked))
            if earlier is not None:
                outcomes[request] = reuse_result(request.frame, earlier, request.pipeline, started=started, begun=begun)
                continue
            images[request] = codecs.decode(request.frame.image, at_least=model.wanted_side)
        except FAULTS as e:
            outcomes[request] = Failure(request.frame, told(e))
        decode_ms[request] = (time.perf_counter() - begun) * 1000
    stages: dict[str, float] = {}
    for request, said in _predict(model, images, stages).items():
        if isinstance(said, str):
            outcomes[request] = Failure(request.frame, said)
            continue
        frame = request.frame
        times = {"queue": (started - frame.received_at) * 1000, "decode": decode_ms[request]}
        times |= {name: ms / len(images) for name, ms in stages.items()}
        try:
            outcomes[request] = result = make_result(
                frame,
                said.scaled(frame.size[0] / images[request].shape[1], frame.size[1] / images[request].shape[0]),
                model.card,
                request.pipeline,
                stages=times,
                shown=request.asked.shown,
                started=started,
            )
        except FAULTS as e:  # what the model gave is no prediction
            log.exception("model %s: its prediction can't be used", model.card.name)
            outcomes[request] = Failure(frame, told(e))
            continue
        if scenes is not None:
            scenes.remember(result, (model.card, request.asked))
    return [outcomes[request] for request in requests]


def _forget(model: Model, stream: str) -> None:
    try:
        model.forget(stream)
    except FAULTS:
        log.exception("model %s could not forget stream %s", model.card.name, stream)


def _predict(
    model: Model, images: Mapping[Request, Image], stages: dict[str, float]
) -> dict[Request, Prediction | str]:
    """Predictions, or why there is none. A batch that fails is tried again one by one."""
    if not images:
        return {}
    try:
        found = model.predict(
            list(images.values()),
            options=[request.asked.options for request in images],
            streams=[request.frame.stream for request in images],
            stages=stages,
        )
        return dict(zip(images, found, strict=True))
    except FAULTS as e:
        if len(images) == 1:
            if not isinstance(e, SightlineError):
                log.exception("model %s failed", model.card.name)
            return dict.fromkeys(images, f"{type(e).__name__}: {e}"[:300])
    alone: dict[Request, Prediction | str] = {}
    for request, image in images.items():
        alone |= _predict(model, {request: image}, stages)
    return alone
