"""Events: something that began, changed or ended in a stream."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from msgspec import Struct

Phase: TypeAlias = Literal["start", "update", "end"]
Action: TypeAlias = Literal["notify", "webhook", "mqtt", "command"]
"""Whom a rule tells: people by notifications, or outputs of that kind."""
ACTIONS: tuple[Action, ...] = get_args(Action)


class Event(Struct, tag="event", frozen=True, kw_only=True, omit_defaults=True):
    """One change of something that happens in a stream. A happening is told by its ``start``, any number of ``update``
    and its ``end``, which all have the same ``id``. Outside, it goes as it is, with ``"type":"event"``."""

    id: str
    """Unique within the server's life."""
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
    """Class of the object concerned; empty where there is none."""
    track: int | None = None
    """Track of the object concerned."""
    box: tuple[float, float, float, float] | None = None
    """x1, y1, x2, y2 in pixels of the frame."""
    zone: str = ""
    """Name of the zone or line concerned."""
    rule: str = ""
    """Name of the rule that was fulfilled."""
    actions: tuple[Action, ...] = ()
    """Who is to be told, where it is a rule's."""
    direction: Literal["in", "out", ""] = ""
    """Which way a line was crossed."""
    seconds: float | None = None
    """How long it lasted; told at its end."""
    speed: tuple[float, float, float] | None = None
    """Mean speed in metres a second, and between what it lies with 95 %; told at its end where it is known."""
    reason: str = ""
    """Why it ended, where that was not seen: the camera was lost, or the server stopped."""
    snapshot: str = ""
    """Path of its picture on the server; empty where there is none."""
    number: int = 0
    """Place in the order in which the server stored events. Who comes back asks for those after the last it had."""
