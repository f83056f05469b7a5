"""The journal: every event is stored first, then told, in the order in which it was stored.

On the event loop nothing but references moves. One thread stores; what came meanwhile is its next batch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple, TypeVar

from msgspec import structs

from sightline.core.errors import FAULTS, told
from sightline.core.events import Event
from sightline.core.types import FrameResult
from sightline.events.store import ANEW, UNUSABLE, EventStore
from sightline.settings.settings import Settings, data_folder

log = logging.getLogger(__name__)

MOST_WAITING = 4096
"""Events that wait for the thread, or for a disk that has room again. More are told, counted and not stored."""
AGAIN_S = 1.0
"""Seconds between two tries to store what could not be stored."""

T = TypeVar("T")
Tell = Callable[[Event], None]


class Taken(NamedTuple):
    """An event on its way to the store, and the result of its frame where there is one."""

    event: Event
    result: FrameResult | None


class Journal:
    """Stores what happens in all streams, and has it told. On the event loop only, apart from what says otherwise."""

    def __init__(self, settings: Settings, tell: Tell) -> None:
        """``tell`` gives an event to whoever listens."""
        self.lost = 0
        """Events that were told and not stored."""
        self.failing: str | None = None
        """Why nothing can be stored at the moment, or is in memory only; None while all is well."""
        self._settings = settings
        self._tell = tell
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="events")
        self._waiting: deque[Taken] = deque()
        self._storing = False
        self._when_told: list[Callable[[], None]] = []
        self._in_memory: str | None = None
        self.newest = 0
        """Number of the newest event that was told."""
        self._number = 0
        self._unsaved: list[Event] = []
        """What could not be stored yet. For the thread only, but its length."""
        self._ended: list[Event] = []
        """Ends of what lasted when an earlier server died."""

    async def open(self) -> None:
        """Open the store, and end what lasted when an earlier server died."""
        await self._in_thread(self._open)
        self.failing, self.newest = self._in_memory, self._number

    def begin(self) -> None:
        """Tell those ends."""
        ended, self._ended = self._ended, []
        for event in ended:
            self._tell(event)

    def take(self, events: Iterable[Event], result: FrameResult | None = None) -> None:
        """EventStore events and tell them. ``result``: that of the frame in which they were seen."""
        for event in events:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(Taken(event, result))
            else:
                self._lose(1)
                self._tell(event)
        self._go_on()

    def when_told(self, call: Callable[[], None]) -> None:
        """Call once all that was taken so far has been told."""
        self._when_told.append(call)
        self._go_on()

    async def run(self) -> None:
        """Try again to store what could not be, until cancelled."""
        while True:
            await asyncio.sleep(AGAIN_S)
            if self._unsaved:
                self._go_on(again=True)

    async def close(self) -> None:
        """EventStore what waits, and let go of the files."""
        done = asyncio.Event()
        self.when_told(done.set)
        await done.wait()
        if self._unsaved:
            log.error("%d events are lost: %s", len(self._unsaved), self.failing)
        await self._in_thread(self._store.close)
        self._thread.shutdown(wait=False)

    # What was stored

    async def after(self, number: int, limit: int = 256) -> list[Event]:
        """Return the oldest events after that number, in their order. What waits for room on a disk is among them."""
        found = await asyncio.to_thread(self._store.after, number, limit)
        if len(found) < limit and self._unsaved:
            last = found[-1].number if found else number
            found += [event for event in list(self._unsaved) if event.number > last][: limit - len(found)]
        return found

    async def cursor(self, name: str) -> int | None:
        """Return up to which number somebody had the events, as ``keep_cursor`` kept it; None for who is new."""
        return await asyncio.to_thread(self._store.cursor, name)

    async def keep_cursor(self, name: str, number: int) -> None:
        """Keep up to which number somebody has the events. Raises sqlite3.Error where the disk is full."""
        await self._in_thread(lambda: self._store.keep_cursor(name, number))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _go_on(self, *, again: bool = False) -> None:
        """Have the thread store what waits, unless it stores already: then it goes on with this afterwards."""
        if self._storing:
            return
        if not self._waiting and not again:
            calls, self._when_told = self._when_told, []
            for call in calls:
                call()
            return
        batch, self._waiting = self._waiting, deque()
        self._storing = True
        asyncio.get_running_loop().run_in_executor(self._thread, self._save, batch).add_done_callback(self._saved)

    def _saved(self, done: asyncio.Future[tuple[list[Event], str | None]]) -> None:
        self._storing = False
        events, failing = done.result()
        if failing != self.failing:
            if failing is not None:
                log.error("events can't be stored, and are told nevertheless: %s", failing)
            else:
                log.info("events are stored again")
        self.failing = failing
        for event in events:
            self.newest = event.number or self.newest
            self._tell(event)
        self._go_on()

    def _lose(self, count: int) -> None:
        self.lost += count

    # In the thread

    def _open(self) -> None:
        try:
            self._store = EventStore(data_folder(self._settings) / "events")
        except (RuntimeError, *UNUSABLE) as e:  # RuntimeError: this user has no folder
            self._in_memory = f"events are kept in memory only: {told(e)}"
            log.warning("%s", self._in_memory)
            self._store = EventStore(None)
        self._number = self._store.newest
        ends = []
        for one in self._store.lasting():
            known = {key: getattr(one, key) for key in Event.__struct_fields__ if hasattr(one, key)}
            end = Event(**known | {"phase": "end", "at": one.started_at, "seq": one.start_seq, "reason": ANEW})
            ends.append(structs.replace(end, number=self._next()))
        with suppress(*UNUSABLE):  # then at the next start
            self._ended = self._store.write(ends)

    def _save(self, batch: Iterable[Taken]) -> tuple[list[Event], str | None]:
        """EventStore a batch, after what could not be stored before; return what is to be told, and why it failed."""
        numbered = [structs.replace(one.event, number=self._next()) for one in batch]
        try:
            to_tell = self._store.write([*self._unsaved, *numbered])
        except UNUSABLE as e:
            self._unsaved += numbered
            over = len(self._unsaved) - MOST_WAITING
            if over > 0:
                del self._unsaved[:over]
                self._lose(over)
            return numbered, told(e)
        except FAULTS as e:
            log.exception("events can't be stored")
            self._lose(len(numbered))
            return numbered, told(e)
        told_before = {event.number for event in self._unsaved}
        self._unsaved = []
        self._lose(sum(not event.number for event in to_tell))
        return [event for event in to_tell if event.number not in told_before], self._in_memory

    def _next(self) -> int:
        """Return the next number: it grows also where the files were lost, or never written, as it has the time."""
        self._number = max(self._number + 1, time.time_ns() // 1_000_000)
        return self._number
