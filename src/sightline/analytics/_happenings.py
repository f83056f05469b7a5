"""What objects do in a stream, as the stage that counts it tells those that follow it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

Direction: TypeAlias = Literal["in", "out"]
What: TypeAlias = Literal["picture", "zone", "loiter", "line"]
Box: TypeAlias = tuple[float, float, float, float]


class Happening(NamedTuple):
    """An object came into the picture or a zone, loitered there, left it, or crossed a line."""

    kind: What
    name: str
    """Of the zone or line; empty for the picture."""
    direction: Direction
    number: int
    """Tells happenings apart. A visit begins and ends with the same, and so does loitering."""
    row: int
    """Tells objects apart while they are there, whatever their track's id."""
    since: float
    """When it was, and for a visit when it began, on the counter's clock."""
    track: int
    class_name: str
    box: Box
    """x1, y1, x2, y2 in pixels, where it was last seen."""
    seconds: float | None = None
    """How long it stayed; None but for who leaves, or loiters no more."""
    reason: str = ""
    """Why a visit ended, where it was not seen to."""
    speed: tuple[float, float, float] | None = None
    """Its mean speed over the visit, where the zone's place on the ground is known; None but for who leaves."""
    vanished: bool = False
    """True for who left because it was seen no more: it stayed until then."""


class Followed(Protocol):
    """What a follower asks of who counts, holding its lock."""

    lock: threading.Lock
    follows_picture: bool
    """Set by who wants to know of objects in the picture also where there is neither zone nor line."""

    @property
    def stream(self) -> str:
        """Name of the stream."""

    @property
    def clock(self) -> float:
        """Seconds on the counter's clock, which is the frames' and never goes back."""

    @property
    def last(self) -> tuple[float, int]:
        """When the last frame was taken, in seconds since 1970, and its number."""

    def news(self) -> Sequence[Happening]:
        """Return what has happened since the last call."""

    def visits(self) -> Sequence[Happening]:
        """Return the visits that last, each as it began."""

    def there(self, row: int, zone: str) -> float:
        """Return when an object was last seen, if that was in this zone (empty: the picture); else minus infinity."""

    def looks(self, row: int) -> tuple[int, Box]:
        """Return an object's track, and where it was last seen."""
