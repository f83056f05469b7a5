"""Who is in which zone, and what zones and lines have counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from sightline.analytics.zones.totals import Counted, LineCounts, Totals, ZoneCounts, line_counts, zone_counts

Kind: TypeAlias = Literal["zone", "line"]
Key: TypeAlias = tuple[Kind, str]
"""A zone or a line by its name."""


class Visit(NamedTuple):
    """An object's stay in a zone."""

    number: int
    """Tells visits and crossings of lines apart."""
    since: float
    """When it began, on the counter's clock."""
    class_name: str


class Register:
    """The totals of zones and lines, and the visits that last, by the object's row and the zone."""

    def __init__(self) -> None:
        self.when = 0.0
        """Seconds since 1970 at which the next is counted."""
        self.totals: dict[Key, Totals] = {}
        self.visits: dict[tuple[int, str], Visit] = {}
        self._now: dict[str, Counter[str]] = {}
        self._numbers = 0
        self._zones: dict[str, ZoneCounts] = {}
        self._lines: dict[str, LineCounts] = {}
        self._counted: Counted | None = None

    def have(self, keys: Iterable[Key]) -> None:
        """Have these zones and lines. What was counted of them stays."""
        self.totals = {key: self.totals.get(key) or Totals() for key in keys}
        self._now = {name: self._now.get(name, Counter()) for kind, name in self.totals if kind == "zone"}
        self._forget()

    def restore(self, totals: dict[Key, Totals]) -> None:
        """Go on from these totals, for zones and lines that there are."""
        self.totals |= {key: one for key, one in totals.items() if key in self.totals}
        self._forget()

    def number(self) -> int:
        """Return a number that nothing else has."""
        self._numbers += 1
        return self._numbers

    def enter(self, row: int, name: str, class_name: str, since: float) -> Visit:
        """Begin a visit."""
        visit = self.visits[row, name] = Visit(self.number(), since, class_name)
        now = self._now[name]
        now[class_name] += 1
        totals = self._total("zone", name)
        totals.add(self.when, class_name, 1)
        totals.most = max(totals.most, sum(now.values()))
        return visit

    def leave(self, row: int, name: str, at: float) -> tuple[Visit, float]:
        """End a visit. Returns it, and how many seconds it lasted."""
        visit = self.visits.pop((row, name))
        seconds = round(max(0.0, at - visit.since), 3)
        if name in self._now:
            self._now[name] = +(self._now[name] - Counter((visit.class_name,)))
            totals = self._total("zone", name)
            totals.add(self.when, visit.class_name, -1)
            totals.stayed(visit.class_name, seconds)
        return visit, seconds

    def cross(self, name: str, class_name: str, times: int) -> None:
        """Count crossings of a line: ``times`` is negative for those out of it."""
        self._total("line", name).add(self.when, class_name, times)

    def reset(self, kind: Kind, name: str) -> None:
        """Count from nothing. Who is in a zone stays there, and has entered."""
        self.totals[kind, name] = Totals()
        totals = self._total(kind, name)
        if kind == "zone":
            for class_name, count in self._now[name].items():
                totals.add(self.when, class_name, count)
            totals.most = sum(self._now[name].values())

    def counted(self) -> Counted:
        """Return what was counted so far: the same object until something changes."""
        if self._counted is None:
            zones, lines = self._zones, self._lines
            for kind, name in self.totals:  # only what has changed is put together anew
                if kind == "zone" and name not in zones:
                    zones[name] = zone_counts(self.totals[kind, name], self._now[name])
                elif kind == "line" and name not in lines:
                    lines[name] = line_counts(self.totals[kind, name])
            self._counted = Counted(
                {name: zones[name] for kind, name in self.totals if kind == "zone"},
                {name: lines[name] for kind, name in self.totals if kind == "line"},
            )
        return self._counted

    def _total(self, kind: Kind, name: str) -> Totals:
        """Return totals that are about to change."""
        (self._zones if kind == "zone" else self._lines).pop(name, None)
        self._counted = None
        return self.totals[kind, name]

    def _forget(self) -> None:
        self._zones, self._lines, self._counted = {}, {}, None
