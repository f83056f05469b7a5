"""What was found then and now, side by side. Times are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class ClassCount:
    """What was found of a class."""

    frames: int
    """Frames of both in which it was found."""
    most: int
    """Most at once in one of these."""
    objects: int
    """Distinct tracks."""


@dataclass(slots=True)
class Passed:
    """How many entered a zone or crossed a line, and back, by class."""

    into: dict[str, int] = field(default_factory=dict)
    out: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class ReplayEvent:
    """Something that happened, such as a rule that fired."""

    at: float
    kind: str
    name: str = ""
    """Of the rule, zone or line."""
    class_name: str = ""
    direction: str = ""
    seconds: float | None = None
    """How long it lasted, where that is known."""


@dataclass(slots=True)
class ReplaySide:
    """One of both sides."""

    models: list[str]
    """By name."""
    frames: int
    """Frames with a result."""
    classes: dict[str, ClassCount]
    zones: dict[str, Passed] = field(default_factory=dict)
    lines: dict[str, Passed] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)
    """How often each rule was fulfilled."""
    events: list[ReplayEvent] = field(default_factory=list)
    """Oldest first, at most 2,000."""


@dataclass(slots=True)
class FoundBox:
    """An object."""

    class_id: int
    class_name: str
    confidence: float
    xyxy: tuple[float, float, float, float]
    tracker_id: int | None


@dataclass(slots=True)
class FrameDifference:
    """A frame in which not the same was found."""

    at: float
    width: int
    """Size in whose pixels the boxes are."""
    height: int
    then: list[FoundBox]
    now: list[FoundBox]


@dataclass(slots=True)
class ReplayReport:
    """The outcome."""

    stream: str
    since: float
    until: float
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
