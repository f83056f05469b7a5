"""Models that say what they did and wait where a test says so, behind the real hub, pool and workers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from sightline.core.errors import ModelError
from sightline.core.predictions import Detections, Prediction
from sightline.core.types import FrameResult, Image, ModelCard
from sightline.inference.key import ModelKey
from sightline.models.base import Model, Options
from sightline.streams.hub import Hub
from sightline.streams.stream import Stream
from support.streams import Recorder
from support.working import MadeModel, working

LABELS = {"a": ("cat", "dog"), "b": ("cat", "cow"), "c": ("car",)}


class Watched(MadeModel):
    """Finds one of each of its classes; where the test says so it waits until it may go on."""

    def __init__(self, name: str, log: Log) -> None:
        self.card = ModelCard(name, name, "detect", LABELS.get(name, ()), None, "-", "-", size_bytes=10 << 20)
        self.log = log

    def found(self, images: Sequence[Image], streams: Sequence[str], options: Sequence[Options]) -> list[Prediction]:
        self.log.asked.extend(options)
        self.log.turns.extend((self.card.name, stream) for stream in streams)
        if self.card.name in self.log.held:
            assert self.log.go.acquire(timeout=30)
        count = len(self.card.labels)
        rows = Detections(
            np.tile(np.array([1, 1, 5, 5], np.float32), (count, 1)),
            np.full(count, 0.5, np.float32),
            np.arange(count, dtype=np.int32),
        )
        return [rows for _ in images]

    def close(self) -> None:
        self.log.closed[self.card.name] += 1


@dataclass
class Log:
    """What the models did, and what the test lets them do."""

    turns: list[tuple[str, str]] = field(default_factory=list)
    asked: list[Options] = field(default_factory=list)
    loads: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    held: set[str] = field(default_factory=set)
    """Models that wait for ``go`` with each picture."""
    sized: bool = False
    """Models take any input size."""
    refused: set[int] = field(default_factory=set)
    """Input sizes that models can't have."""
    tried: Counter[int] = field(default_factory=Counter)
    """How often each input size was asked for."""
    slow: set[str] = field(default_factory=set)
    """Models that wait for ``loaded``."""
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    loaded: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def load(self, key: ModelKey) -> Model:
        self.loads[key.name] += 1
        if key.name in self.slow:
            assert self.loaded.acquire(timeout=30)
        self.tried[key.imgsz or 0] += 1
        if key.imgsz in self.refused:
            raise ModelError(f"{key.spec}: no model of {key.imgsz}")
        if key.name == "broken":
            raise ModelError(f"{key.spec}: no model at all")
        return Sized(key.imgsz or 640, self) if self.sized else Watched(key.name, self)


class Told(Recorder):
    """Keeps the results in order."""

    def __init__(self) -> None:
        super().__init__()
        self.results: list[FrameResult] = []

    def answer(self, result: FrameResult) -> None:
        super().answer(result)
        self.results.append(result)

    @property
    def models(self) -> list[tuple[int, str]]:
        return [(result.frame.seq, result.card.name) for result in self.results]


@asynccontextmanager
async def serving(
    tmp_path_factory: pytest.TempPathFactory, *, sized: bool = False, **given: Any
) -> AsyncGenerator[tuple[Hub, Log]]:
    """A hub whose own model is ``a``; ``b``, ``c``, ``d`` and ``broken`` may be chosen, files of 1 MB each."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("a", "b", "c", "d", "broken"):
        (folder / f"{name}.onnx").write_bytes(bytes(1 << 20))
    models = {name: str(folder / f"{name}.onnx") for name in ("b", "c", "d", "broken")}
    log = Log(sized=sized)
    own = ModelKey("a", str(folder / "a.onnx"), "onnx", None)
    async with working(log.load, own, engine="onnx", models=models, **given) as hub:
        hub.model_switch.offers.own = own
        try:
            yield hub, log
        finally:
            log.go.release(1000)
            log.loaded.release(1000)


def taken(hub: Hub, name: str) -> tuple[Stream, Told]:
    """A stream, taken by a publisher that keeps its results."""
    publisher = Told()
    return hub.take(name, publisher), publisher


class Sized(Watched):
    """Takes any input size; its time grows with it."""

    def __init__(self, side: int, log: Log) -> None:
        super().__init__("a", log)
        self.side = side

    @property
    def input_size(self) -> tuple[int, int]:
        return self.side, self.side

    @property
    def stride(self) -> int:
        return 32

    def found(self, images: Sequence[Image], streams: Sequence[str], options: Sequence[Options]) -> list[Prediction]:
        time.sleep(0.1 * (self.side / 640) ** 2)
        return super().found(images, streams, options)
