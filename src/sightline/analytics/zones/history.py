"""What was seen of late, so that rules can be tried on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sightline.analytics.zones.objects import Sighting

KEPT_S = 600.0
"""Seconds that are kept."""
STEP_S, EMPTY_S = 0.09, 1.0
"""Least time between two frames that are kept, and between two in which nothing is: counts and rules need no more."""
MOST_ROWS = 100_000
"""Objects that are kept, over all frames: 3 MB. Where there are more, it is of less time."""


NOBODY, NOWHERE = np.zeros(0, np.int32), np.zeros((0, 4), np.float32)


class PastFrame(NamedTuple):
    """The tracked objects of one frame, as they are kept."""

    at: float
    """When, on the frames' clock."""
    seq: int
    received: float
    """When it came: ``time.monotonic()``."""
    ids: NDArray[np.int32]
    classes: tuple[str, ...]
    boxes: NDArray[np.float32]
    size: tuple[int, int]

    def sighting(self) -> Sighting:
        """Return it as it was."""
        return Sighting(self.ids.tolist(), self.classes, self.boxes.astype(np.float64), self.size)


class History:
    """The last minutes of a stream. Where its frames ended in between there is None."""

    def __init__(self) -> None:
        self._seen: deque[PastFrame | None] = deque()
        self._rows = 0
        self._known: frozenset[int] = frozenset()
        """Ids in the last frame that was kept."""
        self._last: PastFrame | None = None

    def add(self, at: float, seq: int, received: float, sighting: Sighting) -> None:
        """Take in a frame."""
        last = self._last
        if last is not None:
            step = STEP_S if len(sighting.ids) or len(last.ids) else EMPTY_S
            if 0 <= at - last.at < step:
                return
        if last is not None and (earlier := sighting.before_ids(self._known)) is not None:
            self._append(_seen(last.at, last.seq, last.received, earlier))  # where they were before they had ids
        self._last = _seen(at, seq, received, sighting)
        self._append(self._last)
        self._known = frozenset(sighting.ids)
        while self._seen and (self._rows > MOST_ROWS or _older(self._seen[0], received - KEPT_S)):
            if (gone := self._seen.popleft()) is not None:
                self._rows -= len(gone.ids)

    def cut(self) -> None:
        """No more frames come for now."""
        if self._last is not None:
            self._last, self._known = None, frozenset()
            self._seen.append(None)

    def since(self, received: float) -> Sequence[PastFrame | None]:
        """Return the frames that came at this time or later."""
        return tuple(one for one in self._seen if one is None or one.received >= received)

    def _append(self, seen: PastFrame) -> None:
        self._seen.append(seen)
        self._rows += len(seen.ids)


def _seen(at: float, seq: int, received: float, sighting: Sighting) -> PastFrame:
    if not len(sighting.ids):
        return PastFrame(at, seq, received, NOBODY, (), NOWHERE, sighting.size)
    ids, boxes = np.array(sighting.ids, np.int32), sighting.boxes.astype(np.float32)
    return PastFrame(at, seq, received, ids, tuple(sighting.classes), boxes, sighting.size)


def _older(seen: PastFrame | None, received: float) -> bool:
    return seen is None or seen.received < received
