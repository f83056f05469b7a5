"""What was found then and now, side by side."""

from __future__ import annotations

from msgspec import Struct

from sightline.core.records import Detection


class ClassCount(Struct):
    """What was found of a class."""

    frames: int = 0
    """Frames of both in which it was found."""
    most: int = 0
    """Most at once in one of these."""
    objects: int = 0
    """Distinct tracks."""


class Passed(Struct, rename={"into": "in"}):
    """How many entered a zone or crossed a line, and back, by class."""

    into: dict[str, int] = {}
    out: dict[str, int] = {}


class ReplayEvent(Struct, omit_defaults=True):
    """Something that happened, such as a rule that fired."""

    at: float
    """Seconds since 1970."""
    kind: str
    name: str = ""
    """Of the rule, zone or line."""
    class_name: str = ""
    direction: str = ""
    seconds: float | None = None
    """How long it lasted, where that is known."""


class ReplaySide(Struct):
    """One of both sides."""

    models: list[str] = []
    """By name."""
    frames: int = 0
    """Frames with a result."""
    classes: dict[str, ClassCount] = {}
    zones: dict[str, Passed] = {}
    lines: dict[str, Passed] = {}
    fired: dict[str, int] = {}
    """How often each rule was fulfilled."""
    events: list[ReplayEvent] = []
    """Oldest first, at most 2,000."""


class FrameDifference(Struct):
    """A frame in which not the same was found."""

    at: float
    seq: int
    width: int
    """Size in whose pixels the boxes are."""
    height: int
    then: tuple[Detection, ...]
    now: tuple[Detection, ...]


class ReplayReport(Struct, kw_only=True, rename={"start": "from", "end": "to"}):
    """The outcome."""

    stream: str
    start: float
    """Seconds since 1970, as ``end``."""
    end: float
    frames: int
    """Frames of the recording."""
    both: int
    """Frames with a result then and now."""
    differing: int
    """Those of them in which not the same was found."""
    then: ReplaySide
    now: ReplaySide
    differences: list[FrameDifference]
    """At most 1,000, spread over the time."""
