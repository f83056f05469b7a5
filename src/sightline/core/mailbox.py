"""Bounded hand-offs: ``Mailbox`` between tasks of the event loop, ``Pipe`` between threads."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from sightline.core.errors import StreamEnded

T = TypeVar("T")

POLL_S = 0.2
"""Seconds after which a waiting reader of a pipe gets an empty list, so that it can look around."""


class Mailbox(Generic[T]):
    """Holds at most ``size`` items; ``put`` drops the oldest and counts it. For use on the event loop only.

    One task reads, or whoever is told by ``on_change``. After ``close`` what is left is thrown away and readers get
    StreamEnded.
    """

    __slots__ = ("_ended", "_items", "_size", "_waiting", "accepted", "dropped", "on_change")

    def __init__(self, size: int = 1) -> None:
        if size < 1:
            raise ValueError(f"mailbox size {size}: expected at least 1")
        self._items: list[T] = []  # there are few, and an empty one is small
        self._size = size
        self._waiting: asyncio.Future[None] | None = None
        self._ended: str | None = None
        self.on_change: Callable[[], None] | None = None
        """Called with each item that is put, and at the end: for a reader without a task, which then takes them."""
        self.accepted = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def closed(self) -> bool:
        """True after ``close`` or ``end``."""
        return self._ended is not None

    def put(self, item: T) -> T | None:
        """Add an item without waiting. Returns the one that had to go, if any."""
        if self._ended is not None:
            return item
        self.accepted += 1
        lost: T | None = None
        if len(self._items) == self._size:
            lost = self._items.pop(0)
            self.dropped += 1
        self._items.append(item)
        self._changed()
        return lost

    def take(self) -> T | None:
        """Return the oldest item, None where there is none. Raises StreamEnded after ``close``."""
        if self._items:
            return self._items.pop(0)
        if self._ended is not None:
            raise StreamEnded(self._ended)
        return None

    async def get(self) -> T:
        """Wait for the oldest item. Raises StreamEnded after ``close``."""
        await self.wait()
        return self._items.pop(0)

    async def wait(self) -> None:
        """Wait until there is an item, and leave it. Raises StreamEnded after ``close``."""
        while not self._items:
            if self._ended is not None:
                raise StreamEnded(self._ended)
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

    def end(self, reason: str) -> None:
        """Take no more. What waits can still be read; then readers get StreamEnded."""
        if self._ended is None:
            self._ended = reason
            self._changed()

    def close(self, reason: str = "closed") -> None:
        """Close the mailbox. What waits is dropped and counted; readers get StreamEnded."""
        if self._ended is None:
            self.dropped += len(self._items)
            self._items.clear()
            self.end(reason)

    def _changed(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        if self.on_change is not None:
            self.on_change()


class Pipe(Generic[T]):
    """A bounded hand-off from one thread to another. When full the writer waits, or the oldest item goes."""

    def __init__(self, size: int, *, newest_wins: bool = False) -> None:
        self.dropped = 0
        self._items: deque[T] = deque()
        self._size = size
        self._newest_wins = newest_wins
        self._change = threading.Condition()
        self._ended = False
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nobody takes anything any more."""
        return self._closed

    def put(self, item: T) -> bool:
        """Hand an item over. Returns False if nobody will take it."""
        with self._change:
            while len(self._items) >= self._size and not self._closed:
                if self._newest_wins:
                    self._items.popleft()
                    self.dropped += 1
                else:
                    self._change.wait()
            if self._closed:
                return False
            self._items.append(item)
            self._change.notify_all()
            return True

    def get(self, limit: int = 1, *, wait_s: float = POLL_S) -> list[T] | None:
        """Return up to ``limit`` items: an empty list if nothing came within ``wait_s``, None after the last."""
        with self._change:
            if not self._items and not self._ended:
                self._change.wait(wait_s)
            if not self._items and self._ended:
                return None
            items = [self._items.popleft() for _ in range(min(limit, len(self._items)))]
            self._change.notify_all()
            return items

    def end(self) -> None:
        """Say that no more items come. Those that wait can still be taken."""
        with self._change:
            self._ended = True
            self._change.notify_all()

    def close(self) -> None:
        """Say that nobody takes anything any more. This frees a writer that waits."""
        with self._change:
            self._closed = self._ended = True
            self._items.clear()
            self._change.notify_all()
