"""Objects followed from frame to frame by their boxes. Numpy only; knows no frames, streams or settings.

A track has a Kalman filter whose noise is in units of its box's height and whose time is the frames' clock, so that it
does not matter how many frames are missing. Boxes that a detector is sure of are matched first, then the others, as in
ByteTrack (Zhang and others, ECCV 2022); the direction of what was really seen decides between neighbours, and what is
left gets a second chance where it was last seen, as in OC-SORT (Cao and others, CVPR 2023). What is common to most
objects is the camera's own movement, and the others get it too. What was measured is in docs/analytics.md.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sightline.analytics._association import Floats, Ints, chosen, common_shift, fitting

Ids: TypeAlias = "NDArray[np.int32]"

SURE = 0.6
"""Confidence from which a box is matched first, and begins a track by itself."""
DOUBTFUL = 0.1
"""Boxes of a lower confidence are left alone."""
WEAK = 1 / 3
"""What a sighting counts for that is not sure."""
LEAST, LEAST_DOUBTFUL, LEAST_AGAIN = 0.2, 0.5, 0.2
"""Overlap that a match needs: of a sure box, of a doubtful one, and where an object was last seen."""
BUFFER, BUFFER_PER_S, MOST_BUFFER = 0.3, 2.0, 1.0
"""Share of its size by which a box grows on every side: at first, for each second since it was seen, and at most."""
NOISE, WALK, PUSH, WAY = 0.045, 0.06, 3.0, 1.0
"""In heights of the box: deviation of what is seen; variance a second of place and of speed; deviation of a new way."""
STRAIGHT = 0.2
"""What the direction counts for beside the overlap."""
STRAIGHT_S = 0.5
"""Time over which a direction is taken."""
LATE = 0.3
"""What a second of being lost counts for, so that who was seen last comes first."""
UNCONFIRMED_S = 1.0
"""Time after which a track without an id ends that a frame did not show."""
MOST = 1000
"""Boxes that are looked at, the surest first, and tracks."""
TRAIL, TRAIL_STEP_S = 24, 0.1
"""Places that are kept of each track, and the time between two of them."""
LARGEST_ID = 2**31 - 1
FAR = np.float32(1e6)
"""Largest coordinate; what lies beyond is moved there."""

BOX, PLACE, SPEED, COV, GAP, SEEN, START, AGE, HEADING = (
    slice(0, 4), slice(0, 2), slice(4, 6), slice(6, 9), 9, slice(10, 14), slice(14, 16), 16, slice(17, 19)
)  # fmt: skip
"""Columns of a track's numbers: its box (centre, size), speed, covariance, seconds since it was seen, the box that was
seen, where its direction is taken from and for how long, and the direction."""
EVIDENCE, COLUMNS = 19, 20


class Tracker:
    """Follows the objects of one stream."""

    def __init__(self, *, lost_s: float = 2.0, confirm: int = 2, ids: Iterator[int] | None = None) -> None:
        """``lost_s``: seconds that an object may be unseen. ``confirm``: sightings after which it has an id.

        ``ids``: where the ids come from, each once; by default 1, 2, 3.
        """
        self._lost_s, self._confirm = lost_s, confirm
        self._new_ids = itertools.count(1) if ids is None else ids
        self.seen: Counter[int] = Counter()
        """Objects that got an id so far, by class."""
        self._now: float | None = None
        self._step = 0.0
        """Seconds since the frame before."""
        self._tracks = np.zeros((0, COLUMNS), np.float32)
        self._ids = np.zeros(0, np.int32)
        """0 for a track that has none yet."""
        self._classes = np.zeros(0, np.int32)
        self._trails = np.zeros((0, TRAIL, 2), np.float32)
        self._since_place = 0.0
        """Seconds since the newest place of the trails became the last but one."""
        self._rows = np.zeros(0, np.intp)
        """Row of the last frame in which each track was seen, -1 for none."""
        self._count = 0
        """Rows of the last frame."""
        self._weights = np.zeros(0, np.float32)
        """What a sighting in each row counts for."""

    def update(self, xyxy: Floats, confidence: Floats, class_id: Ids, at: float) -> Ids:
        """Take in the boxes of a frame, and return an id for each: -1 for those that have none yet.

        ``xyxy``: N x 4 pixels. ``at``: seconds on any clock. One that goes back, or stands, counts as no time.
        """
        self._count = len(confidence)
        rows = (confidence >= DOUBTFUL).nonzero()[0]
        if len(rows) > MOST:
            rows = rows[np.argsort(-confidence[rows], kind="stable")[:MOST]]
        seen = _centred(xyxy[rows])
        sure, classes = confidence[rows] >= SURE, class_id[rows]
        self._predict(at)
        self._end()
        tracks, boxes = self._match(seen, sure, classes)
        self._compensate(seen[boxes], tracks)
        self._rows[:] = -1
        self._rows[tracks] = rows[boxes]
        self._weights = np.where(confidence >= SURE, np.float32(1), np.float32(WEAK))
        self._correct(seen[boxes], tracks)
        fresh = np.ones(len(rows), bool)
        fresh[boxes] = False
        self._begin(seen[fresh], classes[fresh], rows[fresh])
        self._trace()
        return self._confirmed()

    def touch(self, at: float) -> Ids:
        """Take in a frame that looks like the last: all that was seen is seen again, as the same."""
        self._predict(at)
        tracks = (self._rows >= 0).nonzero()[0]
        self._correct(self._tracks[tracks, SEEN], tracks)
        self._end()
        self._trace()
        return self._confirmed()

    @property
    def trails(self) -> Floats:
        """Where the objects of the last frame stood of late, row by row: see ``Detections.trails``."""
        trails = np.full((self._count, TRAIL, 2), np.nan, np.float32)
        seen = self._rows >= 0
        trails[self._rows[seen]] = self._trails[seen]
        return trails

    def _predict(self, at: float) -> None:
        """Move all tracks to a time."""
        back = 0.0 if self._now is None or not math.isfinite(at) else self._now - at
        self._step = max(0.0, -back)
        if math.isfinite(at) and not 0 < back <= self._lost_s:  # a frame that comes late does not turn the clock back
            self._now = at
        step = min(self._step, 1e4)
        tracks = self._tracks
        tracks[:, GAP] += step
        tracks[:, AGE] += step
        tracks[:, PLACE] += tracks[:, SPEED] * step
        here, both, way = tracks[:, COV].T
        here += step * (2 * both + step * way) + (PUSH * step**3 / 3 + WALK * step)
        both += step * way + PUSH * step**2 / 2
        way += PUSH * step

    def _match(self, seen: Floats, sure: NDArray[np.bool_], classes: Ids) -> tuple[Ints, Ints]:
        """Return which tracks are seen in which boxes."""
        if not len(self._ids) or not len(seen):
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        growth = 1 + 2 * np.minimum(BUFFER + BUFFER_PER_S * self._tracks[:, GAP], MOST_BUFFER)
        tracks, boxes, score = fitting(self._tracks[:, BOX], seen, growth, LEAST)
        fits = (self._classes[tracks] == classes[boxes]) & (sure[boxes] | (score > LEAST_DOUBTFUL))
        tracks, boxes, score = tracks[fits], boxes[fits], score[fits]
        score += self._straightness(tracks, seen[boxes]) - LATE * self._tracks[tracks, GAP]
        matched = chosen(tracks, boxes, score + np.float32(1e3) * sure[boxes])
        self._look_again(seen, sure, classes, matched)
        return np.array(matched[0], np.intp), np.array(matched[1], np.intp)

    def _straightness(self, tracks: Ints, seen: Floats) -> Floats:
        """Return how well each box lies in its track's direction, from -STRAIGHT to STRAIGHT."""
        of = self._tracks[tracks]
        way = seen[:, :2] - of[:, START]
        length = np.maximum(np.hypot(way[:, 0], way[:, 1]), np.float32(0.3) * of[:, 3])
        way *= of[:, HEADING]
        straight: Floats = (way[:, 0] + way[:, 1]) / length
        return straight

    def _look_again(
        self, seen: Floats, sure: NDArray[np.bool_], classes: Ids, matched: tuple[list[int], list[int]]
    ) -> None:
        """Match what is left where it was last seen, for those who did not go on as they did."""
        lost, free = np.ones(len(self._ids), bool), sure.copy()
        lost[matched[0]] = False
        free[matched[1]] = False
        if lost.any() and free.any():
            left, new = np.flatnonzero(lost), np.flatnonzero(free)
            tracks, boxes, score = fitting(self._tracks[left, SEEN], seen[new], 1.0, LEAST_AGAIN)
            same = self._classes[left[tracks]] == classes[new[boxes]]
            more = chosen(left[tracks[same]], new[boxes[same]], score[same])
            matched[0].extend(more[0])
            matched[1].extend(more[1])

    def _compensate(self, seen: Floats, tracks: Ints) -> None:
        """Move the tracks that are not seen as the others were moved, where that is the camera's doing."""
        if len(tracks) == len(self._ids):
            return
        shift = common_shift(seen[:, :2] - self._tracks[tracks, PLACE])
        if shift is not None:
            unseen = np.ones(len(self._ids), bool)
            unseen[tracks] = False
            self._tracks[unseen, PLACE] += shift
            if self._step > 0:
                self._tracks[unseen, SPEED] += shift / np.float32(self._step)

    def _correct(self, seen: Floats, tracks: Ints) -> None:
        """Take in where tracks are seen."""
        of = self._tracks[tracks]
        here, both, way = of[:, COV].T.copy()
        gain, gain_of_speed = here / (here + NOISE**2), both / (here + NOISE**2)
        wrong = seen - of[:, BOX]
        of[:, BOX] += gain[:, None] * wrong
        of[:, SPEED] += gain_of_speed[:, None] * wrong[:, :2]
        of[:, COV] = np.array((here * (1 - gain), both * (1 - gain), way - gain_of_speed * both)).T
        moved = seen[:, :2] - of[:, START]
        length = np.hypot(moved[:, 0], moved[:, 1])
        of[:, HEADING] = moved * (np.float32(STRAIGHT) / np.maximum(length, of[:, 3] / 2))[:, None]
        old = of[:, AGE] > STRAIGHT_S
        of[old, START] = of[old, SEEN][:, :2]
        of[old, AGE] = 0
        of[:, SEEN] = seen
        of[:, GAP] = 0
        of[:, EVIDENCE] += self._weights[self._rows[tracks]]
        self._tracks[tracks] = of

    def _end(self) -> None:
        """End the tracks that were not seen for too long."""
        patience = np.where((self._ids > 0) | (self._rows >= 0), self._lost_s, min(UNCONFIRMED_S, self._lost_s))
        alive = self._tracks[:, GAP] <= patience
        if not alive.all():
            self._tracks, self._ids = self._tracks[alive], self._ids[alive]
            self._classes, self._rows = self._classes[alive], self._rows[alive]
            self._trails = self._trails[alive]

    def _begin(self, seen: Floats, classes: Ids, rows: Ints) -> None:
        """Begin a track for each box that is new."""
        room = MOST - len(self._ids)
        seen, classes, rows = seen[:room], classes[:room], rows[:room]
        if not len(seen):
            return
        new = np.zeros((len(seen), COLUMNS), np.float32)
        new[:, BOX] = new[:, SEEN] = seen
        new[:, START] = seen[:, :2]
        new[:, COV] = (NOISE**2, 0, WAY**2)
        new[:, EVIDENCE] = self._weights[rows]
        camera = common_shift(self._tracks[(self._rows >= 0) & (self._tracks[:, EVIDENCE] > 1), SPEED])
        if camera is not None:
            new[:, SPEED] = camera
        self._tracks = np.concatenate([self._tracks, new])
        self._ids = np.concatenate([self._ids, np.zeros(len(seen), np.int32)])
        self._classes = np.concatenate([self._classes, classes])
        self._rows = np.concatenate([self._rows, rows])
        self._trails = np.concatenate([self._trails, np.full((len(seen), TRAIL, 2), np.nan, np.float32)])

    def _trace(self) -> None:
        """Keep where the objects stand, the middle of their lower edge, and where they were seen first."""
        self._since_place += self._step
        if self._since_place >= TRAIL_STEP_S:
            self._since_place = 0.0
            self._trails[:, :-1] = self._trails[:, 1:]
        else:
            second = np.isnan(self._trails[:, -2, 0])
            self._trails[second, -2] = self._trails[second, -1]
        x, y, _, height = self._tracks[:, SEEN].T
        self._trails[:, -1, 0] = x
        self._trails[:, -1, 1] = y + height / 2

    def _confirmed(self) -> Ids:
        """Give ids to the tracks that have earned one, and return those of the frame's rows."""
        for track in ((self._ids == 0) & (self._tracks[:, EVIDENCE] > self._confirm - 0.01)).nonzero()[0].tolist():
            self._ids[track] = (next(self._new_ids) - 1) % LARGEST_ID + 1
            self.seen[int(self._classes[track])] += 1
        ids = np.full(self._count, -1, np.int32)
        known = (self._rows >= 0) & (self._ids > 0)
        ids[self._rows[known]] = self._ids[known]
        return ids


def _centred(xyxy: Floats) -> Floats:
    """Return boxes as centre and size, at least a hundredth of a pixel wide and high."""
    boxes = np.minimum(np.maximum(xyxy, -FAR), FAR)
    low, high = boxes[:, :2], boxes[:, 2:]
    centred = np.empty((len(boxes), 4), np.float32)
    centred[:, :2] = (low + high) * np.float32(0.5)
    centred[:, 2:] = np.maximum(high - low, np.float32(0.01))
    return centred
