"""All models of a server: one instance for each choice, shared by all streams that have made it.

Models load side by side, and none of them on the event loop, so streams are served on meanwhile. What no stream uses
is released after a grace time, sooner where memory is short.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

import psutil

from sightline.core import allocator
from sightline.core.errors import FAULTS, ConfigError, LimitReached, ModelError, SightlineError, cancelled, told
from sightline.inference.instance import Instance
from sightline.inference.key import ModelKey
from sightline.inference.place import Place
from sightline.inference.places.messages import LoadRequest
from sightline.inference.places.process import ProcessPlace
from sightline.inference.places.ray import RayPlace
from sightline.inference.places.ray_link import RayLink
from sightline.inference.places.ray_messages import Needs
from sightline.inference.places.thread import ThreadPlace
from sightline.inference.plan import instances, memory, place_of, plan
from sightline.inference.replicas import Scale
from sightline.inference.static_scene import LastResults
from sightline.inference.worker import ModelWorker
from sightline.models.base import Model
from sightline.settings.settings import Settings
from sightline.zoo.catalogue import find

log = logging.getLogger(__name__)

TIDY_S = 0.25
"""Interval between checks for idle models."""
FEWER_S = 30.0
"""Time that fewer instances have to be enough before there are fewer."""
AGAIN_S = 60.0
"""Time after which instances that could not be loaded are tried again."""
END_S = 2.0
"""Time that models have to end with the server."""
OF_FILE = 2
"""Memory that a model takes, in sizes of its file, before it was ever measured."""
MB = 1 << 20


LoadByKey: TypeAlias = Callable[[ModelKey], Model]
"""Loads and warms the model of a key. Runs off the event loop; raises SightlineError."""


@dataclass(slots=True, eq=False)
class Pooled:
    """A model that is loaded or being loaded."""

    key: ModelKey
    worker: ModelWorker
    places: Callable[[int], list[Place]]
    """Makes places for so many instances of it."""
    scale: Scale | None = None
    """How many replicas it has, where it runs in a cluster."""
    pins: int = 0
    """Number of switches that wait for it."""
    kept: bool = False
    """True if the operator wants it to stay."""
    bytes: int = 0
    """Memory that it takes; before it is loaded, an estimate."""
    task: asyncio.Task[None] | None = field(default=None, repr=False)
    resizing: asyncio.Task[None] | None = field(default=None, repr=False)
    fewer_since: float | None = None
    """Since when fewer instances would do."""

    @property
    def waits(self) -> bool:
        """True if loading it is tried until that succeeds."""
        return self.scale is not None and self.kept

    @property
    def idle(self) -> bool:
        """True if nobody uses it."""
        return not (self.kept or self.pins or self.worker.feeds)


class ModelPool:
    """All models that are loaded or being loaded. Used on the event loop only."""

    def __init__(self, settings: Settings, own: ModelKey, load: LoadByKey | None = None) -> None:
        """``own``: the server's own model, which stays as every stream begins with it. ``load`` replaces the loading
        of models, which then run in threads."""
        self._settings = settings
        self._load = load
        self._tasks: asyncio.TaskGroup | None = None
        self._took: dict[ModelKey, int] = {}
        """Bytes that models took when they were loaded."""
        self.link = RayLink(settings)
        """This server's part in a Ray cluster."""
        allocator.keep()
        self.budget = memory(settings)
        self.own = self._made(own, kept=True)
        self.models = [self.own]

    async def run(self) -> None:
        """Load and serve the server's own model, and look after all others, until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._start(self.own)
                while True:
                    await asyncio.sleep(TIDY_S)
                    try:
                        self._tidy()
                        for one in self.models:
                            self._fit(one)
                    except Exception:  # to end this task would end all models
                        log.exception("models can't be looked after")
        finally:
            self._tasks = None
            ends = [asyncio.ensure_future(one.worker.gone()) for one in self.models]
            await asyncio.wait(ends, timeout=END_S)  # not for ever: a thread can't be ended
            await self.link.close()

    def of(self, worker: ModelWorker) -> Pooled:
        """Return the entry of a worker's model."""
        return next((one for one in self.models if one.worker is worker), self.own)

    def find(self, key: ModelKey) -> Pooled | None:
        """Return the model of a key if it is loaded or being loaded."""
        return next((one for one in self.models if self.fits(one, key)), None)

    def fits(self, one: Pooled, key: ModelKey) -> bool:
        """Return whether a model is what a key means, also where the key puts it in other words."""
        if one.key == key:
            return True
        model = one.worker.model
        if model is None or one.key.name != key.name:
            return False
        if model.engine is not None and key.engine not in (one.key.engine, model.engine.name):
            return False
        own = model.input_size if one.key.imgsz is None else (one.key.imgsz, one.key.imgsz)
        return key.imgsz == one.key.imgsz or (key.imgsz is not None and own == (key.imgsz, key.imgsz))

    def keep(self, key: ModelKey) -> None:
        """Load a model now and keep it, as the operator wants it."""
        one = self.find(key)
        if one is None:
            one = self._made(key)
            self.models.append(one)
            self._start(one)
        one.kept = True

    @asynccontextmanager
    async def holding(self, key: ModelKey, given_up: asyncio.Event) -> AsyncGenerator[Pooled]:
        """The model of this choice, ready; while it is held it is not released.

        Raises what its loading raised, LimitReached where there is no memory for it, or, once ``given_up`` is set,
        nothing: what is given may then not be ready.
        """
        one = self.find(key)
        if one is None:
            one = self._made(key)
            self.models.append(one)
            self._start(one)
        one.pins += 1
        try:
            waits = [asyncio.ensure_future(event.wait()) for event in (one.worker.settled, given_up)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            if one.worker.error is not None:
                raise one.worker.error
            yield one
        finally:
            one.pins -= 1
            if one.idle and not one.worker.settled.is_set():
                self._release(one, "nobody waits for it any more")

    def forget(self, name: str) -> None:
        """Release what nobody uses of a model whose file is gone: it must not be taken for another one of its name."""
        for one in [one for one in self.models if one.key.name == name and one.idle]:
            self._release(one, "it was removed")
        self._took = {key: took for key, took in self._took.items() if key.name != name}

    def busy_s(self) -> dict[ModelWorker, float]:
        """Return the seconds that each model has worked so far."""
        return {one.worker: one.worker.work.seconds for one in self.models}

    def memory(self) -> int:
        """Return the bytes that all models take, as far as measured."""
        return sum(one.bytes for one in self.models)

    # One model's life

    def _made(self, key: ModelKey, *, kept: bool = False) -> Pooled:
        places = partial(self._places, key)
        count, scale = self._settings.workers or 1, None
        if self._load is None and place_of(self._settings, key) == "ray":
            scale = Scale(self._settings)
            count = max(1, scale.least)
        return Pooled(key, ModelWorker(places(count)), places, scale=scale, kept=kept)

    def _places(self, key: ModelKey, count: int) -> list[Place]:
        """Places for so many instances of a model, not loaded yet."""
        return [self._place(key, count, f"model-{number}") for number in range(count)]

    def _place(self, key: ModelKey, count: int, name: str) -> Place:
        settings = self._settings
        last = LastResults() if settings.static_skip else None
        if self._load is not None:
            return ThreadPlace(partial(self._load, key), last, name=name)
        planned = plan(settings, key, count)
        place = place_of(settings, key)
        if place == "thread":
            return ThreadPlace(planned.load, last, name=name)
        level = logging.getLogger().getEffectiveLevel()
        first = LoadRequest(
            planned.spec, planned.name, planned.options, last is not None, planned.memory_bytes, log_level=level
        )
        if place == "ray":
            needs = Needs(settings.cluster.cpus, settings.cluster.gpus, settings.cluster.labels)
            return RayPlace(first, last, link=self.link, needs=needs, load_s=settings.load_timeout, name=name)
        return ProcessPlace(first, last, load_s=settings.load_timeout, name=name)

    def _start(self, one: Pooled) -> None:
        if self._tasks is None:
            raise LimitReached("the server is not running: expected nobody to ask for a model")
        one.task = self._tasks.create_task(self._live(one))

    async def _live(self, one: Pooled) -> None:
        worker = one.worker
        try:
            await self._enter(one)
            if worker.error is None:
                await worker.serve()
        except FAULTS as e:
            if cancelled(e):
                raise
            log.exception("model %s ended", one.key)
            worker.fail(ModelError(f"it ended: {told(e)}"))
        finally:
            worker.close()
        if one is not self.own and one in self.models:
            self.models.remove(one)
        await worker.gone()

    async def _enter(self, one: Pooled) -> None:
        try:
            one.bytes = self._make_room(one.key)
        except SightlineError as e:
            one.worker.fail(e)
            return
        before = _rss()
        await one.worker.load()
        while one.scale is not None and one.waits and one.worker.error is not None:  # machines start in any order
            log.warning("model %s could not be loaded, and is tried again: %s", one.key, one.worker.error.message)
            await one.scale.until_again(lambda: self.link.machines)
            await one.worker.load()
        if one.worker.error is not None:
            log.warning("model %s could not be loaded: %s", one.key, one.worker.error.message)
            return
        model = one.worker.model
        size = 0 if model is None else model.card.size_bytes
        one.bytes = self._took[one.key] = one.worker.own_bytes or max(_rss() - before, size)

    def _fit(self, one: Pooled) -> None:
        """Have as many instances of a model as its streams need: more at once, fewer after a while."""
        worker, now = one.worker, time.monotonic()
        if self._load is not None or worker.model is None or self._tasks is None:
            return
        if one.resizing is not None and not one.resizing.done():
            return
        if one.scale is not None:
            keep, more = one.scale.wanted(worker, self.link.machines)
            if more or len(keep) < worker.instances:
                one.resizing = self._tasks.create_task(self._resize(one, more, keep))
            return
        used = worker.own_bytes or one.bytes
        room = self.budget - self.memory() + used
        wanted = instances(self._settings, worker.model, worker.streams(), used // worker.instances, room)
        if wanted >= worker.instances:
            one.fewer_since = None
        elif one.fewer_since is None:
            one.fewer_since = now
        if wanted > worker.instances or (one.fewer_since is not None and now - one.fewer_since > FEWER_S):
            one.fewer_since = None
            one.resizing = self._tasks.create_task(self._resize(one, wanted))

    async def _resize(self, one: Pooled, count: int, keep: Sequence[Instance] = ()) -> None:
        """Have so many new instances besides those that are kept."""
        scale = one.scale
        try:
            with nullcontext() if scale is None else scale.starting(count):
                await one.worker.resize(one.places(count), keep)
        except FAULTS as e:
            if cancelled(e):
                raise
            log.warning("model %s: %d instances can't be loaded: %s", one.key, count, told(e))
            await (asyncio.sleep(AGAIN_S) if scale is None else scale.until_again(lambda: self.link.machines))
            return
        one.bytes = one.worker.own_bytes or one.bytes
        now = one.worker.instances
        log.info("model %s has %d instance%s now", one.key, now, "s" * (now != 1))

    # Memory

    def _make_room(self, key: ModelKey) -> int:
        """Release what nobody uses, if memory is short; raise LimitReached where that is not enough.

        Returns the bytes that the model is expected to take.
        """
        needs = self._took.get(key) or OF_FILE * _file_size(key.spec, self._settings.cache)
        if key == self.own.key:
            return needs
        self._tidy(needs)
        used = self.memory()
        if used + needs > self.budget:
            raise LimitReached(
                f"model {key} needs about {needs / MB:.0f} MB and those in use take {used / MB:.0f}: "
                f"expected no more than {self.budget / MB:.0f} together (setting model_memory_mb)"
            )
        return needs

    def _tidy(self, needs: int = 0) -> None:
        """Release what nobody has used for long, and where memory is short what nobody uses, oldest first."""
        now = time.monotonic()
        for one in sorted((m for m in self.models if m.idle), key=lambda m: m.worker.left_at):
            short = self.memory() + needs > self.budget
            if short or now - one.worker.left_at >= self._settings.model_grace:
                self._release(one, "memory is short" if short else "nobody uses it")

    def _release(self, one: Pooled, why: str) -> None:
        if one.task is None or self._tasks is None:
            return
        log.info("model %s is released: %s", one.key, why)
        self.models.remove(one)
        if one.resizing is not None:
            one.resizing.cancel()
        one.task.cancel()
        self._tasks.create_task(self._forget(one))

    async def _forget(self, one: Pooled) -> None:
        if one.task is not None:
            await asyncio.wait([one.task])
        await one.worker.gone()
        await asyncio.to_thread(allocator.trim)
        one.task = None


def _rss() -> int:
    return int(psutil.Process().memory_info().rss)


def _file_size(spec: str, cache: Path | None) -> int:
    """Return the bytes of the file that a spec stands for; 0 where there is none."""
    try:
        found = find(spec, cache=cache)
    except ConfigError:
        return 0
    path = found.graph or found.tensors
    return 0 if path is None else path.stat().st_size
