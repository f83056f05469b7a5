"""A model in a thread of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from sightline.inference.place import Load, Loaded, Outcome, Request
from sightline.inference.process import process
from sightline.inference.static_scene import StaticScenes
from sightline.models.base import Model


class ThreadPlace:
    """Loads and runs a model in one thread of its own."""

    def __init__(self, load: Load, scenes: StaticScenes | None, *, name: str = "model") -> None:
        """``scenes``: what the streams looked like of late, shared by all instances; None to infer every frame."""
        self._load = load
        self._scenes = scenes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._model: Model | None = None
        self._closing: Future[None] | None = None

    async def load(self) -> Loaded:
        """Load the model in the thread."""
        loaded = await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        self._model = loaded.model
        return loaded

    async def run(self, requests: Sequence[Request], *, gone: Set[str] = frozenset()) -> list[Outcome]:
        """Process a batch in the thread."""
        assert self._model is not None
        work = partial(process, self._model, requests, gone=gone, scenes=self._scenes)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Close the model in the thread, after what it still does."""
        model, self._model, self._scenes = self._model, None, None
        if model is not None:
            self._closing = self._thread.submit(model.close)
        self._thread.shutdown(wait=False)

    async def closed(self) -> None:
        """Wait until the model is closed and the thread, which holds what it did last, has ended."""
        if self._closing is not None:
            await asyncio.wrap_future(self._closing)
            self._closing = None
        await asyncio.to_thread(self._thread.shutdown)
