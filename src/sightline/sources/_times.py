"""Times of a file's pictures, which always grow: files are cut and joined, and what is damaged has any clock."""

from __future__ import annotations

BACK_S = 1.0
"""Seconds back after which what follows has a clock of its own."""
AHEAD_S = 10.0
"""Seconds ahead that count as such where clocks may jump. FFmpeg itself takes as many."""
MAY_JUMP = 0x0200
"""Flag of FFmpeg's formats whose clocks may jump, as those of broadcasts."""


class Times:
    """Seconds from the beginning, one picture after the other."""

    def __init__(self, start: float | None, fps: float | None, *, may_jump: bool) -> None:
        """``start``: the file's own beginning; None for its first picture. ``fps``: for pictures without a time."""
        self._offset = None if start is None else -start
        self._step = 1 / (fps or 25.0)
        self._may_jump = may_jump
        self._said: float | None = None
        """What the file said of the last picture."""
        self._last: float | None = None

    def of(self, said: float | None) -> float:
        """Return the time of the next picture, of which the file says this."""
        if said is None:
            return self._then()
        if self._offset is None:
            self._offset = -said
        elif self._said is not None and self._last is not None:
            leap = said - self._said
            if leap < -BACK_S or (self._may_jump and leap > AHEAD_S):
                self._offset = self._last + self._step - said
        self._said = said
        at = said + self._offset
        if self._last is not None and at <= self._last:
            return self._then()
        self._last = at
        return at

    def _then(self) -> float:
        self._last = 0.0 if self._last is None else self._last + self._step
        return self._last
