"""A model in a process of its own: what crashes, hangs or eats all memory there takes that process alone.

The server writes JPEGs straight to a socket and reads answers on its event loop; no thread stands in between. Pixels
go through memory that both see.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from functools import partial

import msgspec

from sightline.core.types import Encoded
from sightline.inference.outcomes import Batch
from sightline.inference.place import ModelFacts, NotBegun, Outcome, Request
from sightline.inference.places.deadline import Deadline
from sightline.inference.places.messages import LoadRequest
from sightline.inference.places.model_process import ModelProcess
from sightline.inference.places.pixels import SharedPixels
from sightline.inference.places.work_thread import WorkThread
from sightline.inference.static_scene import LastResults


class ProcessPlace:
    """Loads and runs a model in a process of its own. After its death ``load`` starts another one."""

    def __init__(self, first: LoadRequest, last: LastResults | None, *, load_s: float, name: str = "model") -> None:
        """``first`` says what is loaded. ``load_s``: seconds that it may take. ``last``: see ThreadPlace."""
        self.dead: str | None = "it is not loaded"
        self.on_death: Callable[[], None] | None = None
        self.own_bytes = 0
        self._first = first
        self._last = last
        self._load_s = load_s
        self._child: ModelProcess | None = None
        self._info: ModelFacts | None = None
        self._deadline = Deadline()
        self._pixels = [SharedPixels.make(), SharedPixels.make()]
        self._unused = [0, 1]
        """Those of them that no batch uses."""
        self._thread = WorkThread(name)
        """Copies pixels in, and makes results where a stage, a mask or many objects take time."""

    @property
    def pid(self) -> int | None:
        """The number of the process; None while there is none."""
        return None if self._child is None or self.dead is not None else self._child.pid

    async def load(self, like: ModelFacts | None = None) -> ModelFacts:
        """Start a process and have it load the model."""
        if like is not None and like.engine is not None:
            options = replace(self._first.options, engine=like.engine.name)
            self._first = msgspec.structs.replace(self._first, options=options)
        begun = time.monotonic()
        if self._child is not None:  # its end must not be taken for that of the next one
            self._child.kill("another process takes over")
            await self._child.gone()
        self._child = ModelProcess(self._died)
        await self._child.start(self._pixels)
        self._info = await self._child.load(self._first, self._load_s)
        self.own_bytes = self._child.peak_bytes
        self._deadline.loaded(time.monotonic() - begun)
        self.dead = None
        return self._info

    async def back(self) -> bool:
        """It never comes back by itself."""
        return False

    async def run(self, requests: Sequence[Request], *, gone: Set[str] = frozenset()) -> list[Outcome]:
        """Have the process answer a batch."""
        if self._child is None or self._info is None or self.dead is not None:
            raise NotBegun(self.dead or "it is not loaded")
        batch = Batch(requests, self._info.card, self._last, gone)
        raw = [ask.frame.image for ask in batch.asks if not isinstance(ask.frame.image, Encoded)]
        pixels = self._unused.pop()
        try:
            offsets = await self._thread.submit(partial(self._pixels[pixels].put, raw)) if raw else []
            answers, took = await self._child.ask(batch.asks, gone, pixels, offsets, self._deadline.may_take)
        finally:
            self._unused.append(pixels)
        self._deadline.learn(took)
        self.own_bytes = self._child.peak_bytes
        return await batch.settled(answers, self._thread)

    def close(self) -> None:
        """End the process at once."""
        self.on_death = None
        if self._child is not None:
            self._child.kill("the model is released")
        self._thread.close()

    async def closed(self) -> None:
        """Wait until the process is gone."""
        if self._child is not None:
            await self._child.gone()
        await self._thread.closed()
        for pixels in self._pixels:
            pixels.close()

    def _died(self, why: str) -> None:
        self.dead = why
        self.own_bytes = 0
        if self._child is not None and self._child.was_late:
            self._deadline.late()
        if self.on_death is not None:
            self.on_death()
