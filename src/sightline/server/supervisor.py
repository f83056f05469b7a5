"""Keeps the server's long-lived tasks going: restarts those that fail, says so, and gives up where that is no use."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable

from sightline.core.backoff import Backoff
from sightline.core.errors import FAULTS, cancelled, told

log = logging.getLogger(__name__)

FIRST_S = 0.1
MOST_S = 10.0
"""Seconds before a task's first restart, and at most before any."""
FAILING_S = 5.0
"""Seconds for which a restarted task still counts as failing."""
TOO_MANY = 10
"""Failures of one task within ``WINDOW_S`` after which the server can't mend itself."""
WINDOW_S = 60.0


class Supervisor:
    """Owns tasks that are never to end. For the event loop only."""

    def __init__(self) -> None:
        self.restarts: Counter[str] = Counter()
        """Restarts of each task so far, by its name."""
        self.given_up: str | None = None
        """Why the server can't mend itself; None while it can."""
        self._failed: dict[str, tuple[float, str]] = {}
        """Time and reason of each task's last failure."""

    @property
    def failing(self) -> str | None:
        """What fails at the moment, in words; None while all is well."""
        if self.given_up is not None:
            return self.given_up
        since = time.monotonic() - FAILING_S
        recent = [f"{name} failed: {why}" for name, (at, why) in self._failed.items() if at > since]
        return "; ".join(recent) or None

    async def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` again and again until this task is cancelled. ``work`` never returns while all is well."""
        backoff = Backoff(FIRST_S, MOST_S)
        failures: deque[float] = deque(maxlen=TOO_MANY)
        while True:
            started = time.monotonic()
            try:
                await work()
                why = "it ended by itself"
            except FAULTS as e:
                if cancelled(e):
                    raise
                why = told(e)
                if time.monotonic() - started > WINDOW_S or not failures:
                    backoff.reset()
                    log.exception("%s failed and is started again", name)
            now = time.monotonic()
            failures.append(now)
            self.restarts[name] += 1
            self._failed[name] = now, why
            if len(failures) == TOO_MANY and now - failures[0] < WINDOW_S:
                self.given_up = f"{name} failed {TOO_MANY} times within {WINDOW_S:g} s: {why}"
                log.critical("%s", self.given_up)
                return
            await asyncio.sleep(backoff.wait_s())
