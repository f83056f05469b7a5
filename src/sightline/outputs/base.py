"""Base classes of outputs. A file ``outputs/NAME.py`` is an output. It has

- ``Settings``, a subclass of ``OutputSettings`` with the keys of a table ``[[outputs]]`` of this kind;
- ``check(settings)``, a cheap check before the server starts, which raises ConfigError for settings that can't work;
- ``open(settings) -> Output``, which does not connect yet.

A library that an output needs is imported in ``open`` or later, as settings are read and checked without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from sightline.core.types import STREAM_OR_ALL

What: TypeAlias = Literal["results", "events"]


class OutputSettings(BaseModel):
    """Settings that all outputs have."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: str
    """Name of the plugin."""
    stream: str = Field("*", pattern=STREAM_OR_ALL)
    """Name of a stream, or ``*`` for all streams."""
    what: tuple[What, ...] = Field(("results",), min_length=1)
    """Kinds of items to send: results, events or both."""


class Item(NamedTuple):
    """One result or event on its way out."""

    what: What
    stream: str
    body: bytes
    """One JSON object, without a line break."""


class Output(Protocol):
    """A destination of results and events."""

    name: str
    """Name for people. It holds no password and no secret."""
    batch: int
    """Maximum number of items in one ``send``."""
    every_s: float
    """Seconds for which items are gathered."""
    retries: int | None
    """Number of retries before a batch is given up. None stands for endless ones."""

    async def send(self, batch: Sequence[Item]) -> None:
        """Send the items. Raises OSError if another try may help, SinkError if none does."""
        ...

    async def close(self) -> None:
        """Release all resources."""
        ...
