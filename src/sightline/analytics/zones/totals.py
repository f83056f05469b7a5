"""What zones and lines have counted: in all, by hour and by day, by class. It can be saved and restored."""

from __future__ import annotations

import time
from collections.abc import Mapping

from msgspec import Struct, field

from sightline.analytics.zones.speed import Speed

HOURS, DAYS = 48, 31
"""Hours and days that are kept."""
HOUR, DAY = "%Y-%m-%dT%H", "%Y-%m-%d"
"""Their names, for ``time.strftime``."""
LATEST = 4e9
"""Seconds since 1970 up to which a clock is believed: the year 2096."""


class Dwell(Struct):
    """How long objects stayed: visits that have ended."""

    visits: int = 0
    seconds: float = 0.0
    longest: float = 0.0


class InOut(Struct):
    """Crossings by class: into a zone or over a line, and back."""

    into: dict[str, int] = {}
    out: dict[str, int] = {}

    def add(self, class_name: str, times: int) -> None:
        """Count crossings: ``times`` is negative for those out of it."""
        side = self.into if times > 0 else self.out
        side[class_name] = side.get(class_name, 0) + abs(times)


class Totals(Struct):
    """The counts of one zone or line."""

    since: float = 0.0
    """Seconds since 1970, on the frames' clock, of the first count."""
    total: InOut = field(default_factory=InOut)
    hours: dict[str, InOut] = {}
    """By hour of the server's time zone, such as 2026-11-29T20: the newest 48."""
    days: dict[str, InOut] = {}
    """By day, such as 2026-11-29: the newest 31."""
    dwell: dict[str, Dwell] = {}
    most: int = 0
    """Most objects that were in a zone at a time."""

    def add(self, at: float, class_name: str, times: int) -> None:
        """Count crossings at a time in seconds since 1970."""
        self.since = self.since or at
        self.total.add(class_name, times)
        day = time.localtime(min(max(0.0, at), LATEST))  # also where it is no number
        for kept, form, most in ((self.hours, HOUR, HOURS), (self.days, DAY, DAYS)):
            key = time.strftime(form, day)
            if key not in kept:
                kept[key] = InOut()
                while len(kept) > most:
                    del kept[next(iter(kept))]
            kept[key].add(class_name, times)

    def stayed(self, class_name: str, seconds: float) -> None:
        """Count a visit that has ended."""
        dwell = self.dwell.setdefault(class_name, Dwell())
        dwell.visits += 1
        dwell.seconds += seconds
        dwell.longest = max(dwell.longest, seconds)


class DwellTime(Struct, frozen=True):
    """Seconds that objects of a class stayed: visits that have ended."""

    mean: float
    longest: float


class ZoneCounts(Struct, frozen=True):
    """What a zone counted, by class."""

    now: dict[str, int]
    entered: dict[str, int]
    left: dict[str, int]
    dwell: dict[str, DwellTime]
    most: int
    """Most objects at a time."""


class LineCounts(Struct, frozen=True, rename={"into": "in"}):
    """What a line counted, by class."""

    into: dict[str, int]
    out: dict[str, int]


class Counted(Struct, frozen=True, omit_defaults=True):
    """What a stream's zones and lines have counted."""

    zones: dict[str, ZoneCounts]
    lines: dict[str, LineCounts]
    speeds: dict[str, dict[str, Speed]] = {}
    """By zone and track, where a zone's place on the ground is known: metres a second, least and most."""
    revision: int = 0
    """Changes whenever other zones or lines are set while the server runs: who draws them asks for them anew."""


def zone_counts(totals: Totals, now: Mapping[str, int]) -> ZoneCounts:
    """Put a zone's counts together."""
    dwell = {
        name: DwellTime(round(one.seconds / one.visits, 2), round(one.longest, 2)) for name, one in totals.dwell.items()
    }
    return ZoneCounts(dict(now), dict(totals.total.into), dict(totals.total.out), dwell, totals.most)


def line_counts(totals: Totals) -> LineCounts:
    """Put a line's counts together."""
    return LineCounts(dict(totals.total.into), dict(totals.total.out))
