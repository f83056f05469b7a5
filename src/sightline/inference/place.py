"""Places: what a model runs in. The worker hands a place its batches and gets an outcome for each frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from sightline.analytics.base import Pipeline
from sightline.core.types import Frame, FrameResult
from sightline.models.base import Model, Options


@dataclass(frozen=True, slots=True)
class InferenceOptions:
    """Options for a stream's frames."""

    options: Options = field(default_factory=Options)
    """Options for the model."""
    shown: frozenset[int] | None = None
    """The classes that are shown; None for all."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
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
class Loaded:
    """A model ready to run, and what was found out while it was loaded."""

    model: Model
    engine_reason: str
    """Why this engine runs it."""
    gpu_available: bool


Load: TypeAlias = Callable[[], Loaded]
"""Loads and warms a model. Runs off the event loop; raises SightlineError."""


class Place(Protocol):
    """One instance of a model and what it runs in. All calls come from the event loop, one ``run`` at a time."""

    async def load(self) -> Loaded:
        """Load the model. Raises whatever loading raises; ``close`` has to follow all the same."""
        ...

    async def run(self, requests: Sequence[Request], *, gone: Set[str] = frozenset()) -> list[Outcome]:
        """One outcome for each request, in their order. ``gone``: streams that the model forgets before."""
        ...

    def close(self) -> None:
        """Begin to give the model's memory back, without waiting for what still runs."""
        ...

    async def closed(self) -> None:
        """Wait, after ``close``, until the memory is given back."""
        ...
