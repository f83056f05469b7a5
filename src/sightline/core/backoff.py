"""Waiting between tries: ever longer, up to a bound."""

from __future__ import annotations

import random


class Backoff:
    """Growing waits between tries."""

    def __init__(self, first_s: float, most_s: float, *, factor: float = 2, jitter: float = 0) -> None:
        """The first wait is ``first_s`` seconds; each is ``factor`` times the one before, up to ``most_s``.

        ``jitter``: share of a wait, 0 to 1, by which it is shortened at random, so that many clients do not come back
        all at once.
        """
        self._first, self._most, self._factor, self._jitter = first_s, most_s, factor, jitter
        self._next = first_s
        self.tries = 0
        """Waits since the beginning or the last ``reset``."""

    def wait_s(self) -> float:
        """Return the seconds to wait before the next try."""
        wait, self._next = self._next, min(self._factor * self._next, self._most)
        self.tries += 1
        return wait * (1 - self._jitter * random.random())

    def reset(self) -> None:
        """Begin anew: something worked."""
        self._next, self.tries = self._first, 0
