"""How long a place may take for a batch before it counts as dead: by what its batches took of late."""

from __future__ import annotations

from collections import deque

FIRST_S = 5.0
"""Time that a batch may take, and once more what loading took, as long as it is not known how long batches take."""
LEAST_S = 1.0
"""Time that a batch may take at least."""
SLOWER = 5
"""A batch may take so many times what 95 of 100 batches took."""
KNOWN = 8
"""Batches after which it is known how long they take, and is looked at again."""
MOST_S = 30.0
"""Time to which it grows at most where batches are late."""


class Deadline:
    """Seconds that a batch may take."""

    def __init__(self, least_s: float = LEAST_S) -> None:
        """``least_s``: seconds that a batch may take, however little the others took."""
        self.may_take = FIRST_S
        self._least_s = least_s
        self._batches = 0
        self._took: deque[float] = deque(maxlen=100)

    def loaded(self, took: float) -> None:
        """Loading took so many seconds."""
        if self._batches < KNOWN:
            self.may_take = FIRST_S + took

    def learn(self, took: float) -> None:
        """A batch took so many seconds."""
        self._took.append(took)
        self._batches += 1
        if self._batches % KNOWN == 0:
            self.may_take = max(self._least_s, SLOWER * sorted(self._took)[len(self._took) * 95 // 100])

    def late(self) -> None:
        """A batch took longer: the next one may take twice the time, or one that got slower for good never ends any."""
        self.may_take = min(2 * self.may_take, max(self.may_take, MOST_S))
