"""Threads that write: what is handed over in one turn of the loop goes there together, and its outcomes come together.

To wake a thread, and to be woken by it, costs as much as copying some packets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeAlias

from sightline.recordings.keeper import Outcome

Job: TypeAlias = tuple[Callable[[], Outcome], Callable[[Outcome], None]]
"""What a thread does, and who is told on the loop what came of it."""


class WriterThreads:
    """Some threads. On the event loop only."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="recording")
        self._loop = asyncio.get_running_loop()
        self._jobs: list[Job] = []

    def give(self, work: Callable[[], Outcome], done: Callable[[Outcome], None]) -> None:
        """Have ``work`` done in a thread, and call ``done`` with its outcome on the loop. It must not raise."""
        if not self._jobs:
            self._loop.call_soon(self._send)
        self._jobs.append((work, done))

    def _send(self) -> None:
        jobs, self._jobs = self._jobs, []
        for number in range(min(self._threads, len(jobs))):
            self._pool.submit(self._work, jobs[number :: self._threads])

    def _work(self, jobs: list[Job]) -> None:
        outcomes = [(done, work()) for work, done in jobs]
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(_tell, outcomes)

    def close(self) -> None:
        """Let the threads end with what they have."""
        self._pool.shutdown(wait=False)


def _tell(outcomes: list[tuple[Callable[[Outcome], None], Outcome]]) -> None:
    for done, outcome in outcomes:
        done(outcome)
