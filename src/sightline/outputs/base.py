"""Base classes of outputs. A file ``outputs/NAME.py`` is an output. It has

- ``Settings``, a subclass of ``OutputSettings`` with the keys of a table ``[[outputs]]`` of this kind;
- ``check(settings)``, a cheap check before the server starts, which raises ConfigError for settings that can't work;
- ``open(settings) -> Output``, which does not connect yet.

A library that an output needs is imported in ``open`` or later, as settings are read and checked without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from sightline.core.events import ACTIONS, Event
from sightline.core.types import STREAM_OR_ALL

if TYPE_CHECKING:  # settings are checked without the hub's imports
    from sightline.streams.hub import Hub
    from sightline.streams.rendering import Drawing

What: TypeAlias = Literal["results", "events", "alerts"]
"""alerts: of the events only those with which a rule was fulfilled."""


class OutputSettings(BaseModel):
    """Settings that all outputs have."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: str
    """Name of the plugin."""
    stream: str = Field("*", pattern=STREAM_OR_ALL)
    """Name of a stream, or ``*`` for all streams."""
    what: tuple[What, ...] = Field(("results",), min_length=1)
    """Kinds of items to send: any of results, events and alerts."""


class Item(NamedTuple):
    """One result or event on its way out."""

    what: Literal["results", "events"]
    stream: str
    body: bytes
    """One JSON object, without a line break."""
    event: Event | None = None
    """The event, where it is one."""
    picture: bytes | None = None
    """JPEG of the object concerned, cut out, for an output with ``pictures``; None where there is none."""

    @property
    def number(self) -> int:
        """An event's place in the stored order; 0 for what is not stored."""
        return 0 if self.event is None else self.event.number


def wants(event: Event, what: Sequence[What], kind: str) -> bool:
    """Return True if an output of this kind, which is to get ``what``, gets the event.

    A rule says whom it tells. Kinds that no rule can name, such as files, get the events of all rules.
    """
    if event.rule and kind in ACTIONS and kind not in event.actions:
        return False
    return "events" in what or ("alerts" in what and is_alert(event))


def is_alert(event: Event) -> bool:
    """Return True if a rule is fulfilled with this event. Nothing may hold it up."""
    return event.rule != "" and event.phase == "start"


class NobodyThere(OSError):
    """Nobody is there: nothing was sent. What is stored waits for another try, however many there were."""


class Resident(Protocol):
    """What an output has beside ``Output`` that does more than send."""

    async def run(self, hub: Hub, drawing: Drawing | None) -> None:
        """Do it until cancelled, or until the hub is closed. ``drawing`` makes JPEGs of frames."""
        ...


class Output(Protocol):
    """A destination of results and events.

    It may have attributes besides: ``pictures``, true if it wants those of events; ``lost``, the number of items that
    it took and could not bring to their end; ``trouble``, why it does not work at the moment; ``refused``, the number
    of commands from outside that were not obeyed.
    """

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
