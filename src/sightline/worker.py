"""Runs a model over all streams, in one thread or several: at most one frame of each ready stream, round robin.

While the model is busy the streams' slots fill, so batches form by themselves: there is no timer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias
from zlib import crc32

import numpy as np

from sightline import codecs
from sightline.describe import describe
from sightline.errors import SightlineError
from sightline.models.base import Model
from sightline.still import Stills, as_of
from sightline.stream import Stream
from sightline.types import Detections, Frame, Image, Prediction, Result

log = logging.getLogger(__name__)

STUCK_S = 30.0
"""A model that has not answered for so long counts as dead."""
STARVED_S = 0.5
"""A stream that has waited so long comes before all priorities."""
FAILURES = 5
"""So many frames in a row that fail make the worker unready, until one succeeds."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A frame that could not be processed, and why, in words for a peer."""

    frame: Frame
    message: str


Outcome: TypeAlias = Result | Failure


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to run, and what was found out while it was loaded."""

    model: Model
    engine_reason: str
    """Why this engine runs it."""
    gpu_available: bool


class _Instance:
    """One copy of the model with a thread of its own."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=f"model-{number}")
        self.loaded: Loaded | None = None
        self.busy_since: float | None = None
        self.gone: set[str] = set()


class ModelWorker:
    """Loads a model off the serving path, then processes what the streams have ready.

    All instances take from one set of ready streams. A stream is with at most one of them at a time, so its results
    come in order; where a model remembers, it is always the same one.
    """

    def __init__(self, load: Callable[[], Loaded], *, static_skip: bool = True, instances: int = 1) -> None:
        """``static_skip``: a frame in which nothing moved gets the last result without inference."""
        self.loaded: Loaded | None = None
        self.failure: str | None = None
        """Why the model could not be loaded."""
        self.settled = asyncio.Event()
        """Set once loading has ended, well or not."""
        self._load = load
        self._ready: dict[Stream, float] = {}
        """With the time since which each waits, oldest first."""
        self._in_work: set[Stream] = set()
        self._wake = asyncio.Event()
        self._instances = [_Instance(number) for number in range(instances)]
        self.busy_s = 0.0
        """Seconds that the model has worked, all told; with several instances, their mean."""
        self._failures = 0
        self._last_failure = ""
        self._stills = Stills() if static_skip else None

    @property
    def model(self) -> Model | None:
        """The model, once it is loaded."""
        return None if self.loaded is None else self.loaded.model

    @property
    def model_name(self) -> str:
        """The model's name; empty until it is loaded."""
        return "" if self.model is None else self.model.card.name

    @property
    def unready(self) -> str | None:
        """Why no results come, or None while all is well."""
        if self.failure is not None:
            return f"the model failed to load: {self.failure}"
        if self.model is None:
            return "the model is loading"
        stuck = time.monotonic() - STUCK_S
        if any(i.busy_since is not None and i.busy_since < stuck for i in self._instances):
            return f"the model has not answered for {STUCK_S:.0f} s"
        if self._failures >= FAILURES:
            return f"the model failed on the last {self._failures} frames: {self._last_failure}"
        return None

    def wake(self, stream: Stream) -> None:
        """A stream's empty slot was filled."""
        self._ready[stream] = time.monotonic()
        self._wake.set()

    def forget(self, name: str) -> None:
        """A stream's publisher left: the model drops what it remembers of it before its next frame."""
        for instance in self._instances:
            instance.gone.add(name)
        self._wake.set()

    async def run(self) -> None:
        """Load the model, then work until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            try:
                for instance in self._instances:  # one after the other: loading takes all cores anyway
                    instance.loaded = await loop.run_in_executor(instance.thread, self._load)
            except Exception as e:  # noqa: BLE001 - the server says why, whatever an engine raised
                self.failure = e.message if isinstance(e, SightlineError) else f"{type(e).__name__}: {e}"
                return
            finally:
                if self.failure is None:
                    self.loaded = self._instances[0].loaded
                self.settled.set()
            async with asyncio.TaskGroup() as tasks:
                for instance in self._instances:
                    tasks.create_task(self._serve(instance))
        finally:
            self._give_back_slots()
            for instance in self._instances:
                if instance.loaded is not None:
                    instance.thread.submit(instance.loaded.model.close)
                instance.thread.shutdown(wait=False)

    async def _serve(self, instance: _Instance) -> None:
        assert instance.loaded is not None
        model = instance.loaded.model
        loop = asyncio.get_running_loop()
        while True:
            gone, instance.gone = instance.gone, set()
            batch = self._collect(instance, model)
            if not batch and not gone:
                self._wake.clear()
                await self._wake.wait()
                continue
            frames = [frame for _, frame in batch]
            begun = instance.busy_since = time.monotonic()
            try:
                outcomes = await loop.run_in_executor(instance.thread, process, model, frames, gone, self._stills)
            except asyncio.CancelledError:
                for stream, frame in batch:
                    stream.give_back(frame)
                raise
            finally:
                self.busy_s += (time.monotonic() - begun) / len(self._instances)
                instance.busy_since = None
                self._in_work.difference_update(stream for stream, _ in batch)
            for (stream, _), outcome in zip(batch, outcomes, strict=True):
                self._settle(stream, outcome)

    def _collect(self, instance: _Instance, model: Model) -> list[tuple[Stream, Frame]]:
        batch: list[tuple[Stream, Frame]] = []
        while len(batch) < model.max_batch and (stream := self._next(instance, model)) is not None:
            del self._ready[stream]
            frame = stream.take()
            if frame is not None:  # None: the publisher left with its frame
                self._in_work.add(stream)
                batch.append((stream, frame))
        return batch

    def _next(self, instance: _Instance, model: Model) -> Stream | None:
        """Of the streams of the highest priority the one that waits longest; but nobody waits for ever."""
        mine = [s for s in self._ready if s not in self._in_work and self._may_take(instance, model, s)]
        if not mine:
            return None
        if time.monotonic() - self._ready[mine[0]] > STARVED_S:
            return mine[0]
        return max(mine, key=lambda stream: stream.priority)

    def _may_take(self, instance: _Instance, model: Model, stream: Stream) -> bool:
        """A model that remembers must see all of a stream."""
        return not model.remembers or crc32(stream.name.encode()) % len(self._instances) == instance.number

    def _settle(self, stream: Stream, outcome: Outcome) -> None:
        if isinstance(outcome, Result):
            self._failures = 0
            stream.deliver(outcome)
            return
        self._failures += 1
        self._last_failure = outcome.message
        if self._failures in (1, FAILURES):
            log.warning("stream %s: frame %d failed: %s", stream.name, outcome.frame.seq, outcome.message)
        stream.fail(outcome.frame, outcome.message)

    def _give_back_slots(self) -> None:
        for stream in self._ready:
            frame = stream.take()
            if frame is not None:
                stream.give_back(frame)
        self._ready.clear()


def process(
    model: Model, frames: list[Frame], gone: Set[str] = frozenset(), stills: Stills | None = None
) -> list[Outcome]:
    """Decode, predict and describe. Runs in the worker's thread; a frame that fails fails alone.

    With ``stills``, a frame that looks like the last one of its stream that was inferred gets that one's result.
    """
    for name in gone:
        model.forget(name)
        if stills is not None:
            stills.forget(name)
    if model.remembers:
        stills = None
    settings = (model.card, model.options)
    started = time.monotonic()
    images: dict[int, Image] = {}
    outcomes: dict[int, Outcome] = {}
    decode_ms: dict[int, float] = {}
    for i, frame in enumerate(frames):
        at = time.perf_counter()
        try:
            if stills is not None and (found := stills.reuse(frame, settings)) is not None:
                outcomes[i] = _again(frame, found, started, at)
                continue
            images[i] = codecs.decode(frame.image, at_least=model.wanted_side)
        except SightlineError as e:
            outcomes[i] = Failure(frame, e.message)
        decode_ms[i] = (time.perf_counter() - at) * 1000
    stages: dict[str, float] = {}
    predictions = _predict(model, frames, images, stages)
    for i, said in predictions.items():
        if isinstance(said, str):
            outcomes[i] = Failure(frames[i], said)
            continue
        times = {"queue": (started - frames[i].received_at) * 1000, "decode": decode_ms[i]}
        times |= {name: ms / len(images) for name, ms in stages.items()}
        result = outcomes[i] = _result(model, frames[i], images[i], said, started, times)
        if stills is not None:
            stills.remember(result, settings)
    return [outcomes[i] for i in range(len(frames))]


def _again(frame: Frame, found: Result, started: float, at: float) -> Result:
    """An earlier result for this frame. ``at``: ``time.perf_counter()`` when it was begun."""
    took_ms = round((time.perf_counter() - at) * 1000, 3)
    stages = {"queue": round((started - frame.received_at) * 1000, 3), "compare": took_ms}
    return as_of(frame, found, stages, took_ms=took_ms, finished_at=time.monotonic())


def _predict(
    model: Model, frames: list[Frame], images: dict[int, Image], stages: dict[str, float]
) -> dict[int, Prediction | str]:
    """Predictions by index, or why there is none. A batch that fails is tried again one by one."""
    order = list(images)
    if not order:
        return {}
    try:
        found = model.predict([images[i] for i in order], streams=[frames[i].stream for i in order], stages=stages)
        return dict(zip(order, found, strict=True))
    except Exception as e:
        if len(order) == 1:
            if not isinstance(e, SightlineError):
                log.exception("model %s failed", model.card.name)
            return {order[0]: f"{type(e).__name__}: {e}"[:300]}
    alone: dict[int, Prediction | str] = {}
    for i in order:
        alone |= _predict(model, frames, {i: images[i]}, stages)
    return alone


def _result(
    model: Model, frame: Frame, image: Image, prediction: Prediction, started: float, stages: dict[str, float]
) -> Result:
    at = time.perf_counter()
    prediction = _at_full_size(prediction, frame, image)
    detections, segments = describe(prediction, model.card)
    mask = prediction.mask if isinstance(prediction, Detections) else prediction.class_map
    mask_png = None if mask is None else codecs.encode_mask(mask)
    stages["encode"] = (time.perf_counter() - at) * 1000
    finished = time.monotonic()
    return Result(
        frame=frame,
        prediction=prediction,
        card=model.card,
        detections=detections,
        segments=segments,
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
