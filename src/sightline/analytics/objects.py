"""Events of objects: each that has an id begins one, which ends once the object is gone."""

from __future__ import annotations

import secrets
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from msgspec import structs

from sightline.analytics.base import Stage, Staged
from sightline.core.events import Event
from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Frame, ModelCard

CLASS_S = 0.5
"""Time for which an object has to be of another class until that is told: models waver between neighbours."""
TOLERANCE_S = 1e-3
"""Seconds by which times may differ and are the same."""
LONGEST_S = 3600.0
"""Seconds that may pass between two frames; a clock that goes further was set."""
MOST = 2048
"""Objects that are told of at a time; the tracker has no more than 1,000."""


def create(*, lost_s: float = 2.0, tracking: Hashable = None) -> Stage:
    """A stage for one camera of a stream.

    ``lost_s``: seconds for which an object may be unseen, as for the tracker. ``tracking``: how else objects are
    followed. With another way they have other ids, so that the stage begins anew.
    """
    return ObjectEvents(lost_s)


@dataclass(slots=True)
class _Known:
    """An object that was told of."""

    start: Event
    """Its start, with its class and box as they were told last or are now."""
    began: float
    """When it was first seen, on the stage's clock, and below when last."""
    seen: float
    other: str = ""
    """Another class that it is of lately."""
    since: float = 0.0
    """When it was first of it."""


class ObjectEvents(Stage):
    """Tells of the objects that a tracker is certain of."""

    quick = True

    def __init__(self, lost_s: float) -> None:
        self._lost_s = lost_s
        self._known: dict[int, _Known] = {}
        """By track."""
        self._objects: Detections | None = None
        self._classes: list[str] = []
        """Class of each row."""
        self._labels: tuple[str, ...] | None = None
        """Classes of the model."""
        self._frame: Frame | None = None
        self._clock = 0.0
        """Seconds since the first frame. It never goes back."""
        self._prefix, self._number = secrets.token_hex(8), 0

    def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Staged:
        """Take in the objects of a frame."""
        ended: tuple[Event, ...] = ()
        if self._labels != card.labels:  # objects are followed anew then
            self._labels, ended = card.labels, self.finish("the stream has another model")
        self._objects = prediction.objects
        self._classes = [card.label(class_id) for class_id in self._objects.class_id.tolist()]
        return Staged(events=(*ended, *self.touch(frame).events))

    def revise(self, prediction: Prediction) -> None:
        """The same objects have other ids."""
        self._objects = prediction.objects

    def touch(self, frame: Frame) -> Staged:
        """The objects are where they were."""
        if self._frame is not None:
            self._clock += min(max(0.0, frame.captured_at - self._frame.captured_at), LONGEST_S)
        self._frame = frame
        return Staged(events=(*self._see(frame), *self._lose(frame)))

    def finish(self, reason: str) -> tuple[Event, ...]:
        """End all that lasts."""
        ended, self._known = self._known, {}
        if self._frame is None:
            return ()
        return tuple(self._end(self._frame, ended.values(), reason))

    def _see(self, frame: Frame) -> Iterator[Event]:
        if self._objects is None or self._objects.tracker_id is None:
            return
        boxes = self._objects.xyxy.astype(float).round(1).tolist()
        for row, track in enumerate(self._objects.tracker_id.tolist()):
            x1, y1, x2, y2 = boxes[row]
            if (known := self._known.get(track)) is not None:
                known.start = structs.replace(known.start, box=(x1, y1, x2, y2))
                known.seen = self._clock
                yield from self._classify(frame, known, self._classes[row])
            elif track >= 0 and len(self._known) < MOST:
                self._number += 1
                start = Event(
                    id=f"{self._prefix}-{self._number}",
                    stream=frame.stream,
                    phase="start",
                    kind="object",
                    at=frame.captured_at,
                    seq=frame.seq,
                    class_name=self._classes[row],
                    track=track,
                    box=(x1, y1, x2, y2),
                )
                self._known[track] = _Known(start, self._clock, self._clock)
                yield start

    def _classify(self, frame: Frame, known: _Known, class_name: str) -> Iterator[Event]:
        """Tell of an object's other class once it has been of it for a while."""
        if class_name == known.start.class_name:
            known.other = ""
        elif class_name != known.other:
            known.other, known.since = class_name, self._clock
        elif self._clock - known.since >= CLASS_S - TOLERANCE_S:
            known.start, known.other = structs.replace(known.start, class_name=class_name), ""
            yield structs.replace(known.start, phase="update", at=frame.captured_at, seq=frame.seq)

    def _lose(self, frame: Frame) -> Iterator[Event]:
        """End those that were not seen for so long that the tracker has given them up."""
        last = self._clock - self._lost_s - TOLERANCE_S
        gone = [track for track, known in self._known.items() if known.seen < last]
        yield from self._end(frame, [self._known.pop(track) for track in gone], "")

    @staticmethod
    def _end(frame: Frame, gone: Iterable[_Known], reason: str) -> Iterator[Event]:
        for one in gone:
            lasted = round(one.seen - one.began, 3)
            yield one.start.ended(frame.captured_at, frame.seq, lasted, reason)
