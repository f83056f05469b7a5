"""Base classes of models: pictures in, predictions out.

A file ``models/NAME.py`` is a family. A family that reads graphs has

- ``recognise(graph) -> bool``, true only where nothing else fits as well: by names, shapes and metadata, and by
  ``graph.trial()`` where numbers tell more. It may raise ModelError for a graph that is surely of its family but of an
  unsupported kind;
- ``fits(graph) -> bool``, if shapes alone leave more open than that: true for what a person may say is of the family;
- ``build(graph, engine) -> Model``.

A family that needs no weights has ``builtin() -> ModelCard`` and ``create() -> Model``.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import BadImage, ModelError
from sightline.core.predictions import Prediction
from sightline.core.types import Engine, Image, ModelCard, TensorSpec
from sightline.media.pictures import read_picture

BATCH = 8
"""Batch size on accelerators, where batching pays."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Place of a picture inside a model's input, all in pixels: x_input = left + x * inner_width / width."""

    width: int
    height: int
    left: int
    top: int
    inner_width: int
    inner_height: int


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph that takes pictures, as a family sees it: the loader has replaced its dynamic sides by numbers."""

    path: Path
    input: TensorSpec
    """batch x 3 x height x width, or batch x height x width x 3; the batch is 1, or None if it may be any. Graphs
    exported from torchvision may lack the batch."""
    outputs: Mapping[str, TensorSpec]
    """Outputs by name, with the shapes for one picture of ``size``."""
    metadata: Mapping[str, str]
    size: tuple[int, int]
    """Width and height of the input."""
    sizes: TensorSpec | None = None
    """A second input, batch x 2: the width and height that boxes are to be scaled to. None if there is none."""
    about: tuple[TensorSpec, ...] = ()
    """Further inputs of PaddleDetection's graphs, batch x 2: ``im_shape`` and ``scale_factor``."""
    trial: Callable[[], Mapping[str, NDArray[Any]]] = dict
    """Gives the outputs for one picture of noise. It is run at the first call only."""

    @property
    def channels_last(self) -> bool:
        """Whether the picture's channels are the input's last axis."""
        return self.input.shape[-3] != 3

    def buffer(self, batch: int) -> NDArray[Any]:
        """A buffer for pictures, batch x 3 x height x width, in the memory layout that the graph takes."""
        width, height = self.size
        if self.channels_last:
            return np.moveaxis(np.zeros((batch, height, width, 3), self.input.dtype), -1, 1)
        return np.zeros((batch, 3, height, width), self.input.dtype)

    def feeds(self, tensor: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The engine's feeds for ``tensor``, batch x 3 x height x width. Boxes then come in pixels of the input."""
        if self.channels_last:
            tensor = np.moveaxis(tensor, 1, -1)
        width, height = self.size
        told = {} if self.sizes is None else {self.sizes: (width, height)}
        told |= {spec: (1, 1) if spec.name == "scale_factor" else (height, width) for spec in self.about}
        feeds = {spec.name: np.array([pair] * len(tensor), spec.dtype) for spec, pair in told.items()}
        return {self.input.name: tensor[0] if len(self.input.shape) == 3 else tensor, **feeds}

    def tried_in(self, engine: Engine) -> Graph:
        """The same graph with its ``trial``: noise from 0 to 1, or from 0 to 255 where the input is bytes."""

        def run() -> Mapping[str, NDArray[Any]]:
            tensor = self.buffer(1)
            random = np.random.default_rng(0)
            high = 255 if tensor.dtype == np.uint8 else 1
            tensor[...] = random.random(tensor.shape) * high
            return {name: output.copy() for name, output in engine.run(self.feeds(tensor)).items()}

        return replace(self, trial=cache(run))


@dataclass(frozen=True, slots=True)
class Options:
    """Options of one prediction; streams that share a model may have different ones."""

    confidence: float = 0.25
    """Minimum confidence of a row."""
    iou: float = 0.45
    """Maximum overlap of two boxes of a class; above it only the more confident one is kept."""
    max_detections: int = 100


@dataclass(frozen=True, slots=True)
class Portable:
    """Recipe by which a page runs a model's graph itself, in ``web/infer/``. See ``_input.Recipe``."""

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
    """The engine; None for a model that needs no weights."""
    engine_reason: str = ""
    """Why this engine was chosen."""
    options: Options = Options()
    """Options for pictures that come without their own."""
    max_batch: int = 1
    """Largest useful batch of pictures."""

    remembers: bool = False
    """Whether a prediction depends on earlier pictures, so that the model has to see every picture of a stream."""

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Width and height of the graph's input; None for a model without a graph."""
        return None

    @property
    def stride(self) -> int | None:
        """Number that the input's sides must be multiples of if its size can be chosen; else None."""
        return None

    @property
    def portable(self) -> Portable | None:
        """The Portable with which a page runs the model; None if pages can't run it."""
        return None

    @property
    @abstractmethod
    def wanted_side(self) -> int:
        """The longer side, in pixels, that a picture needs; larger pictures are only scaled down."""

    @abstractmethod
    def predict(
        self,
        images: Sequence[Image],
        *,
        options: Sequence[Options] | None = None,
        streams: Sequence[str] | None = None,
        stages: dict[str, float] | None = None,
    ) -> list[Prediction]:
        """One prediction per picture (H x W x 3 BGR, not modified), in pixels of that picture.

        ``options`` has the options of each picture; without it, ``self.options`` apply to all. ``streams`` names the
        stream of each picture, for models that remember. Milliseconds are added to
        ``stages["preprocess" | "infer" | "postprocess"]``. Raises BadImage or ModelError.
        """

    def __call__(self, image: Image | str | Path, *, options: Options | None = None) -> Prediction:
        """Predict one picture: H x W x 3 BGR pixels, or the path of a file.

        What it finds knows the names of its classes, and its masks are as large as the picture.

        ``options`` replaces ``self.options``. Raises BadImage for a picture that can't be read, or ModelError.
        """
        if isinstance(image, str | Path):
            image = read_picture(Path(image))
        (found,) = self.predict([image], options=None if options is None else [options])
        return found.complete(self.card.labels, (image.shape[1], image.shape[0]))

    def forget(self, stream: str) -> None:  # noqa: B027 - most models remember nothing
        """Drop the memory of a stream."""

    def warm_up(self) -> None:
        """Run once with one picture and once with a full batch, so that the first real picture is not slow."""
        for count in {1, self.max_batch}:
            self.predict([np.full((64, 64, 3), 114, np.uint8)] * count, streams=["warm-up"] * count)
        self.forget("warm-up")

    def close(self) -> None:
        """Free the memory."""
        if self.engine is not None:
            self.engine.close()


class InputWriter(Protocol):
    """Writes pictures into an input tensor."""

    def place(self, image: Image, tensor: NDArray[Any], slot: int) -> Geometry:
        """Put a picture into ``tensor[slot]``, 3 x H x W. Returns its place in there."""
        ...


class GraphModel(Model):
    """A model that runs a graph in an engine, between its own preprocessing and postprocessing."""

    alone: bool = False
    """Whether the outputs have no batch axis, so that pictures go through the graph one by one."""
    _input: InputWriter
    """Set by each model, unless it has a ``preprocess`` of its own."""

    def __init__(self, card: ModelCard, graph: Graph, engine: Engine) -> None:
        self.card = card
        self.engine: Engine = engine
        self.graph = replace(graph, trial=dict)  # the outputs of a trial may be large
        one = self.alone or graph.input.shape[0] is not None
        self.max_batch = 1 if one or engine.device == "cpu" else BATCH
        self.tensor: NDArray[Any] = graph.buffer(self.max_batch)
        """Input buffer, shared by all calls."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Width and height of the graph's input."""
        return self.graph.size

    @property
    def stride(self) -> int | None:
        """See Model. For a graph with open sides 32, or its metadata's stride if that is 64 or 128."""
        if None not in self.graph.input.shape[-2:]:
            return None
        told = self.graph.metadata.get("stride", "")
        return int(told) if told in ("64", "128") else 32

    @property
    def wanted_side(self) -> int:
        """The input's longer side."""
        return max(self.graph.size)

    def close(self) -> None:
        """See Model. Also drops the buffer, for when something such as a traceback still refers to the model."""
        super().close()
        self.tensor = self.tensor[:0].copy()

    def preprocess(self, image: Image, slot: int = 0) -> tuple[NDArray[Any], Geometry]:
        """Put a picture into ``tensor[slot]``. Returns that slot, 1 x 3 x H x W (valid until the next call), and the
        picture's place in it."""
        place = self._input.place(image, self.tensor, slot)
        return self.tensor[slot : slot + 1], place

    @abstractmethod
    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Prediction:
        """Make the prediction for one picture from the outputs, each with a batch axis of 1 unless ``alone``."""

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
                    found.append(self._prediction(outputs, i, place, options[start + i]))
        return found

    def _prediction(self, outputs: Mapping[str, NDArray[Any]], i: int, place: Geometry, options: Options) -> Prediction:
        """Make the prediction for picture ``i``. Raises ModelError for outputs that are not what they were."""
        try:
            one = outputs if self.alone else {name: output[i : i + 1] for name, output in outputs.items()}
            return self.postprocess(one, place, options)
        except (ArithmeticError, LookupError, TypeError, ValueError, cv2.error) as e:
            what = f"{self.card.name}: its outputs are not those of the family {self.card.family}"
            raise ModelError(f"{what} ({type(e).__name__}: {e})") from e


def check_image(image: Image) -> Image:
    """Return the picture. Raises BadImage unless it is H x W x 3 uint8 and not empty."""
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
