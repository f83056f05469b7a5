"""Runs a model over all streams, in one thread or several: at most one frame of each ready stream, round robin.

While the model is busy the streams' slots fill, so batches form by themselves: there is no timer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from zlib import crc32

from sightline.core.errors import ModelError, SightlineError
from sightline.core.types import Frame, Result
from sightline.inference.process import Outcome, process
from sightline.inference.static_scene import Stills
from sightline.models.base import Model
from sightline.streams.stream import Stream

log = logging.getLogger(__name__)

STUCK_S = 30.0
"""A model that has not answered for so long counts as dead."""
STARVED_S = 0.5
"""A stream that has waited so long comes before all priorities."""
FAILURES = 5
"""So many frames in a row that fail make the worker unready, until one succeeds."""


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
        self.error: SightlineError | None = None
        """Why the model could not be loaded."""
        self.streams: set[Stream] = set()
        """Whose model it is."""
        self.left_at = time.monotonic()
        """When the last stream left, or none has come yet."""
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
        self._closing: list[Future[None]] = []

    @property
    def model(self) -> Model | None:
        """The model, once it is loaded."""
        return None if self.loaded is None else self.loaded.model

    @property
    def model_name(self) -> str:
        """The model's name; empty until it is loaded."""
        return "" if self.model is None else self.model.card.name

    @property
    def failure(self) -> str | None:
        """Why the model could not be loaded, in words."""
        return None if self.error is None else self.error.message

    @property
    def stuck(self) -> bool:
        """True if the model counts as dead."""
        since = time.monotonic() - STUCK_S
        return any(i.busy_since is not None and i.busy_since < since for i in self._instances)

    @property
    def unready(self) -> str | None:
        """Why no results come, or None while all is well."""
        if self.error is not None:
            return f"the model failed to load: {self.failure}"
        if self.model is None:
            return "the model is loading"
        if self.stuck:
            return f"the model has not answered for {STUCK_S:.0f} s"
        if self._failures >= FAILURES:
            return f"the model failed on the last {self._failures} frames: {self._last_failure}"
        return None

    def join(self, stream: Stream, since: float | None = None) -> None:
        """A stream has this model from now on. ``since``: when its waiting frame came, where one waits."""
        self.streams.add(stream)
        if stream.slot is not None:
            self.wake(stream, since)

    def leave(self, stream: Stream) -> float | None:
        """A stream has this model no longer. Returns when the frame came that it has waiting, None where none has."""
        self.streams.discard(stream)
        self.left_at = time.monotonic()
        self.forget(stream.name)
        return self._ready.pop(stream, None)

    def wake(self, stream: Stream, since: float | None = None) -> None:
        """A stream's empty slot was filled."""
        self._ready[stream] = since or time.monotonic()
        self._wake.set()

    def forget(self, name: str) -> None:
        """A stream's publisher left: the model drops what it remembers of it before its next frame."""
        for instance in self._instances:
            instance.gone.add(name)
        self._wake.set()

    async def run(self) -> None:
        """Load the model, then work until cancelled."""
        try:
            await self.load()
            if self.error is None:
                await self.serve()
        finally:
            self.close()

    async def load(self) -> None:
        """Load the model; ``error`` says where that failed. Must be followed by ``close``, whatever happens."""
        loop = asyncio.get_running_loop()
        try:
            for instance in self._instances:  # one after the other: loading takes all cores anyway
                instance.loaded = await loop.run_in_executor(instance.thread, self._load)
        except SightlineError as e:
            self.error = e
        except Exception as e:  # noqa: BLE001 - the server says why, whatever an engine raised
            self.error = ModelError(f"{type(e).__name__}: {e}")
        else:
            self.loaded = self._instances[0].loaded
        finally:
            self.settled.set()

    def fail(self, error: SightlineError) -> None:
        """There will be no model."""
        self.error = error
        self.settled.set()

    async def serve(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for instance in self._instances:
                tasks.create_task(self._serve(instance))

    def close(self) -> None:
        """Give back what waits, and, in its own time, the model's memory."""
        self._give_back_slots()
        self._stills = None
        for instance in self._instances:
            if instance.loaded is not None:
                self._closing.append(instance.thread.submit(instance.loaded.model.close))
                instance.loaded = None
            instance.thread.shutdown(wait=False)

    async def gone(self) -> None:
        """Wait, after ``close``, until the model is closed, and let go of it."""
        await asyncio.gather(*map(asyncio.wrap_future, self._closing))
        self.loaded = None
        for instance in self._instances:  # a thread holds what it has done last until it ends
            await asyncio.to_thread(instance.thread.shutdown)

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
            work = partial(
                process,
                model,
                [frame for _, frame in batch],
                [stream.asked for stream, _ in batch],
                gone=gone,
                stills=self._stills,
            )
            begun = instance.busy_since = time.monotonic()
            try:
                outcomes = await loop.run_in_executor(instance.thread, work)
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
