"""A thread that does what the event loop gives it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class _Job(NamedTuple):
    call: Callable[[], Any]
    answer: asyncio.Future[Any]


class WorkThread:
    """One thread. It takes its next job by itself, and reports all that it did within one turn of the loop in one go.

    An executor of the standard library has two futures for each job, and wakes the loop for each: three times the time
    on the loop. All calls come from one event loop.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._told = False
        """Whether the loop will look at what is done."""
        self._closed = False
        self._thread: Thread | None = None
        self._name = name

    def submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Have it called after all that was submitted before. One that is cancelled before its turn is left out.

        Raises RuntimeError after ``close``.
        """
        if self._closed:
            raise RuntimeError(f"thread {self._name} is closed: expected nothing more to do")
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = Thread(target=self._work, args=(loop,), name=self._name)
            self._thread.start()
        answer: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(call, answer))
        return answer

    def close(self) -> None:
        """End after what was submitted."""
        self._closed = True
        self._jobs.put(None)

    async def closed(self) -> None:
        """Wait, after ``close``, until it has ended, which holds what it did last."""
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (job := self._jobs.get()) is not None:
            if not job.answer.cancelled():
                self._done.append(_did(job))
                if not self._told:
                    self._told = True
                    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                        loop.call_soon_threadsafe(self._report)
            del job

    def _report(self) -> None:
        self._told = False  # first: what is done from now on is reported anew, if it is not found below
        while self._done:
            answer, said, error = self._done.popleft()
            if answer.cancelled():
                continue
            if error is None:
                answer.set_result(said)
            else:
                answer.set_exception(error)


def _did(job: _Job) -> tuple[asyncio.Future[Any], Any, BaseException | None]:
    try:
        return job.answer, job.call(), None
    except StopIteration as e:  # no future can hold one
        return job.answer, None, RuntimeError(f"StopIteration: {e}")
    except BaseException as e:  # noqa: BLE001 - whoever waits gets it
        return job.answer, None, e
