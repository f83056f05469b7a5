"""What a model is: pictures in, predictions out.

A file ``models/NAME.py`` is a family. One that knows graphs has

- ``recognise(graph) -> bool``: by names, shapes and metadata only; may raise ModelError for a graph that is surely its
  own but of a kind that it does not support;
- ``build(graph, engine) -> Model``.

One that needs no weights has ``builtin() -> ModelCard`` and ``create() -> Model``.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.errors import BadImage
from sightline.types import Engine, Image, ModelCard, Prediction, TensorSpec

BATCH = 8
"""Pictures at once where batching pays: on accelerators."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a picture lies inside a model's input, all in pixels: x_input = left + x * inner_width / width."""

    width: int
    height: int
    left: int
    top: int
    inner_width: int
    inner_height: int


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph that takes pictures, as a family sees it: the loader has given its dynamic sides their numbers."""

    path: Path
    input: TensorSpec
    """batch x 3 x height x width, or batch x height x width x 3; the batch is 1, or None if it may be any."""
    outputs: Mapping[str, TensorSpec]
    """As for a batch of one picture of ``size``."""
    metadata: Mapping[str, str]
    size: tuple[int, int]
    """Width and height of the input."""
    sizes: TensorSpec | None = None
    """A second input, batch x 2: the width and height that boxes are to be scaled to."""

    @property
    def channels_last(self) -> bool:
        """Whether the picture's channels are the input's last axis."""
        return self.input.shape[1] != 3

    def buffer(self, batch: int) -> NDArray[Any]:
        """A place for pictures, batch x 3 x height x width; in memory as the graph takes them."""
        width, height = self.size
        if self.channels_last:
            return np.moveaxis(np.zeros((batch, height, width, 3), self.input.dtype), -1, 1)
        return np.zeros((batch, 3, height, width), self.input.dtype)

    def feeds(self, tensor: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """What the engine is fed for ``tensor``, batch x 3 x height x width. Boxes come in pixels of the input."""
        if self.channels_last:
            tensor = np.moveaxis(tensor, 1, -1)
        if self.sizes is None:
            return {self.input.name: tensor}
        sizes = np.repeat(np.array([self.size], self.sizes.dtype), len(tensor), axis=0)
        return {self.input.name: tensor, self.sizes.name: sizes}


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of one picture; streams that share a model may ask for different things."""

    confidence: float = 0.25
    """Rows below it are left out."""
    iou: float = 0.45
    """Of two boxes of a class that overlap by more than this, the more confident stays."""
    max_detections: int = 100


@dataclass(frozen=True, slots=True)
class Portable:
    """How a page runs a model's graph itself: what ``web/infer/`` has to know. See ``_input.Recipe``."""

    input: TensorSpec
    size: tuple[int, int]
    """Width and height."""
    decode: str
    """The function of ``web/infer/decode.js`` that does what ``postprocess`` does."""
    fit: str
    order: str
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    details: Mapping[str, str | int | None] = field(default_factory=dict)


