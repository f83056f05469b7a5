"""Owns a program's long-lived tasks: starts those that end again, says so, and gives up where that is no use."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from math import inf
from typing import Any

from sightline.core.backoff import Backoff
from sightline.core.errors import FAULTS, SightlineError, cancelled, told

log = logging.getLogger(__name__)

FIRST_S = 0.1
MOST_S = 10.0
"""Seconds before a task's first restart, and at most before any."""
FAILING_S = 5.0
"""Seconds for which a restarted task still counts as failing."""
TOO_MANY = 10
"""Failures of an essential task within ``WINDOW_S`` after which the program can't mend itself."""
WINDOW_S = 60.0
CLOSE_S = 2.5
"""Seconds for cancelled tasks to end."""


@dataclass(slots=True)
class _Trouble:
    """Why a task failed, and until when that is worth saying."""

    why: str
    until: float = inf


class Supervisor:
    """Owns tasks. For the event loop only."""

    def __init__(self) -> None:
        self.restarts: Counter[str] = Counter()
        """Restarts of each task so far, by its name."""
        self.given_up: str | None = None
        """Why the program can't mend itself; None while it can."""
        self.closing = False
        """True once tasks may end: they are not started again. Set it some time before ``close``."""
        self._troubles: dict[str, _Trouble] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept: dict[asyncio.Task[None], str] = {}

    @property
    def troubles(self) -> dict[str, str]:
        """What fails at the moment, and why, by the task's name."""
        now = time.monotonic()
        self._troubles = {name: trouble for name, trouble in self._troubles.items() if trouble.until > now}
        return {name: trouble.why for name, trouble in self._troubles.items()}

    @property
    def names(self) -> list[str]:
        """Names of the tasks that are kept going, in the order in which they were started."""
        return list(dict.fromkeys(self._kept.values()))

    def start(self, name: str, work: Callable[[], Awaitable[None]], *, essential: bool = False) -> asyncio.Task[None]:
        """Run ``work`` again and again. It never returns while all is well, unless ``closing``.

        Where an ``essential`` task fails too often, the program gives up. Others are tried for ever.
        """
        task = self._own(self._keep(name, work, essential=essential))
        self._kept[task] = name
        task.add_done_callback(lambda done: self._kept.pop(done, None))
        return task

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` once. What it raises is logged, and costs nobody else."""
        if self.closing:
            work.close()
        else:
            self._own(self._once(name, work)).add_done_callback(lambda _: work.close())  # it may never have begun

    async def close(self) -> None:
        """Cancel all tasks, and give them CLOSE_S to end."""
        self.closing = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)
        return task

    async def _once(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except FAULTS as e:
            if cancelled(e):
                raise
            log.exception("%s failed", name)
            self._troubles[name] = _Trouble(told(e), time.monotonic() + FAILING_S)

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]], *, essential: bool) -> None:
        backoff = Backoff(FIRST_S, MOST_S)
        failures: deque[float] = deque(maxlen=TOO_MANY)
        while True:
            started = time.monotonic()
            why, error = await _end_of(work)
            if self.closing:
                return
            now = time.monotonic()
            if now - started > WINDOW_S:
                backoff.reset()
                failures.clear()
            if not failures:
                unexpected = None if isinstance(error, SightlineError) else error
                log.error("%s failed and is started again: %s", name, why, exc_info=unexpected)
            failures.append(now)
            self._troubles[name] = _Trouble(why)
            if essential and len(failures) == TOO_MANY and now - failures[0] < WINDOW_S:
                self.given_up = f"{name} failed {TOO_MANY} times within {WINDOW_S:g} s: {why}"
                return
            await asyncio.sleep(backoff.wait_s())
            self.restarts[name] += 1
            self._troubles[name].until = time.monotonic() + FAILING_S


async def _end_of(work: Callable[[], Awaitable[None]]) -> tuple[str, BaseException | None]:
    """Run ``work`` until it ends, and return why it did."""
    try:
        await work()
    except FAULTS as e:
        if cancelled(e):
            raise
        return told(e), e
    return "it ended by itself", None
