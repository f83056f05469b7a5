"""Places: what a model runs in. The worker hands a place its batches and gets an outcome for each frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from msgspec import Struct

from sightline.analytics.base import Pipeline
from sightline.core.errors import ModelError
from sightline.core.registry import plugins
from sightline.core.types import Frame, FrameResult, ModelCard
from sightline.models.base import Model, Options, Portable


@dataclass(frozen=True, slots=True)
class InferenceOptions:
    """Options for a stream's frames."""

    options: Options = field(default_factory=Options)
    """Options for the model."""
    shown: frozenset[int] | None = None
    """The classes that are shown; None for all."""


class Request(Struct, frozen=True, eq=False):
    """One frame to be processed, and how."""

    frame: Frame
    asked: InferenceOptions
    pipeline: Pipeline
    """The stages of the frame's stream. They run on this machine, wherever the model runs."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A frame that could not be processed, and why, in words for a peer."""

    frame: Frame
    message: str


Outcome: TypeAlias = FrameResult | Failure


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What runs a model's graph."""

    name: str
    device: str
    precision: str
    reason: str
    """Why it was chosen."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts about a model that is loaded, wherever it runs."""

    card: ModelCard
    engine: EngineFacts | None
    """None for a model that needs no weights."""
    input_size: tuple[int, int] | None
    """Width and height of the graph's input; None for a model without a graph."""
    stride: int | None
    """Number that the input's sides must be multiples of if its size can be chosen; else None."""
    portable: Portable | None
    """The recipe with which a page runs the model; None if pages can't run it."""
    max_batch: int
    """Largest useful batch of pictures."""
    remembers: bool
    """Whether the model has to see every picture of a stream."""
    gpu_available: bool
    """Whether an engine of this machine could use a graphics card."""

    @classmethod
    def of(cls, model: Model) -> ModelFacts:
        """Return the facts about a model that was loaded here. Looks for graphics cards: not for the event loop."""
        engine = model.engine
        return cls(
            card=model.card,
            engine=None
            if engine is None
            else EngineFacts(engine.name, engine.device, engine.precision, model.engine_reason),
            input_size=model.input_size,
            stride=model.stride,
            portable=model.portable,
            max_batch=model.max_batch,
            remembers=model.remembers,
            gpu_available=_gpu_available(),
        )


class NotBegun(ModelError):
    """A place died before it began a batch: another one may take it."""


class LostReplica(ModelError):
    """A place far away is out. Its frames may be tried once more, here or in another one."""


Load: TypeAlias = Callable[[], Model]
"""Loads and warms a model. Runs off the event loop; raises SightlineError."""


class Place(Protocol):
    """One instance of a model and what it runs in. All calls come from the event loop.

    At most two ``run`` are under way, and end in the order in which they began: while the model is busy with one, the
    next lies ready for it.
    """

    dead: str | None
    """Why it can run nothing until it is loaded again, in words; None while it is well."""
    on_death: Callable[[], None] | None
    """Called on the event loop once it is dead."""
    own_bytes: int
    """Memory that it takes apart from this process; 0 where it is a part of it."""

    @property
    def pid(self) -> int | None:
        """The process it has for itself; None without one."""
        ...

    async def load(self, like: ModelFacts | None = None) -> ModelFacts:
        """Load the model, also again after a death. Raises whatever loading raises; ``close`` has to follow.

        ``like``: what was loaded of it before. It gets the same engine.
        """
        ...

    async def back(self) -> bool:
        """Whether a place that is dead is well again without being loaded; then ``dead`` is None."""
        ...

    async def run(self, requests: Sequence[Request], *, gone: Set[str] = frozenset()) -> list[Outcome]:
        """One outcome for each request, in their order. ``gone``: streams that the model forgets before.

        Raises NotBegun, LostReplica or ModelError where it died.
        """
        ...

    def close(self) -> None:
        """Begin to give the model's memory back, without waiting for what still runs."""
        ...

    async def closed(self) -> None:
        """Wait, after ``close``, until the memory is given back."""
        ...


def _gpu_available() -> bool:
    engines = plugins("engines").values()
    return any(d.startswith("cuda") for e in engines if e.available() is None for d in e.devices())
