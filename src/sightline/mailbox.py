"""Bounded hand-off in which the newest item wins."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from sightline.errors import StreamEnded

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Queue of at most ``size`` items; ``put`` drops the oldest and counts it. On the event loop only.

    One task reads. After ``close`` all remaining items are discarded and ``get`` raises StreamEnded.
    """

    def __init__(self, size: int = 1) -> None:
        if size < 1:
            raise ValueError(f"mailbox size {size}: expected at least 1")
        self._items: deque[T] = deque()
        self._size = size
        self._ready = asyncio.Event()
        self._ended: str | None = None
        self.accepted = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def closed(self) -> bool:
        """True after ``close``."""
        return self._ended is not None

    def put(self, item: T) -> T | None:
        """Add an item without waiting. Returns the item that was dropped, if any."""
        if self._ended is not None:
            return item
        self.accepted += 1
        lost: T | None = None
        if len(self._items) == self._size:
            lost = self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        self._ready.set()
        return lost

    async def get(self) -> T:
        """Wait for the oldest item. Raises StreamEnded after ``close``."""
        while not self._items:
            if self._ended is not None:
                raise StreamEnded(self._ended)
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()

    def close(self, reason: str = "closed") -> None:
        """Close the mailbox: waiting items are dropped and counted, readers get StreamEnded."""
        if self._ended is None:
            self._ended = reason
            self.dropped += len(self._items)
            self._items.clear()
            self._ready.set()
