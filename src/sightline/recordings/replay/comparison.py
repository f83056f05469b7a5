"""What was found then and what is found now, of the same frames, side by side.

Each frame of the recording is one of both, of now alone (no result was recorded of it), or of then alone (its picture
can no longer be read). Counts by class are of the frames of both; tracks, zones, lines and events of all frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct, field, structs

from sightline.analytics.zones.totals import Counted
from sightline.core.events import Event, EventRecord
from sightline.core.records import Detection
from sightline.core.types import FrameResult
from sightline.recordings import folders
from sightline.recordings.lines import FrameLine, header_of
from sightline.recordings.replay.matching import same
from sightline.recordings.replay.report import FoundBox, FrameDifference, Passed, ReplayEvent, ReplayReport
from sightline.recordings.replay.tallies import Increments, SideTally
from sightline.recordings.said import Said
from sightline.recordings.spans import RecordedFile

TOLERANCE_S = 1e-6
MOST_DIFFERENCES = 1000
"""Frames that differ of which it is kept what was found; of more every second one, and so on."""
MOST_EVENTS = 2000
"""Events that are kept of each side."""
KINDS = frozenset(("object", "zone", "line", "loiter", "rule"))
"""Of events that come of results."""


class _Extras(Struct):
    zones: Counted | None = None


class _Found(Said):
    """What a recorded result says, with what zones had counted."""

    model: str = ""
    extras: _Extras = field(default_factory=_Extras)


_found = msgspec.json.Decoder(_Found)


class SessionLine(NamedTuple):
    """A line, and the run of the server that wrote it."""

    session: str
    line: FrameLine


def lines_of(folder: Path, start: float, end: float) -> Iterator[SessionLine]:
    """Read what lies beside the pictures of a time, in their order. ``folder``: the stream's own."""
    for path in folders.between(folder, start, end):
        try:
            session, said = header_of(path.with_suffix(".jsonl")).session, RecordedFile(path).lines
        except (OSError, ValueError, ZeroDivisionError):
            continue
        yield from (SessionLine(session, line) for line in said if start <= line.at <= end)


class ReplayComparison:
    """Takes in results of now, in the order of the recording. For one thread at a time."""

    def __init__(self, lines: Iterable[SessionLine]) -> None:
        """``lines``: what the recording says of the same time, in its order."""
        self._lines = iter(lines)
        self._waiting: SessionLine | None = None
        self.frames = self.both = self.differing = 0
        self._then, self._now = SideTally(), SideTally()
        self._passed = Increments()
        self._differences: list[FrameDifference] = []
        self._every = 1
        self._events: dict[str, ReplayEvent] = {}
        self._fired: Counter[str] = Counter()

    def add(self, at: float, result: FrameResult) -> None:
        """Take in a result of now. ``at``: when its picture was taken."""
        line = self._line(at)
        self.frames += 1
        before = None if line is None else self._took(line)
        self._now.add(result.card.name, result.detections)
        self.tell(result.events)
        if before is None:
            return
        self.both += 1
        width, height = result.frame.size
        across, down = before.width / width, before.height / height
        now = tuple(_scaled(one, across, down) for one in result.detections)
        self._then.compare(_names(before))
        self._now.compare([s.class_name for s in result.segments] if not now else [one.class_name for one in now])
        size = before.width, before.height
        segments = {s.class_name for s in before.segments}, {s.class_name for s in result.segments}
        if not same(before.detections, now) or segments[0] != segments[1]:
            self._differ(FrameDifference(at, *size, _boxes(before.detections), _boxes(now)))

    def tell(self, events: Iterable[Event]) -> None:
        """Take in events of now."""
        for event in events:
            if event.phase == "start":
                if event.kind == "rule":
                    self._fired[event.rule] += 1
                if len(self._events) < MOST_EVENTS:
                    name = event.rule or event.zone
                    self._events[event.id] = ReplayEvent(event.at, event.kind, name, event.class_name, event.direction)
            elif event.phase == "end" and event.id in self._events:
                self._events[event.id].seconds = event.seconds

    def report(
        self, stream: str, span: tuple[float, float], then: Sequence[EventRecord], counted: Counted | None = None
    ) -> ReplayReport:
        """Return the outcome of a time that was looked at to its end.

        ``then``: what happened in that time. ``counted``: by the zones and lines of now.
        """
        self._line(span[1] + 3 * TOLERANCE_S)
        stages = [one for one in then if one.kind in KINDS]
        before = self._then.side()
        before.zones, before.lines = self._passed.zones, self._passed.lines
        before.fired = dict(Counter(one.rule for one in stages if one.kind == "rule"))
        before.events = [_happened(one) for one in sorted(stages, key=lambda one: one.started_at)[:MOST_EVENTS]]
        now = self._now.side()
        if counted is not None:
            now.zones = {name: Passed(one.entered, one.left) for name, one in counted.zones.items()}
            now.lines = {name: Passed(one.into, one.out) for name, one in counted.lines.items()}
        now.fired = dict(self._fired)
        now.events = sorted(self._events.values(), key=lambda one: one.at)
        return ReplayReport(
            stream=stream,
            since=span[0],
            until=span[1],
            frames=self.frames,
            both=self.both,
            differing=self.differing,
            then=before,
            now=now,
            differences=self._differences,
        )

    def _line(self, at: float) -> SessionLine | None:
        """Return the line of a picture. Those that it passes have no picture now."""
        while True:
            one = self._waiting or next(self._lines, None)
            self._waiting = None
            if one is None or abs(one.line.at - at) <= TOLERANCE_S:
                return one
            if one.line.at > at:
                self._waiting = one
                return None
            self._alone(one)

    def _alone(self, one: SessionLine) -> None:
        self.frames += 1
        self._took(one)

    def _took(self, one: SessionLine) -> _Found | None:
        """Take in what was found then; None where there is no result."""
        if not one.line.result:
            return None
        try:
            found = _found.decode(one.line.result)
        except msgspec.MsgspecError:  # of a stage that is none of ours
            return None
        self._then.add(found.model, found.detections, one.session)
        if found.extras.zones is not None:
            self._passed.add(found.extras.zones)
        return found

    def _differ(self, difference: FrameDifference) -> None:
        if self.differing % self._every == 0:
            self._differences.append(difference)
            if len(self._differences) > MOST_DIFFERENCES:
                self._differences, self._every = self._differences[::2], self._every * 2
        self.differing += 1


def _names(found: Said) -> list[str]:
    return [one.class_name for one in found.detections or found.segments]


def _scaled(one: Detection, across: float, down: float) -> Detection:
    x1, y1, x2, y2 = one.xyxy
    box = (x1 * across, y1 * down, x2 * across, y2 * down)
    return structs.replace(one, xyxy=(round(box[0], 1), round(box[1], 1), round(box[2], 1), round(box[3], 1)))


def _boxes(found: Sequence[Detection]) -> list[FoundBox]:
    return [FoundBox(one.class_id, one.class_name, one.confidence, one.xyxy, one.tracker_id) for one in found]


def _happened(one: EventRecord) -> ReplayEvent:
    name = one.rule or one.zone
    return ReplayEvent(one.started_at, one.kind, name, one.class_name, one.direction, one.seconds)
