"""What one listener hears: the events that it wants, in the stored order, each once, however slow it is."""

from __future__ import annotations

import asyncio
import logging

from sightline.core.errors import FAULTS, cancelled, told
from sightline.core.events import EVERYTHING, Event, EventFilter
from sightline.core.mailbox import Mailbox
from sightline.events.journal import Journal

log = logging.getLogger(__name__)


class EventFeed(Mailbox[Event]):
    """A mailbox of events that drops none of those that are stored: what it has no room for, it reads again later.

    Who gives the number of the last event that it had gets first what was stored since. Without a journal it is an
    ordinary mailbox.
    """

    __slots__ = ("_last", "_missed", "_reading", "journal", "wanted")

    def __init__(
        self, size: int, wanted: EventFilter = EVERYTHING, journal: Journal | None = None, after: int | None = None
    ) -> None:
        super().__init__(size)
        self.wanted = wanted
        self.journal = journal
        self._last = -1 if after is None else after
        """Number of the last event that is in the mailbox, or was."""
        self._missed = -1 if after is None or journal is None else journal.newest
        """Number of the last event that has to be read from the journal; up to ``_last``, none has to."""
        self._reading: asyncio.Task[None] | None = None
        self._read()

    def put(self, item: Event) -> Event | None:
        """Add an event that is told, where it is wanted. There it may also wait in the journal."""
        if not self.wanted.takes(item):
            return None
        if self.journal is None or not item.number:
            return super().put(item)
        if item.number <= self._last:
            return None
        if self._missed > self._last or len(self) == self._size:
            self._missed = item.number
            return None
        self._last = item.number
        return super().put(item)

    def take(self) -> Event | None:
        """Return the oldest event, None where there is none yet. Raises StreamEnded after ``close``."""
        self._read()
        return super().take()

    async def wait(self) -> None:
        """Wait until there is an event, and leave it. Raises StreamEnded after ``close``."""
        self._read()
        await super().wait()

    def _read(self) -> None:
        """Have the journal read what is missing, once half of the room is free."""
        if self._missed > self._last and self._reading is None and 2 * len(self) <= self._size and not self.closed:
            self._reading = asyncio.get_running_loop().create_task(self._catch_up())

    async def _catch_up(self) -> None:
        assert self.journal is not None
        try:
            while self._missed > self._last and len(self) < self._size and not self.closed:
                missed, room = self._missed, self._size - len(self)
                events = await self.journal.after(self._last, room)
                if len(events) < room:  # nothing else was stored by then
                    self._last = max(self._last, missed)
                for event in events:
                    self._last = max(self._last, event.number)
                    if self.wanted.takes(event):
                        super().put(event)
        except FAULTS as e:
            if cancelled(e):
                raise
            log.error("events can't be read: %s", told(e))
            self._last = self._missed  # who listens goes on with what is told from now on
        finally:
            self._reading = None

    def end(self, reason: str) -> None:
        """Take no more. What waits in the mailbox can still be read; who is behind may ask for the rest later."""
        super().end(reason)
        if self._reading is not None:
            self._reading.cancel()
