"""Events: something that began, changed or ended in a stream."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from msgspec import Struct, structs

Phase: TypeAlias = Literal["start", "update", "end"]
Action: TypeAlias = Literal["notify", "webhook", "mqtt", "command", "clip"]
"""What a rule does: tell people by notifications, or outputs of that kind; keep a clip of the moment."""
ACTIONS: tuple[Action, ...] = get_args(Action)
TELLING: tuple[Action, ...] = ("notify", "webhook", "mqtt", "command")
"""Those of a rule that says nothing of it. A clip takes room on the disk, so somebody has to ask for it."""


class Event(Struct, tag="event", frozen=True, kw_only=True, omit_defaults=True):
    """One change of something that happens in a stream. A happening is told by its ``start``, any number of ``update``
    and its ``end``, which all have the same ``id``. Outside, it goes as it is, with ``"type":"event"``."""

    id: str
    """Unique for ever: letters, digits, ``-`` and ``_``. A second start or end of the same id is dropped."""
    stream: str
    phase: Phase
    kind: str
    """Word for what happens, as who found it calls it: ``object``, ``zone``, ``line``, ``loiter``, ``scene``,
    ``stream``, ``rule``, or a stage's own."""
    at: float
    """Seconds since 1970, on the clock of the frame in which it was seen."""
    seq: int
    """Number of that frame."""
    class_name: str = ""
    """Class of the object concerned; of a ``scene`` what happened, ``covered`` or ``moved``; else empty."""
    track: int | None = None
    """Track of the object concerned."""
    box: tuple[float, float, float, float] | None = None
    """x1, y1, x2, y2 in pixels of the frame."""
    zone: str = ""
    """Name of the zone or line concerned."""
    rule: str = ""
    """Name of the rule that was fulfilled."""
    actions: tuple[Action, ...] = ()
    """Who is to be told and whether a clip is kept, where it is a rule's."""
    direction: Literal["in", "out", ""] = ""
    """Which way a line was crossed."""
    seconds: float | None = None
    """How long it lasted; told at its end."""
    speed: tuple[float, float, float] | None = None
    """Mean speed in metres a second, and between what it lies with 95 %; told at its end where it is known."""
    reason: str = ""
    """Why it ended, where that was not seen: the camera was lost, or the server stopped. At the start of a ``stream``
    event, why the stream is lost."""
    snapshot: str = ""
    """Path of its picture on the server; empty where there is none."""
    clip: str = ""
    """Path of its clip on the server, which grows until its last second is recorded; empty where none is kept."""
    number: int = 0
    """Place in the order in which the server stored events. Who comes back asks for those after the last it had."""

    def ended(self, at: float, seq: int, seconds: float | None, reason: str = "") -> Event:
        """Return the end of what this is the start of."""
        return structs.replace(self, phase="end", at=at, seq=seq, seconds=seconds, reason=reason)


class EventRecord(Struct, frozen=True, kw_only=True):
    """Something that happened, or lasts: what its events told of it so far."""

    id: str
    stream: str
    kind: str
    class_name: str = ""
    zone: str = ""
    rule: str = ""
    direction: str = ""
    track: int | None = None
    box: tuple[float, float, float, float] | None = None
    """Where it was in its picture, in pixels of the frame: x1, y1, x2, y2."""
    started_at: float
    """Seconds since 1970, on the clock of the frames, as ``ended_at``."""
    ended_at: float | None = None
    """None while it lasts."""
    seconds: float | None = None
    speed: tuple[float, float, float] | None = None
    reason: str = ""
    start_seq: int
    end_seq: int | None = None
    snapshot: str = ""
    """Path of its picture on the server; empty where there is none."""
    clip: str = ""
    """Path of its clip on the server; empty where none was kept."""


class EventFilter(Struct, frozen=True):
    """Which events somebody wants: None for any."""

    stream: str | None = None
    kind: str | None = None
    class_name: str | None = None
    zone: str | None = None
    """Name of a zone or a line."""
    rule: str | None = None

    def takes(self, event: Event) -> bool:
        """Return True for an event that is wanted."""
        return all(getattr(event, key) == wanted for key, wanted in self.given.items())

    @property
    def given(self) -> dict[str, str]:
        """What is asked for, by key."""
        return {key: wanted for key in self.__struct_fields__ if (wanted := getattr(self, key)) is not None}


EVERYTHING = EventFilter()
