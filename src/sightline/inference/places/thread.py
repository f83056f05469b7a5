"""A model in a thread of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Set
from functools import partial

from sightline.inference.infer import infer
from sightline.inference.outcomes import Batch
from sightline.inference.place import Load, ModelFacts, Outcome, Request
from sightline.inference.places.work_thread import WorkThread
from sightline.inference.static_scene import LastResults, StaticScenes
from sightline.models.base import Model


class ThreadPlace:
    """Loads and runs a model in one thread of its own."""

    dead: str | None = None
    on_death: Callable[[], None] | None = None
    own_bytes = 0
    pid: int | None = None

    def __init__(self, load: Load, last: LastResults | None, *, name: str = "model") -> None:
        """``last``: keeps the last result of each stream; None to infer every frame."""
        self._load = load
        self._last = last
        self._scenes = None if last is None else StaticScenes()
        self._thread = WorkThread(name)
        self._model: Model | None = None
        self._closing: asyncio.Future[None] | None = None

    async def load(self, like: ModelFacts | None = None) -> ModelFacts:
        """Load the model in the thread. The loader remembers by itself which engine it chose."""
        self._model, info = await self._thread.submit(self._loaded)
        return info

    async def back(self) -> bool:
        """It never comes back by itself."""
        return False

    async def run(self, requests: Sequence[Request], *, gone: Set[str] = frozenset()) -> list[Outcome]:
        """Process a batch in the thread."""
        assert self._model is not None
        return await self._thread.submit(partial(self._processed, self._model, requests, gone))

    def close(self) -> None:
        """Close the model in the thread, after what it still does."""
        model, self._model, self._scenes = self._model, None, None
        if model is not None:
            self._closing = self._thread.submit(model.close)
        self._thread.close()

    async def closed(self) -> None:
        """Wait until the model is closed and the thread has ended."""
        if self._closing is not None:
            await self._closing
            self._closing = None
        await self._thread.closed()

    # In the thread

    def _loaded(self) -> tuple[Model, ModelFacts]:
        model = self._load()
        return model, ModelFacts.of(model)

    def _processed(self, model: Model, requests: Sequence[Request], gone: Set[str]) -> list[Outcome]:
        batch = Batch(requests, model.card, self._last, gone)
        return batch.outcomes(infer(model, batch.asks, self._scenes, gone=gone))