class Model(ABC):
    """Pictures in, predictions out. Called by one thread at a time."""

    card: ModelCard
    engine: Engine | None = None
    """None for a model that needs no weights."""
    engine_reason: str = ""
    """Why it is this engine."""
    options: Options = Options()
    """For pictures that come without their own."""
    max_batch: int = 1
    """More pictures than this at once bring nothing."""

    remembers: bool = False
    """True if what it says of a picture depends on those before, so that it has to see every one of them."""

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Width and height of what the graph is fed; None where there is no such thing."""
        return None

    @property
    def stride(self) -> int | None:
        """What the sides of the input must be multiples of, where it may have another size; else None."""
        return None

    @property
    def portable(self) -> Portable | None:
        """How a page runs it; None where no page can."""
        return None

    @property
    @abstractmethod
    def wanted_side(self) -> int:
        """The longer side, in pixels, that a picture needs to have; more is only scaled down."""

    @abstractmethod
    def predict(
        self,
        images: Sequence[Image],
        *,
        options: Sequence[Options] | None = None,
        streams: Sequence[str] | None = None,
        stages: dict[str, float] | None = None,
    ) -> list[Prediction]:
        """One prediction per picture (H x W x 3 BGR, left as it is), in pixels of that picture.

        ``options`` has those of each picture; without it, ``self.options`` hold for all. ``streams`` names the stream
        of each picture, for models that remember. Milliseconds are added to
        ``stages["preprocess" | "infer" | "postprocess"]``. Raises BadImage or ModelError.
        """

    def forget(self, stream: str) -> None:  # noqa: B027 - most models remember nothing
        """Drop what is remembered of a stream."""

    def warm_up(self) -> None:
        """Run once, so that the first picture is not the slow one; and with as many pictures as ever come at once."""
        for count in {1, self.max_batch}:
            self.predict([np.full((64, 64, 3), 114, np.uint8)] * count, streams=["warm-up"] * count)
        self.forget("warm-up")

    def close(self) -> None:
        """Give the memory back."""
        if self.engine is not None:
            self.engine.close()


class GraphModel(Model):
    """A model whose middle part is a graph, run by an engine."""

    def __init__(self, card: ModelCard, graph: Graph, engine: Engine) -> None:
        self.card = card
        self.engine: Engine = engine
        self.graph = graph
        fixed = graph.input.shape[0] is not None
        self.max_batch = 1 if fixed or engine.device == "cpu" else BATCH
        self.tensor: NDArray[Any] = graph.buffer(self.max_batch)
        """What is fed: one buffer for all calls."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Width and height of the graph's input."""
        return self.graph.size

    @property
    def stride(self) -> int | None:
        """Of a graph that leaves its sides open: 32, or what its metadata says if that is a multiple of it."""
        if None not in self.graph.input.shape[2:]:
            return None
        told = self.graph.metadata.get("stride", "")
        return int(told) if told in ("64", "128") else 32

    @property
    def wanted_side(self) -> int:
        """The input's longer side."""
        return max(self.graph.size)

    def close(self) -> None:
        """See Model. Whoever still holds the model, such as a traceback, then holds no buffers with it."""
        super().close()
        self.tensor = self.tensor[:0].copy()

    @abstractmethod
    def preprocess(self, image: Image, slot: int = 0) -> tuple[NDArray[Any], Geometry]:
        """Put a picture into ``tensor[slot]``. Returns that part, 1 x 3 x H x W (valid until the next call)."""

    @abstractmethod
    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Prediction:
        """The prediction from the outputs for one picture, each with a batch axis of 1."""

    def predict(
        self,
        images: Sequence[Image],
        *,
        options: Sequence[Options] | None = None,
        streams: Sequence[str] | None = None,
        stages: dict[str, float] | None = None,
    ) -> list[Prediction]:
        """See Model."""
        stages = {} if stages is None else stages
        options = options or [self.options] * len(images)
        found: list[Prediction] = []
        for start in range(0, len(images), self.max_batch):
            batch = images[start : start + self.max_batch]
            with timed(stages, "preprocess"):
                places = [self.preprocess(check_image(image), slot)[1] for slot, image in enumerate(batch)]
            with timed(stages, "infer"):
                outputs = self.engine.run(self.graph.feeds(self.tensor[: len(batch)]))
            with timed(stages, "postprocess"):
                for i, place in enumerate(places):
                    one = {name: output[i : i + 1] for name, output in outputs.items()}
                    found.append(self.postprocess(one, place, options[start + i]))
        return found


def check_image(image: Image) -> Image:
    """Raise BadImage unless it is H x W x 3 uint8 with pixels in it."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise BadImage(f"a picture of shape {image.shape} and type {image.dtype}: expected H x W x 3 uint8")
    return image


@contextmanager
def timed(stages: dict[str, float], name: str) -> Iterator[None]:
    """Add the milliseconds that the block takes to ``stages[name]``."""
    started = time.perf_counter()
    try:
        yield
    finally:
        stages[name] = stages.get(name, 0.0) + (time.perf_counter() - started) * 1000
