"""Objects over time: each track has a row, and a track that goes on under another id keeps its row."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sightline.analytics.zones.geometry import Floats

GONE_S = 1.0
"""Time without a sight of it after which an object is gone. Until then a new track of its class may go on for it."""
REMEMBERED_S = 60.0
"""Time without a sight after which an object is forgotten, as long as a track may be lost: until then it goes on under
its own id."""
MOST = 2048
"""Objects that are remembered."""
REACH = 0.5
"""Heights of its box by which a track may begin beside the place where another one would be by now."""
REACH_PER_S = 1.0
"""The same for each second that passed."""
SPEED_S = 0.25
"""Time over which an object's speed is taken."""
TOLERANCE_S = 1e-3
"""Seconds by which times may differ and are the same."""


class Sighting(NamedTuple):
    """The tracked objects of one frame: N rows."""

    ids: Sequence[int]
    classes: Sequence[str]
    """Names of their classes."""
    boxes: Floats
    """N x 4: x1, y1, x2, y2 in pixels."""
    size: tuple[int, int]
    """Width and height of the frame."""
    trails: NDArray[np.float32] | None = None
    """Where each stood before, if that is known: see ``Detections.trails``."""

    def before_ids(self, known: Container[int]) -> Sighting | None:
        """Return where the objects that are not known were first seen, before they had an id; None for nowhere."""
        new = [] if self.trails is None else [n for n, track in enumerate(self.ids) if track not in known]
        if not new or self.trails is None:
            return None
        trails, boxes = self.trails[new].astype(np.float64), self.boxes[new]
        first = np.argmax(np.isfinite(trails[:, :, 0]), axis=1)
        moved = trails[np.arange(len(new)), first] - trails[:, -1]
        there = np.flatnonzero(moved.any(axis=1) & np.isfinite(moved).all(axis=1))
        if not len(there):
            return None
        rows = [new[n] for n in there.tolist()]
        boxes = boxes[there] + np.tile(moved[there], 2)
        return Sighting([self.ids[n] for n in rows], [self.classes[n] for n in rows], boxes, self.size)

    def anchors(self) -> Floats:
        """N x 3: x of the middle, y of the lower edge and of the middle, from 0 to 1 of the frame."""
        x1, y1, x2, y2 = (self.boxes / (self.size * 2)).T
        return np.stack(((x1 + x2) / 2, y2, (y1 + y2) / 2), axis=1)

    def heights(self) -> Floats:
        """N: heights of the boxes, in heights of the frame."""
        return (self.boxes[:, 3] - self.boxes[:, 1]) / self.size[1]


class Objects:
    """Rows of objects. A row is used again once its object is forgotten."""

    def __init__(self) -> None:
        self.ids: dict[int, int] = {}
        """Row by track."""
        self.tracks: list[int] = []
        self.classes: list[str] = []
        self.anchors = np.zeros((0, 3))
        """Where each was last seen."""
        self.boxes = np.zeros((0, 4))
        self.seen = np.zeros(0)
        """When."""
        self.present = np.zeros(0, bool)
        """False for rows whose objects are gone, and for free ones."""
        self._speed = np.zeros((0, 2))
        self._heights = np.zeros(0)
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self.tracks)

    def place(self, clock: float, sighting: Sighting, anchors: Floats) -> tuple[NDArray[np.intp], list[int]]:
        """Return the row of each object, and which rows are new. What was known of a row stays as it was."""
        rows = [self.ids.get(track, -1) for track in sighting.ids]
        new = [n for n, row in enumerate(rows) if row < 0]
        if not new:
            return np.array(rows, np.intp), []
        for n, row in self._joined(clock, sighting, anchors, new, set(rows)):
            rows[n] = row
            del self.ids[self.tracks[row]]
            self._name(row, sighting.ids[n], sighting.classes[n])
        made = []
        for n in new:
            if rows[n] < 0:
                rows[n] = self._row()
                self._name(rows[n], sighting.ids[n], sighting.classes[n])
                self.anchors[rows[n]], self.seen[rows[n]], self._speed[rows[n]] = anchors[n], clock, 0.0
                made.append(rows[n])
        return np.array(rows, np.intp), made

    def note(self, clock: float, rows: NDArray[np.intp], sighting: Sighting, anchors: Floats) -> None:
        """Take in where the objects are now."""
        passed = (clock - self.seen[rows])[:, None]
        moved = (anchors[:, :2] - self.anchors[rows, :2]) / np.maximum(passed, TOLERANCE_S)
        share = 1.0 - np.exp(-passed / SPEED_S)
        known = self._speed[rows]
        self._speed[rows] = np.where(known.any(axis=1, keepdims=True), known + share * (moved - known), moved)
        self.anchors[rows], self.boxes[rows], self.seen[rows] = anchors, sighting.boxes, clock
        self._heights[rows] = sighting.heights()
        self.present[rows] = True

    def lost(self, clock: float) -> list[int]:
        """Return the rows whose objects are gone since the last call."""
        gone = np.flatnonzero(self.present & (clock - self.seen > GONE_S + TOLERANCE_S))
        self.present[gone] = False
        return gone.tolist()

    def forget(self, clock: float) -> None:
        """Forget what has been gone for long."""
        gone = [row for row in self.ids.values() if not self.present[row]]
        spare = len(self.ids) - MOST
        if spare > 0:
            gone.sort(key=lambda row: float(self.seen[row]))
        for n, row in enumerate(gone):
            if n < spare or clock - self.seen[row] > REMEMBERED_S:
                del self.ids[self.tracks[row]]
                self._free.append(row)

    def _joined(
        self, clock: float, sighting: Sighting, anchors: Floats, new: list[int], taken: set[int]
    ) -> list[tuple[int, int]]:
        """Return which new tracks go on for which rows, the closest first."""
        lately = self.present & (clock - self.seen <= GONE_S + TOLERANCE_S)
        ended = [row for row in np.flatnonzero(lately).tolist() if row not in taken]
        if not ended:
            return []
        passed = clock - self.seen[ended]
        reach = (REACH + REACH_PER_S * passed) * self._heights[ended]
        expected = self.anchors[ended, :2] + self._speed[ended] * passed[:, None]
        aspect = sighting.size[0] / sighting.size[1]
        away = (anchors[new, None, :2] - expected) * (aspect, 1.0)
        distance = np.hypot(away[..., 0], away[..., 1])
        near = distance <= reach
        pairs = sorted((float(distance[i, j]), new[i], ended[j]) for i, j in np.argwhere(near).tolist())
        found: dict[int, int] = {}
        for _, n, row in pairs:
            if n not in found and row not in found.values() and self.classes[row] == sighting.classes[n]:
                found[n] = row
        return list(found.items())

    def _name(self, row: int, track: int, class_name: str) -> None:
        self.ids[track] = row
        self.tracks[row], self.classes[row] = track, class_name

    def _row(self) -> int:
        """Return a free row, with more of them made where none is left."""
        if not self._free:
            before, more = len(self), max(64, len(self))
            self.tracks += [-1] * more
            self.classes += [""] * more
            for name in ("anchors", "boxes", "seen", "present", "_speed", "_heights"):
                setattr(self, name, grown(getattr(self, name), before + more))
            self._free = list(range(before + more - 1, before - 1, -1))
        return self._free.pop()


def grown(values: NDArray[np.generic], rows: int) -> NDArray[np.generic]:
    """Return an array with so many rows; the new ones are zero."""
    return np.concatenate((values, np.zeros((rows - len(values), *values.shape[1:]), values.dtype)))
