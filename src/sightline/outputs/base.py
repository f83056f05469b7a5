"""Base classes of outputs. A file ``outputs/NAME.py`` is an output. It has

- ``Settings``, a subclass of ``OutputSettings`` with the keys of a table ``[[outputs]]`` of this kind;
- ``check(settings)``, a cheap check before the server starts, which raises ConfigError for settings that can't work;
- ``open(settings) -> Output``, which does not connect yet;
- where admins may add one while the server runs, ``open_foreign(settings) -> Output``, which does the same and never
  connects to a machine that ``sources/_foreign.py`` forbids, and ``machine(settings) -> (host, port)``;
- ``BOUND``, names of secrets that have to be given again where one of some other keys changes, as somebody else would
  learn them. It may be left out.

A library that an output needs is imported in ``open`` or later, as settings are read and checked without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

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


class Output(ABC):
    """A destination of results and events."""

    name: str
    """Name for people. It holds no password and no secret."""
    batch: int
    """Maximum number of items in one ``send``."""
    every_s: float
    """Seconds for which items are gathered."""
    retries: int | None
    """Number of retries before a batch is given up. None stands for endless ones."""
    pictures: bool = False
    """Whether events are to bring their pictures."""

    @property
    def lost(self) -> int:
        """Number of items that it took and could not bring to their end."""
        return 0

    @property
    def trouble(self) -> str | None:
        """Why it does not work at the moment; None where it does."""
        return None

    @property
    def refused(self) -> int:
        """Number of commands from outside that were not obeyed."""
        return 0

    @abstractmethod
    async def send(self, batch: Sequence[Item]) -> None:
        """Send the items. Raises OSError if another try may help, SinkError if none does."""

    @abstractmethod
    async def close(self) -> None:
        """Release all resources."""


class Resident(Output):
    """An output that does more than send."""

    @abstractmethod
    async def run(self, hub: Hub, drawing: Drawing | None) -> None:
        """Do it until cancelled, or until the hub is closed. ``drawing`` makes JPEGs of frames."""
