"""The clock by which the age of what is kept is told. A wrong clock of the machine must not delete what should stay."""

from __future__ import annotations

import threading
import time

FASTER = 2.0
"""Times its usual speed at which it follows a clock that is ahead."""


class AgeClock:
    """Never goes back, and never jumps: where the machine's clock jumps a day ahead, it takes a day to follow.

    So a jump that is put right within an hour has aged nothing by more than an hour. Any thread may ask.
    """

    def __init__(self, newest: float | None) -> None:
        """``newest``: the newest time of what is kept, where there is one."""
        self._lock = threading.Lock()
        now = time.time()
        self._at = now if newest is None or newest > now else newest
        self._asked = time.monotonic()

    def now(self) -> float:
        """Seconds since 1970."""
        with self._lock:
            asked, self._asked = self._asked, time.monotonic()
            most = self._at + FASTER * (self._asked - asked)
            self._at = min(max(time.time(), self._at), most)
            return self._at
