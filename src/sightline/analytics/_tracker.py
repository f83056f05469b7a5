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

from sightline.analytics._association import Bools, Floats, Ints, chosen, common_shift, fitting

Ids: TypeAlias = "NDArray[np.int32]"

SURE = 0.6
"""Confidence from which a box is matched first, and begins a track by itself."""
DOUBTFUL = 0.1
"""Boxes of a lower confidence are left alone."""
WEAK = 1 / 3
"""What a sighting counts for that is not sure."""
LEAST, LEAST_DOUBTFUL, LEAST_AGAIN = 0.2, 0.5, 0.2
"""Overlap that a match needs: of a sure box, of a doubtful one, and where an object was last seen."""
BUFFER, BUFFER_PER_S, BUFFER_LOST_PER_S, MOST_BUFFER = 0.25, 2.0, 0.2, 1.0
"""Share of its size by which a box grows on every side: at first, for each second since the frame before, for each
second that it was not seen in, and at most. Frames that are missing hide what all did, an occlusion what one did."""
NOISE, WALK, PUSH, WAY = 0.045, 0.06, 3.0, 1.0
"""In heights of the box: deviation of what is seen; variance a second of place and of speed; deviation of a new way."""
STRAIGHT = 0.1
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
NOBODY = np.empty(0, np.int32)

BOX, PLACE, SPEED, COV, GAINED, GAP, AGE, MOVING, ONE, SEEN, START, HEADING, EVIDENCE, WEIGHT, NUMBERS = (
    slice(0, 4), slice(0, 2), slice(4, 6), slice(6, 9), slice(6, 8), 9, 10, slice(0, 11), 11, slice(12, 16),
    slice(16, 18), slice(18, 20), 20, 21, 22,
)  # fmt: skip
"""Which of a track's numbers are what: its box (centre, size), speed, covariance, seconds since it was seen and since
its direction is taken; a one; the box that was seen, where its direction is taken from, and the direction; what all its
sightings and the last one count for."""


