"""What outputs share. A file ``outputs/NAME.py`` is an output; it has

- ``Settings``: a subclass of ``OutputSettings`` with the keys that a table ``[[outputs]]`` of this kind may have;
- ``check(settings)``: a cheap check before the server starts. Raises ConfigError for what can't work;
- ``open(settings) -> Output``: connects nowhere yet.

A library that an output needs is imported in ``open`` or later: settings are read, and checked, without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

What: TypeAlias = Literal["results", "events"]


class OutputSettings(BaseModel):
    """What can be said of any output."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: str
    """The plugin's name."""
    stream: str = Field("*", pattern=r"^(\*|[A-Za-z0-9_-]{1,64})$")
    """A stream's name, or ``*`` for all streams."""
    what: tuple[What, ...] = Field(("results",), min_length=1)
    """What is sent: results, events or both."""


class Item(NamedTuple):
    """One result or event on its way out."""

    what: What
    stream: str
    body: bytes
    """One JSON object, without a line break."""


class Output(Protocol):
    """Where results and events go."""

    name: str
    """Name for people. It holds no password and no secret."""
    batch: int
    """Most items in one ``send``."""
    every_s: float
    """Seconds for which items are gathered."""
    retries: int | None
    """Tries after the first before a batch is given up. None stands for endless ones."""

    async def send(self, batch: Sequence[Item]) -> None:
        """Send the items. Raises OSError where another try may help, SinkError where none does."""
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...
