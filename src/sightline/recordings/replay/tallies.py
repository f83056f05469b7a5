"""Sums of what was found, and of what zones and lines counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sightline.analytics.zones.totals import Counted
from sightline.core.records import Detection
from sightline.recordings.replay.report import ClassCount, Passed, ReplaySide


class SideTally:
    """What one side found."""

    def __init__(self) -> None:
        self._frames = 0
        self._models: dict[str, None] = {}
        self._tracks: dict[str, set[tuple[str, int]]] = {}
        self._seen: Counter[str] = Counter()
        self._most: Counter[str] = Counter()

    def add(self, model: str, found: Iterable[Detection], session: str = "") -> None:
        """Take in any frame. ``session``: the run of a server, each of which counts its tracks from one."""
        self._frames += 1
        self._models[model] = None
        for one in found:
            if one.tracker_id is not None and one.tracker_id >= 0:
                self._tracks.setdefault(one.class_name, set()).add((session, one.tracker_id))

    def compare(self, names: Iterable[str]) -> None:
        """Take in a frame of both."""
        here = Counter(names)
        self._seen.update(here.keys())
        self._most |= here

    def side(self) -> ReplaySide:
        """Return what was found."""
        names = sorted(self._seen.keys() | self._tracks.keys())
        classes = {n: ClassCount(self._seen[n], self._most[n], len(self._tracks.get(n, ()))) for n in names}
        return ReplaySide(list(filter(None, self._models)), self._frames, classes)


class Increments:
    """What zones and lines counted within a time, by totals that began before it, and may begin anew within it."""

    def __init__(self) -> None:
        self.zones: dict[str, Passed] = {}
        self.lines: dict[str, Passed] = {}
        self._last: dict[tuple[str, str], Passed] = {}

    def add(self, counted: Counted) -> None:
        """Take in the totals of a frame."""
        for name, zone in counted.zones.items():
            self._add(("zone", name), self.zones, Passed(zone.entered, zone.left))
        for name, line in counted.lines.items():
            self._add(("line", name), self.lines, Passed(line.into, line.out))

    def _add(self, key: tuple[str, str], sums: dict[str, Passed], totals: Passed) -> None:
        last, self._last[key] = self._last.get(key, totals), totals
        passed = sums.setdefault(key[1], Passed())
        _grow(passed.into, last.into, totals.into)
        _grow(passed.out, last.out, totals.out)


def _grow(sums: dict[str, int], last: dict[str, int], totals: dict[str, int]) -> None:
    for name, total in totals.items():
        before = last.get(name, 0)
        more = total - before if total >= before else total
        if more:
            sums[name] = sums.get(name, 0) + more