class Tracker:
    """Follows the objects of one stream. Calls of numpy are what takes its time, so they are few."""

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
        self._tracks = np.zeros((NUMBERS, 0), np.float32)
        self._ids = np.zeros(0, np.int32)
        """-1 for a track that has none yet."""
        self._nameless = 0
        """Tracks that have none."""
        self._classes = np.zeros(0, np.int32)
        self._trails = np.zeros((0, TRAIL, 2), np.float32)
        self._since_place = 0.0
        """Seconds since the newest place of the trails became the last but one."""
        self._begun = False
        """Whether tracks began with the last frame."""
        self._rows = np.zeros(0, np.intp)
        """Row of the last frame in which each track was seen, -1 for none."""
        self._all_seen = True
        """Whether each was."""
        self._count = 0
        """Rows of the last frame."""
        self._motion = np.eye(MOVING.stop, ONE + 1, dtype=np.float32)
        """What a step of time makes of the numbers that move: see ``_predict``."""

    def update(self, xyxy: Floats, confidence: Floats, class_id: Ids, at: float) -> Ids:
        """Take in the boxes of a frame, and return an id for each: -1 for those that have none yet.

        ``xyxy``: N x 4 pixels. ``at``: seconds on any clock. One that goes back, or stands, counts as no time.
        """
        self._count = len(confidence)
        self._tick(at)
        if not self._count and not len(self._ids):
            return NOBODY
        rows = _worth_a_look(confidence)
        if not len(rows) and not len(self._ids):
            return np.full(self._count, -1, np.int32)
        if len(rows) < self._count:
            xyxy, confidence, class_id = xyxy[rows], confidence[rows], class_id[rows]
        seen, sure = _centred(xyxy), confidence >= SURE
        weights = np.where(sure, np.float32(1), np.float32(WEAK))
        self._predict()
        self._end()
        tracks, boxes = self._match(seen, sure, class_id)
        self._compensate(seen, tracks, boxes)
        self._note(rows, tracks, boxes)
        self._correct(seen[:, boxes], weights[boxes], tracks)
        fresh = np.ones(len(rows), bool)
        fresh[boxes] = False
        new = fresh.nonzero()[0]
        self._trace(began=self._begin(seen, weights, class_id, rows, new) if len(new) else False)
        return self._confirmed()

    def touch(self, at: float) -> Ids:
        """Take in a frame that looks like the last: all that was seen is seen again, as the same."""
        self._tick(at)
        if len(self._ids):
            self._predict()
            tracks = (self._rows >= 0).nonzero()[0]
            self._correct(self._tracks[SEEN, tracks], self._tracks[WEIGHT, tracks], tracks)
            self._end()
            self._trace(began=False)
        return self._confirmed()

    @property
    def trails(self) -> Floats:
        """Where the objects of the last frame stood of late, row by row: see ``Detections.trails``."""
        trails = np.full((self._count + 1, TRAIL, 2), np.nan, np.float32)
        trails[self._rows] = self._trails  # who was not seen has the spare one at the end
        return trails[:-1]

    def _tick(self, at: float) -> None:
        """Let the clock go on to a time."""
        back = 0.0 if self._now is None or not math.isfinite(at) else self._now - at
        self._step = max(0.0, -back)
        if math.isfinite(at) and not 0 < back <= self._lost_s:  # a frame that comes late does not turn the clock back
            self._now = at

    def _predict(self) -> None:
        """Move all tracks to the clock's time."""
        step = min(self._step, 1e4)
        motion = self._motion
        motion[0, 4] = motion[1, 5] = motion[7, 8] = motion[GAP, ONE] = motion[AGE, ONE] = step
        motion[6, 7:9] = 2 * step, step**2
        motion[COV, ONE] = PUSH * step**3 / 3 + WALK * step, PUSH * step**2 / 2, PUSH * step
        self._tracks[MOVING] = motion @ self._tracks[: ONE + 1]

    def _match(self, seen: Floats, sure: Bools, classes: Ids) -> tuple[Ints, Ints]:
        """Return which tracks, in their order, are seen in which boxes."""
        if not len(self._ids) or not len(sure):
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        tracks, boxes, score = fitting(self._tracks[BOX], seen, self._growth(), LEAST)
        fits = (self._classes[tracks] == classes[boxes]) & (sure[boxes] | (score > LEAST_DOUBTFUL))
        tracks, boxes, score = tracks[fits], boxes[fits], score[fits]
        if not _all_differ(tracks) or not _all_differ(boxes):
            score += self._straightness(tracks, seen[:, boxes]) - LATE * self._tracks[GAP, tracks]
            tracks, boxes = chosen(tracks, boxes, score + np.float32(1e3) * sure[boxes])
        if len(tracks) == len(self._ids):
            return tracks, boxes
        return self._look_again(seen, sure, classes, tracks, boxes)

    def _growth(self) -> Floats | float:
        """Return by how much boxes grow, for each track or for all."""
        buffer = BUFFER + BUFFER_PER_S * self._step
        if self._all_seen:
            return 1 + 2 * min(buffer, MOST_BUFFER)
        unseen = self._tracks[GAP] - np.float32(self._step)
        growth: Floats = 1 + 2 * np.minimum(buffer + BUFFER_LOST_PER_S * unseen, MOST_BUFFER)
        return growth

    def _straightness(self, tracks: Ints, seen: Floats) -> Floats:
        """Return how well each box lies in its track's direction, from -STRAIGHT to STRAIGHT."""
        of = self._tracks[:, tracks]
        way = seen[:2] - of[START]
        length = np.maximum(np.hypot(way[0], way[1]), np.float32(0.3) * of[3])
        way *= of[HEADING]
        straight: Floats = (way[0] + way[1]) / length
        return straight

    def _look_again(self, seen: Floats, sure: Bools, classes: Ids, tracks: Ints, boxes: Ints) -> tuple[Ints, Ints]:
        """Match what is left where it was last seen, for those who did not go on as they did."""
        lost, free = np.ones(len(self._ids), bool), sure.copy()
        lost[tracks] = False
        free[boxes] = False
        left, new = lost.nonzero()[0], free.nonzero()[0]
        if not len(new):
            return tracks, boxes
        first, second, score = fitting(self._tracks[SEEN, left], seen[:, new], 1.0, LEAST_AGAIN)
        same = self._classes[left[first]] == classes[new[second]]
        more = chosen(left[first[same]], new[second[same]], score[same])
        if not len(more[0]):
            return tracks, boxes
        tracks, boxes = np.concatenate([tracks, more[0]]), np.concatenate([boxes, more[1]])
        order = tracks.argsort()
        return tracks[order], boxes[order]

    def _compensate(self, seen: Floats, tracks: Ints, boxes: Ints) -> None:
        """Move the tracks that are not seen as the others were moved, where that is the camera's doing."""
        if len(tracks) == len(self._ids):
            return
        seen = seen[:, boxes]
        shift = common_shift(seen[:2] - self._tracks[PLACE, tracks], NOISE * float(seen[3].mean()) if len(boxes) else 0)
        if shift is not None:
            unseen = np.ones(len(self._ids), bool)
            unseen[tracks] = False
            here, both, _ = self._tracks[COV, tracks]
            self._tracks[PLACE, unseen] += shift
            self._tracks[SPEED, unseen] += shift * (both / (here + NOISE**2)).mean()

    def _note(self, rows: Ints, tracks: Ints, boxes: Ints) -> None:
        """Keep which tracks were seen in which rows."""
        self._all_seen = len(tracks) == len(self._ids)
        self._rows[:] = -1
        self._rows[tracks] = rows[boxes]

    def _correct(self, seen: Floats, weights: Floats, tracks: Ints) -> None:
        """Take in where tracks are seen."""
        of = self._tracks if len(tracks) == len(self._ids) else self._tracks[:, tracks]
        here, both, way = of[COV]
        gain, gain_of_speed = of[GAINED] / (here + NOISE**2)
        wrong = seen - of[BOX]
        of[BOX] += gain * wrong
        of[SPEED] += gain_of_speed * wrong[:2]
        way -= gain_of_speed * both
        of[GAINED] *= 1 - gain
        moved = seen[:2] - of[START]
        length = np.hypot(moved[0], moved[1])
        of[HEADING] = moved * (np.float32(STRAIGHT) / np.maximum(length, of[3] / 2))
        old = of[AGE] > STRAIGHT_S
        if old.any():
            of[START, old] = of[SEEN, old][:2]
            of[AGE, old] = 0
        of[SEEN] = seen
        of[GAP] = 0
        of[WEIGHT] = weights
        of[EVIDENCE] += weights
        if of is not self._tracks:
            self._tracks[:, tracks] = of

    def _end(self) -> None:
        """End the tracks that were not seen for too long."""
        if self._all_seen and self._step <= self._lost_s:
            return
        patience = np.where((self._ids > 0) | (self._rows >= 0), self._lost_s, min(UNCONFIRMED_S, self._lost_s))
        alive = self._tracks[GAP] <= patience
        if not alive.all():
            self._tracks, self._ids = self._tracks[:, alive], self._ids[alive]
            self._classes, self._rows = self._classes[alive], self._rows[alive]
            self._trails = self._trails[alive]
            self._nameless = int(np.count_nonzero(self._ids < 0))

    def _begin(self, seen: Floats, weights: Floats, classes: Ids, rows: Ints, new: Ints) -> bool:
        """Begin a track for each of the boxes that are new. Returns whether there was room for any."""
        new = new[: MOST - len(self._ids)]
        if not len(new):
            return False
        tracks = np.zeros((NUMBERS, len(new)), np.float32)
        tracks[BOX] = tracks[SEEN] = seen[:, new]
        tracks[START] = tracks[PLACE]
        tracks[COV] = ((NOISE**2,), (0,), (WAY**2,))
        tracks[ONE] = 1
        tracks[WEIGHT] = tracks[EVIDENCE] = weights[new]
        known = (self._rows >= 0) & (self._tracks[EVIDENCE] > 1)
        camera = common_shift(self._tracks[SPEED, known])
        if camera is not None:
            tracks[SPEED] = camera
        self._tracks = np.concatenate([self._tracks, tracks], axis=1)
        self._ids = np.concatenate([self._ids, np.full(len(new), -1, np.int32)])
        self._classes = np.concatenate([self._classes, classes[new]])
        self._rows = np.concatenate([self._rows, rows[new]])
        self._trails = np.concatenate([self._trails, np.full((len(new), TRAIL, 2), np.nan, np.float32)])
        self._nameless += len(new)
        return True

    def _trace(self, *, began: bool) -> None:
        """Keep where the objects stand, the middle of their lower edge, and where they were seen first."""
        self._since_place += self._step
        if self._since_place >= TRAIL_STEP_S:
            self._since_place = 0.0
            self._trails[:, :-1] = self._trails[:, 1:]
        elif self._begun:
            second = np.isnan(self._trails[:, -2, 0])
            self._trails[second, -2] = self._trails[second, -1]
        self._begun = began
        x, y, _, height = self._tracks[SEEN]
        self._trails[:, -1, 0] = x
        self._trails[:, -1, 1] = y + height / 2

    def _confirmed(self) -> Ids:
        """Give ids to the tracks that have earned one, and return those of the frame's rows."""
        if self._nameless:
            earned = (self._ids < 0) & (self._tracks[EVIDENCE] > self._confirm - 0.01)
            for track in earned.nonzero()[0].tolist():
                self._ids[track] = (next(self._new_ids) - 1) % LARGEST_ID + 1
                self._nameless -= 1
                self.seen[int(self._classes[track])] += 1
        ids = np.full(self._count + 1, -1, np.int32)
        ids[self._rows] = self._ids  # who was not seen has the spare one at the end
        return ids[:-1]


def _worth_a_look(confidence: Floats) -> Ints:
    """Return the rows that are looked at."""
    rows: Ints = (confidence >= DOUBTFUL).nonzero()[0]
    return rows if len(rows) <= MOST else rows[np.argsort(-confidence[rows], kind="stable")[:MOST]]


def _all_differ(numbers: Ints) -> bool:
    return len(set(numbers.tolist())) == len(numbers)


def _centred(xyxy: Floats) -> Floats:
    """Return N boxes as 4 x N: centre and size, at least a hundredth of a pixel wide and high."""
    boxes = np.minimum(np.maximum(xyxy.T, -FAR), FAR)
    low, high = boxes[:2], boxes[2:]
    centred = np.empty(boxes.shape, np.float32)
    centre, size = centred[:2], centred[2:]
    np.add(low, high, out=centre)
    centre *= 0.5
    np.maximum(np.subtract(high, low, out=size), 0.01, out=size)
    return centred
