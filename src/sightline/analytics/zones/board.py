"""The zones and lines of one stream: they outlive its cameras, and change while it runs."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from sightline.analytics.base import Stage, Staged
from sightline.analytics.zones.counter import Happening, ZoneCounter
from sightline.analytics.zones.heatmap import Heatmap
from sightline.analytics.zones.objects import Sighting
from sightline.analytics.zones.register import Key, Kind
from sightline.analytics.zones.speed import Speed
from sightline.analytics.zones.totals import Counted, Totals
from sightline.core.events import Event
from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Frame, ModelCard
from sightline.core.zones import CrossingLine, Zone

SPEED_S = 0.2
"""Time between two looks at how fast objects are."""
NOWHERE = np.zeros((0, 4))
"""Boxes of nobody."""


class BoardState(Struct):
    """What a board has counted, and who is in its zones. It can be saved."""

    zones: dict[str, Totals] = {}
    lines: dict[str, Totals] = {}
    now: dict[str, dict[str, int]] = {}
    """Objects in each zone, by class."""


class ZoneBoard:
    """The zones and lines of a stream and what they counted. The loop and the stages' threads may use it."""

    def __init__(
        self, stream: str, zones: Mapping[str, Zone] | None = None, lines: Mapping[str, CrossingLine] | None = None
    ) -> None:
        self.stream = stream
        self.changes = 0
        """Grows with whatever is worth saving."""
        self._counter = ZoneCounter(zones, lines)
        self._lock = threading.Lock()
        self._prefix = secrets.token_hex(4)
        """Tells the events of this run of the server from those of others."""
        self._at, self._seq = 0.0, 0
        self._heatmap = Heatmap()
        self._speeds: dict[str, dict[str, Speed]] = {}
        self._timed = 0.0

    @property
    def empty(self) -> bool:
        """True if there is neither a zone nor a line."""
        return not self.zones and not self.lines

    @property
    def zones(self) -> Mapping[str, Zone]:
        """Zones by name. Not to be changed in place."""
        return self._counter.zones

    @property
    def lines(self) -> Mapping[str, CrossingLine]:
        """Lines by name. Not to be changed in place."""
        return self._counter.lines

    def take(self, frame: Frame, sighting: Sighting) -> Staged:
        """Take in the tracked objects of a frame."""
        with self._lock:
            self._at, self._seq = frame.captured_at, frame.seq
            if self._heatmap.due(frame.captured_at):
                self._heatmap.add(frame.captured_at, sighting.anchors()[:, :2])
            if self.empty:
                return Staged()
            when = time.time() - (time.monotonic() - frame.received_at)
            events = self._events(self._counter.update(frame.captured_at, sighting, when))
            counted = self._counter.counted()
            if abs(frame.captured_at - self._timed) > SPEED_S:
                self._timed, self._speeds = frame.captured_at, self._counter.speeds()
            return Staged(structs.replace(counted, speeds=self._speeds) if self._speeds else counted, events)

    def heatmap(self) -> NDArray[np.uint8]:
        """Return where objects have been of late, as BGR and opacity: see ``Heatmap.picture``."""
        with self._lock:
            return self._heatmap.picture()

    def finish(self, reason: str) -> tuple[Event, ...]:
        """No more frames come for now: return the ends of all that lasts."""
        with self._lock:
            return self._events(self._counter.finish(reason))

    def change(self, zones: Mapping[str, Zone], lines: Mapping[str, CrossingLine]) -> tuple[Event, ...]:
        """Have these zones and lines from now on; return the ends of what lasted in others."""
        with self._lock:
            self.changes += 1
            return self._events(self._counter.change(zones, lines))

    def reset(self, kind: Kind, name: str) -> None:
        """Have a zone or line count from nothing."""
        with self._lock:
            self.changes += 1
            self._counter.register.reset(kind, name)

    def counted(self) -> Counted:
        """Return what was counted so far."""
        with self._lock:
            return self._counter.counted()

    def totals(self, kind: Kind, name: str) -> Totals:
        """Return a copy of what a zone or line counted, by hour and day."""
        with self._lock:
            return msgspec.json.decode(msgspec.json.encode(self._counter.totals(kind, name)), type=Totals)

    def saved(self) -> bytes:
        """Return what is worth saving, as JSON."""
        with self._lock:
            zones = {name: self._counter.totals("zone", name) for name in self.zones}
            lines = {name: self._counter.totals("line", name) for name in self.lines}
            now = {name: dict(zone.now) for name, zone in self._counter.counted().zones.items()}
            return msgspec.json.encode(BoardState(zones, lines, now))

    def restore(self, state: BoardState) -> None:
        """Go on from what was saved, for zones and lines that are still there. Who was in a zone has left it."""
        with self._lock:
            for name in state.now.keys() & state.zones.keys():
                for class_name, count in state.now[name].items():
                    state.zones[name].add(time.time(), class_name, -count)
            totals: dict[Key, Totals] = {("zone", name): one for name, one in state.zones.items()}
            self._counter.register.restore(totals | {("line", name): one for name, one in state.lines.items()})

    def _events(self, happened: Iterable[Happening]) -> tuple[Event, ...]:
        """Put happenings in words: a visit or loitering starts or ends, the crossing of a line does both."""
        events: list[Event] = []
        for one in happened:
            self.changes += 1
            start = Event(
                id=f"{self._prefix}-{one.number}",
                stream=self.stream,
                phase="start",
                kind=one.kind,
                at=self._at,
                seq=self._seq,
                class_name=one.class_name,
                track=one.track,
                box=one.box,
                zone=one.name,
                direction=one.direction if one.kind == "line" else "",
            )
            if one.kind == "line":
                events += [start, structs.replace(start, phase="end")]
            elif one.direction == "in":
                events.append(start)
            else:
                end = structs.replace(start, phase="end", seconds=one.seconds, speed=one.speed, reason=one.reason)
                events.append(end)
        return tuple(events)


class CountInZones(Stage):
    """Counts in a stream's zones and over its lines, for one camera."""

    quick = True

    def __init__(self, board: ZoneBoard) -> None:
        self._board = board
        self._last: tuple[Prediction, ModelCard] | None = None

    def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Staged:
        """Take in the tracked objects of a frame."""
        self._last = prediction, card
        return self.touch(frame)

    def revise(self, prediction: Prediction) -> None:
        """The same objects have other ids."""
        if self._last is not None:
            self._last = prediction, self._last[1]

    def touch(self, frame: Frame) -> Staged:
        """The objects are where they were."""
        if self._last is None:
            return Staged()
        objects, card = self._last[0].objects, self._last[1]
        if objects.tracker_id is None and len(objects) and self._board.empty:
            return Staged()
        return self._board.take(frame, tracked(objects, card, frame.size))

    def finish(self, reason: str) -> tuple[Event, ...]:
        """End all visits."""
        return self._board.finish(reason)


def tracked(objects: Detections, card: ModelCard, size: tuple[int, int]) -> Sighting:
    """Return the rows that a tracker is certain of: those with an id that is not negative."""
    ids = objects.tracker_id
    if ids is None or not len(ids):
        return Sighting([], [], NOWHERE, size)
    boxes, classes, trails = objects.xyxy, objects.class_id, objects.trails
    known = ids >= 0
    if not known.all():
        ids, boxes, classes = ids[known], boxes[known], classes[known]
        trails = None if trails is None else trails[known]
    return Sighting(ids.tolist(), list(map(card.label, classes.tolist())), boxes.astype(np.float64), size, trails)
