"""Objects with an identity: each that a detector finds gets an id, which it keeps while it is seen."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from sightline.analytics._tracker import Ids, Tracker
from sightline.analytics.base import NOTHING, Stage, Staged
from sightline.core.predictions import Detections, Prediction, label_of
from sightline.core.types import Frame, ModelCard


class Tracks(Struct, frozen=True):
    """What goes out beside the ids."""

    seen: dict[str, int]
    """Distinct objects so far, by the name of their class: those that got an id."""


def create(*, lost_s: float = 2.0, confirm: int = 2, ids: Iterator[int] | None = None) -> Stage:
    """A stage for one stream: see ``Tracker``."""
    return TrackObjects(lost_s, confirm, itertools.count(1) if ids is None else ids)


class TrackObjects(Stage):
    """Gives the rows of detections their ids. Classes that are not shown are followed too."""

    quick = True

    def __init__(self, lost_s: float, confirm: int, ids: Iterator[int]) -> None:
        self._lost_s, self._confirm, self._ids = lost_s, confirm, ids
        self._labels: tuple[str, ...] | None = None
        self._found: Detections | None = None
        """The last frame's rows with their ids; None where the last prediction had no rows to be followed."""
        self._begin(Counter())

    def _begin(self, seen: Counter[str]) -> None:
        self._tracker = Tracker(lost_s=self._lost_s, confirm=self._confirm, ids=self._ids)
        self._seen_before = seen
        self._extras = Tracks(dict(seen)) if seen else None
        self._counted = 0
        """Objects that are counted in what goes out."""

    def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Staged:
        """Follow the objects of a frame. What is no detections, or has ids already, stays as it is."""
        self._found = None
        if not isinstance(prediction, Detections) or prediction.tracker_id is not None:
            return NOTHING
        labels = card.labels
        if self._labels is not labels and self._labels != labels:  # the numbers of classes mean something else now
            self._begin(self._seen())
            self._labels = labels
        ids = self._tracker.update(prediction.xyxy, prediction.confidence, prediction.class_id, frame.captured_at)
        return self._staged(prediction, ids)

    def touch(self, frame: Frame) -> Staged:
        """See the same objects again. They keep their ids, and those that were new may get one."""
        if self._found is None:
            return NOTHING
        ids, before = self._tracker.touch(frame.captured_at), self._found.tracker_id
        if before is not None and (ids == before).all():
            return Staged(self._told())
        return self._staged(self._found, ids)

    def _staged(self, found: Detections, ids: Ids) -> Staged:
        if not len(ids):  # nothing to give an id to
            self._found = found
            said = self._told()
            return NOTHING if said is None else Staged(said)
        self._found = found.with_tracks(ids, self._tracker.trails)
        return Staged(self._told(), prediction=self._found)

    def _told(self) -> Tracks | None:
        """Return what goes out: the same as long as nobody new is seen."""
        counted = self._tracker.seen.total()
        if counted != self._counted:
            self._counted, self._extras = counted, Tracks(dict(self._seen()))
        return self._extras

    def _seen(self) -> Counter[str]:
        labels = self._labels or ()
        return self._seen_before + Counter({label_of(k, labels): n for k, n in sorted(self._tracker.seen.items())})
