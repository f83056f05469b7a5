"""Counts what tracked objects do in the zones and over the lines of one stream.

It knows no frames and no tracker: it is told of the objects in each frame, and answers with what happened.
Time is the frames' clock. How many frames there are between two sights of an object means nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sightline.analytics._happenings import Box, Direction, Happening, What
from sightline.analytics.zones.crossings import Crossing, Crossings
from sightline.analytics.zones.geometry import Bools, Floats, Outlines
from sightline.analytics.zones.loitering import Loitering, Stay
from sightline.analytics.zones.objects import Objects, Sighting
from sightline.analytics.zones.register import Key, Kind, Register, Visit
from sightline.analytics.zones.speed import Speed, Speedometer
from sightline.analytics.zones.totals import Counted, Totals
from sightline.core.zones import BaseShape, CrossingLine, Zone

LONGEST_S = 3600.0
"""Seconds that may pass between two frames; a clock that goes further was set."""
SWEEP_S = 5.0
"""Time between two looks for objects that may be forgotten."""
LATELY_S = 2.0
"""Time over which the speed of who is in a zone is taken."""


class ZoneCounter:
    """Zones and lines of one stream, and what they have counted. One thread at a time."""

    def __init__(
        self, zones: Mapping[str, Zone] | None = None, lines: Mapping[str, CrossingLine] | None = None
    ) -> None:
        self.zones: dict[str, Zone] = {}
        self.lines: dict[str, CrossingLine] = {}
        self.register = Register()
        self._shapes: dict[Key, BaseShape] = {}
        self._columns: dict[str, int] = {}
        """Place of each zone among the shapes, by name."""
        self._objects = Objects()
        self._crossings = Crossings()
        self._outlines: Outlines | None = None
        self._loitering = Loitering()
        self._speedometers: dict[str, Speedometer] = {}
        """Of the zones whose place on the ground is known."""
        self._lives: dict[int, Visit] = {}
        """Visits to the picture that last, by the object's row."""
        self._of_class: dict[str, Bools] = {}
        """Which shapes a class is of concern to."""
        self._choosy = False
        """Whether some objects are of no concern to some shapes."""
        self.clock = self._swept = 0.0
        """Seconds since the first frame. It never goes back."""
        self._at: float | None = None
        """Time of the last frame, on the frames' clock."""
        self.change(zones or {}, lines or {})

    def change(self, zones: Mapping[str, Zone], lines: Mapping[str, CrossingLine]) -> list[Happening]:
        """Have these zones and lines from now on. What those of the same name have counted stays."""
        old, before = self._shapes, {key: n for n, key in enumerate(self._shapes)}
        self._speedometers = {
            name: self._speedometers[name] if zone == self.zones.get(name) else Speedometer(zone.points, zone.ground)
            for name, zone in zones.items()
            if zone.ground is not None
        }
        self.zones, self.lines = dict(zones), dict(lines)
        self._shapes = {("zone", name): zone for name, zone in zones.items()}
        self._shapes |= {("line", name): line for name, line in lines.items()}
        self._columns = {name: n for n, name in enumerate(zones)}
        self._of_class, self._outlines = {}, None
        self._choosy = any(shape.min_size or shape.classes is not None for shape in self._shapes.values())
        self.register.have(self._shapes)
        same = {key for key, shape in self._shapes.items() if key in old and shape.anchor == old[key].anchor}
        self._crossings.reshape(len(self._objects), [before[key] if key in same else None for key in self._shapes])
        happened: list[Happening] = []
        for row, name in list(self.register.visits):
            if ("zone", name) not in same or not self._concerns(self._objects.classes[row], zones[name]):
                why = "the zone was changed" if name in zones else "the zone was removed"
                happened += self._leave(row, name, self.clock, why)
        return [*happened, *self._change_loitering()]

    def update(self, at: float, sighting: Sighting, when: float | None = None) -> list[Happening]:
        """Take in the tracked objects of a frame.

        ``at``: seconds on the frames' clock. ``when``: seconds since 1970 on the clock by whose hours and days it is
        counted; without it they are those of the frames' clock.
        """
        happened: list[Happening] = []
        self.register.when = at if when is None else when
        if (earlier := sighting.before_ids(self._objects.ids)) is not None:
            happened += self._see(earlier)  # at the time of the frame before, or longer ago
        # A clock that is set costs nothing but the time between two frames.
        self.clock += 0.0 if self._at is None else min(max(0.0, at - self._at), LONGEST_S)
        self._at = at
        if len(sighting.ids):
            happened += self._see(sighting)
            happened += self._loiter()
        for row in self._objects.lost(self.clock):
            happened += self._lose(row, "it was seen no more")
        if self.clock - self._swept > SWEEP_S:
            self._swept = self.clock
            self._objects.forget(self.clock)
        return happened

    def finish(self, reason: str) -> list[Happening]:
        """No more frames come: what waits is decided, and all visits end."""
        happened: list[Happening] = []
        for row in np.flatnonzero(self._objects.present).tolist():
            happened += self._lose(row, reason)
        self._objects, self._crossings, self._at = Objects(), Crossings(), None
        self._crossings.reshape(0, [None] * len(self._shapes))
        return happened

    def counted(self) -> Counted:
        """Return what was counted so far: the same object until something changes."""
        return self.register.counted()

    def speeds(self) -> dict[str, dict[str, Speed]]:
        """Return the speeds of late of who is in the zones whose place on the ground is known, by zone and track."""
        found: dict[str, dict[str, Speed]] = {name: {} for name in self._speedometers}
        for row, name in self.register.visits:
            if name in found and (speed := self._speedometers[name].speed(row, last_s=LATELY_S)) is not None:
                found[name][str(self._objects.tracks[row])] = speed
        return found

    def totals(self, kind: Kind, name: str) -> Totals:
        """Return what a zone or line counted, by hour and day."""
        return self.register.totals[kind, name]

    @property
    def follows_any(self) -> bool:
        """True if an object is in the picture."""
        return bool(self._lives)

    def visits(self) -> list[Happening]:
        """Return the visits to zones and to the picture that last, each as it began."""
        found = [self._happening("picture", "", row, "in", life) for row, life in self._lives.items()]
        return found + [
            self._happening("zone", name, row, "in", visit) for (row, name), visit in self.register.visits.items()
        ]

    def there(self, row: int, zone: str) -> float:
        """Return when an object was last seen, if that was in this zone (empty: the picture); else minus infinity.

        It must be on a visit there.
        """
        column = self._columns.get(zone)
        there = not zone or (column is not None and not self._crossings.waiting(row, column))
        return float(self._objects.seen[row]) if there else -math.inf

    def looks(self, row: int) -> tuple[int, Box]:
        """Return an object's track, and where it was last seen: x1, y1, x2, y2 in pixels."""
        x1, y1, x2, y2 = self._objects.boxes[row].round(1).tolist()
        return self._objects.tracks[row], (x1, y1, x2, y2)

    def _see(self, sighting: Sighting) -> Iterator[Happening]:
        anchors, heights = sighting.anchors(), sighting.heights()
        rows, made = self._objects.place(self.clock, sighting, anchors)
        came = rows[~self._objects.present[rows]].tolist()
        if made:
            self._crossings.reshape(len(self._objects))
            self._crossings.forget(made)
        before = self._objects.anchors[rows]
        self._objects.note(self.clock, rows, sighting, anchors)
        for row in came:
            life = self._lives[row] = Visit(self.register.number(), self.clock, self._objects.classes[row])
            yield self._happening("picture", "", row, "in", life)
        counts = self._concern(sighting.classes, heights) if self._choosy else None
        outlines = self._outlines_for(sighting.size)
        for crossing in self._crossings.step(self.clock, rows, outlines, before, anchors, heights, counts):
            yield from self._cross(crossing)
        for name, speedometer in self._speedometers.items():
            there = [n for n, row in enumerate(rows.tolist()) if (row, name) in self.register.visits]
            speedometer.note(self.clock, rows[there].tolist(), anchors[there, :2])

    def _lose(self, row: int, reason: str) -> Iterator[Happening]:
        """An object is gone."""
        for crossing in self._crossings.gone(row):
            yield from self._cross(crossing)
        seen = float(self._objects.seen[row])
        for name in [name for one, name in self.register.visits if one == row]:
            for left in self._leave(row, name, seen, reason):
                yield left._replace(vanished=True)
        self._crossings.forget([row], slice(0, len(self.zones)))
        if (life := self._lives.pop(row, None)) is not None:
            stayed = round(max(0.0, seen - life.since), 3)
            left = self._happening("picture", "", row, "out", life)
            yield left._replace(seconds=stayed, reason=reason, vanished=True)

    def _cross(self, crossing: Crossing) -> Iterator[Happening]:
        kind, name = list(self._shapes)[crossing.shape]
        row, inward = crossing.row, crossing.times > 0
        class_name = self._objects.classes[row]
        if kind == "line":
            self.register.cross(name, class_name, crossing.times)
            for _ in range(abs(crossing.times)):
                crossed = Visit(self.register.number(), crossing.since, class_name)
                yield self._happening(kind, name, row, "in" if inward else "out", crossed)
        elif inward:
            visit = self.register.enter(row, name, class_name, crossing.since)
            self._loitering.enter(Stay(row, name), crossing.since)
            yield self._happening(kind, name, row, "in", visit)
        elif (row, name) in self.register.visits:
            yield from self._leave(row, name, crossing.since, "")

    def _leave(self, row: int, name: str, at: float, reason: str) -> Iterator[Happening]:
        """End a visit. An object that stayed long enough has loitered, though no frame may have shown it."""
        visit, seconds = self.register.leave(row, name, at)
        stay, speed = Stay(row, name), None
        if (speedometer := self._speedometers.get(name)) is not None:
            speed = speedometer.speed(row)
            speedometer.forget(row)
        left = self._happening("zone", name, row, "out", visit)
        left = left._replace(seconds=seconds, reason=reason, speed=speed)
        loitered = self._loitering.end(stay)
        if loitered is None and self._loitering.long(stay, seconds):
            loitered = self.register.number()
            yield self._happening("loiter", name, row, "in", visit._replace(number=loitered))
        if loitered is not None:
            yield left._replace(kind="loiter", number=loitered)
        yield left

    def _loiter(self) -> Iterator[Happening]:
        """Begin to loiter: those who stayed long, and are not about to leave."""
        for stay in self._loitering.due(self._objects.seen):
            if not self._crossings.waiting(stay.row, self._columns[stay.zone]):
                number = self._loitering.begin(stay, self.register.number())
                visit = self.register.visits[stay.row, stay.zone]._replace(number=number)
                yield self._happening("loiter", stay.zone, stay.row, "in", visit)

    def _change_loitering(self) -> Iterator[Happening]:
        """The zones have changed: end what is no loitering any more."""
        since = {Stay(*key): visit.since for key, visit in self.register.visits.items()}
        seconds = {stay: float(self._objects.seen[stay.row]) - begun for stay, begun in since.items()}
        for stay, number in self._loitering.change(self.zones, since, seconds):
            visit = self.register.visits[stay.row, stay.zone]._replace(number=number)
            ended = self._happening("loiter", stay.zone, stay.row, "out", visit)
            yield ended._replace(seconds=round(seconds[stay], 3), reason="the zone was changed")

    def _happening(self, kind: What, name: str, row: int, direction: Direction, visit: Visit) -> Happening:
        track, box = self.looks(row)
        return Happening(kind, name, direction, visit.number, row, visit.since, track, self._objects.classes[row], box)

    def _concern(self, classes: Sequence[str], heights: Floats) -> Bools:
        """N x K: whether objects of these classes and heights are of concern to a shape."""
        for name in set(classes) - self._of_class.keys():
            wanted = [self._concerns(name, shape) for shape in self._shapes.values()]
            self._of_class[name] = np.array(wanted, bool)
        least = np.array([shape.min_size for shape in self._shapes.values()])
        return np.stack([self._of_class[name] for name in classes]) & (heights[:, None] >= least)

    @staticmethod
    def _concerns(class_name: str, shape: BaseShape) -> bool:
        return shape.classes is None or class_name in shape.classes

    def _outlines_for(self, size: tuple[int, int]) -> Outlines:
        aspect = size[0] / size[1]
        if self._outlines is None or not math.isclose(self._outlines.aspect, aspect):
            self._outlines = Outlines(list(self.zones.values()), list(self.lines.values()), aspect)
        return self._outlines
