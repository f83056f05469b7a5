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


class Deadline:
    """Seconds that a batch may take."""

    def __init__(self) -> None:
        self.may_take = FIRST_S
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
            self.may_take = max(LEAST_S, SLOWER * sorted(self._took)[len(self._took) * 95 // 100])
