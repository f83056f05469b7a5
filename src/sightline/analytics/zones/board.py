"""The zones and lines of one stream: they outlive its cameras, and change while it runs."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from sightline.analytics._happenings import Box, Happening
from sightline.analytics.base import NOTHING, Stage, Staged
from sightline.analytics.zones.counter import ZoneCounter
from sightline.analytics.zones.heatmap import Heatmap
from sightline.analytics.zones.history import KEPT_S, History, PastFrame
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
MOST_NEWS = 4096
"""Happenings that are kept for who follows; more would be those of minutes without a look."""


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
        self.lock = threading.Lock()
        """Who follows what happens here holds it too."""
        self.follows_picture = False
        """True where somebody wants to know of objects in the picture also without zones and lines."""
        self.revision = 0
        """Grows with every change of zones and lines."""
        self._counter = ZoneCounter(zones, lines)
        self._news: deque[Happening] = deque(maxlen=MOST_NEWS)
        self._prefix = secrets.token_hex(4)
        """Tells the events of this run of the server from those of others."""
        self._at, self._seq = 0.0, 0
        self._heatmap = Heatmap()
        self._history = History()
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
        with self.lock:
            self._at, self._seq = frame.captured_at, frame.seq
            if self._heatmap.due(frame.captured_at):
                self._heatmap.add(frame.captured_at, sighting.anchors()[:, :2])
            self._history.add(frame.captured_at, frame.seq, frame.received_at, sighting)
            if self.empty and not self.follows_picture:
                over = self._counter.finish("it is followed no more") if self._counter.follows_any else ()
                return Staged(events=self._events(over)) if over else NOTHING
            when = time.time() - (time.monotonic() - frame.received_at)
            events = self._events(self._counter.update(frame.captured_at, sighting, when))
            if self.empty:
                return Staged(events=events)
            counted = self._counter.counted()
            if abs(frame.captured_at - self._timed) > SPEED_S:
                self._timed, self._speeds = frame.captured_at, self._counter.speeds()
            if self._speeds or self.revision:
                counted = structs.replace(counted, speeds=self._speeds, revision=self.revision)
            return Staged(counted, events)

    def heatmap(self) -> NDArray[np.uint8]:
        """Return where objects have been of late, as BGR and opacity: see ``Heatmap.picture``."""
        with self.lock:
            return self._heatmap.picture()

    def recent(self, seconds: float = KEPT_S) -> Sequence[PastFrame | None]:
        """Return what was seen in the last seconds; None where no frames came any more for a while."""
        with self.lock:
            return self._history.since(time.monotonic() - seconds)

    def finish(self, reason: str) -> tuple[Event, ...]:
        """No more frames come for now: return the ends of all that lasts."""
        with self.lock:
            self._history.cut()
            return self._events(self._counter.finish(reason))

    def change(self, zones: Mapping[str, Zone], lines: Mapping[str, CrossingLine]) -> tuple[Event, ...]:
        """Have these zones and lines from now on; return the ends of what lasted in others."""
        with self.lock:
            self.changes += 1
            self.revision += 1
            return self._events(self._counter.change(zones, lines))

    def reset(self, kind: Kind, name: str) -> None:
        """Have a zone or line count from nothing."""
        with self.lock:
            self.changes += 1
            self._counter.register.reset(kind, name)

    def counted(self) -> Counted:
        """Return what was counted so far."""
        with self.lock:
            return self._counter.counted()

    def totals(self, kind: Kind, name: str) -> Totals:
        """Return a copy of what a zone or line counted, by hour and day."""
        with self.lock:
            return msgspec.json.decode(msgspec.json.encode(self._counter.totals(kind, name)), type=Totals)

    def saved(self) -> bytes:
        """Return what is worth saving, as JSON."""
        with self.lock:
            zones = {name: self._counter.totals("zone", name) for name in self.zones}
            lines = {name: self._counter.totals("line", name) for name in self.lines}
            now = {name: dict(zone.now) for name, zone in self._counter.counted().zones.items()}
            return msgspec.json.encode(BoardState(zones, lines, now))

    def restore(self, state: BoardState) -> None:
        """Go on from what was saved, for zones and lines that are still there. Who was in a zone has left it."""
        with self.lock:
            for name in state.now.keys() & state.zones.keys():
                for class_name, count in state.now[name].items():
                    state.zones[name].add(time.time(), class_name, -count)
            totals: dict[Key, Totals] = {("zone", name): one for name, one in state.zones.items()}
            self._counter.register.restore(totals | {("line", name): one for name, one in state.lines.items()})

    # For who follows, holding the lock

    @property
    def clock(self) -> float:
        """Seconds on the counter's clock: see ``ZoneCounter``."""
        return self._counter.clock

    @property
    def last(self) -> tuple[float, int]:
        """When the last frame was taken, in seconds since 1970, and its number."""
        return self._at, self._seq

    def news(self) -> Sequence[Happening]:
        """Return what has happened since the last call."""
        found = tuple(self._news)
        self._news.clear()
        return found

    def visits(self) -> Sequence[Happening]:
        """Return the visits that last, each as it began."""
        return self._counter.visits()

    def there(self, row: int, zone: str) -> float:
        """Return when an object was last seen, if that was in this zone: see ``ZoneCounter``."""
        return self._counter.there(row, zone)

    def looks(self, row: int) -> tuple[int, Box]:
        """Return an object's track, and where it was last seen."""
        return self._counter.looks(row)

    def _events(self, happened: Iterable[Happening]) -> tuple[Event, ...]:
        """Put happenings in words: a visit or loitering starts or ends, the crossing of a line does both."""
        events: list[Event] = []
        for one in happened:
            self._news.append(one)
            if one.kind == "picture":
                continue
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
            return NOTHING
        objects, card = self._last[0].objects, self._last[1]
        if objects.tracker_id is None and len(objects) and self._board.empty:
            return NOTHING
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
