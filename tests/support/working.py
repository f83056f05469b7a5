"""A hub at work, with a model that does as the test says."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Image
from sightline.inference.key import ModelKey
from sightline.inference.pool import LoadByKey, ModelPool
from sightline.models.base import Model, Options
from sightline.settings.settings import Settings
from sightline.streams.hub import Hub
from support.streams import CARD

RIGHT = object()
"""The answer of a model that is well and finds nothing."""


class MadeModel(Model):
    """A model whose findings a test makes up."""

    card = CARD

    @property
    def wanted_side(self) -> int:
        return 64

    def predict(
        self,
        images: Sequence[Image],
        *,
        options: Sequence[Options] | None = None,
        streams: Sequence[str] | None = None,
        stages: dict[str, float] | None = None,
    ) -> list[Prediction]:
        return self.found(images, streams or (), options or ())

    def found(self, images: Sequence[Image], streams: Sequence[str], options: Sequence[Options]) -> list[Prediction]:
        """What is in the pictures: nothing."""
        return [Detections.empty() for _ in images]


class Scripted(MadeModel):
    """Asks the test for its answer, which may be anything."""

    def __init__(self, answer: Callable[[Sequence[str]], Any]) -> None:
        """``answer`` gets the names of the streams whose frames are in the batch."""
        self._answer = answer

    def found(self, images: Sequence[Image], streams: Sequence[str], options: Sequence[Options]) -> Any:
        answer = self._answer(streams)
        return super().found(images, streams, options) if answer is RIGHT else answer


class Held(MadeModel):
    """Writes down whose turn it is, and waits with each batch until the test lets it go on."""

    def __init__(self) -> None:
        self.turns: list[str] = []
        self.go = threading.Semaphore(0)

    def found(self, images: Sequence[Image], streams: Sequence[str], options: Sequence[Options]) -> list[Prediction]:
        self.turns.extend(streams)
        assert self.go.acquire(timeout=30)
        return super().found(images, streams, options)


class Slow(MadeModel):
    """Takes its time for each picture."""

    def __init__(self, work_s: float) -> None:
        self._work_s = work_s

    def found(self, images: Sequence[Image], streams: Sequence[str], options: Sequence[Options]) -> list[Prediction]:
        time.sleep(self._work_s * len(images))
        return super().found(images, streams, options)


def loading(model: Model) -> LoadByKey:
    """Loads this model, whatever is asked for."""
    return lambda _: model


@asynccontextmanager
async def working(load: LoadByKey, key: ModelKey | None = None, **settings: Any) -> AsyncGenerator[Hub]:
    """A hub whose own model is loaded, with the tasks of hub and pool, until the block ends."""
    given = Settings.model_validate({"static_skip": False} | settings)
    hub = Hub(given, ModelPool(given, key or ModelKey("m", "m", "auto", None), load))
    running = [asyncio.create_task(hub.pool.run()), asyncio.create_task(hub.run())]
    await hub.worker.settled.wait()
    try:
        yield hub
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await hub.supervisor.close()
