"""Events: something that began, changed or ended in a stream."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

Phase: TypeAlias = Literal["start", "update", "end"]


class Event(Struct, tag="event", frozen=True, kw_only=True, omit_defaults=True):
    """One change of something that happens in a stream. A happening is told by its ``start``, any number of ``update``
    and its ``end``, which all have the same ``id``. Outside, it goes as it is, with ``"type":"event"``."""

    id: str
    """Unique within the server's life."""
    stream: str
    phase: Phase
    kind: str
    """Word for what happens, as the stage that found it calls it, such as ``object``, ``zone`` or ``line``."""
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
    rule: str = ""
    """Name of the rule, zone or line concerned."""
    direction: Literal["in", "out", ""] = ""
    """Which way a line was crossed."""
    seconds: float | None = None
    """How long it lasted; told at its end."""
    speed: tuple[float, float, float] | None = None
    """Mean speed in metres a second, and between what it lies with 95 %; told at its end where it is known."""
    reason: str = ""
    """Why it ended, where that was not seen: the camera was lost, or the server stopped."""
