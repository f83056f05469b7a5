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
from contextlib import nullcontext
from typing import TypeVar

from sightline.core.database import UNUSABLE
from sightline.core.errors import NoFolder, Shortage, told
from sightline.core.events import Event, EventFilter, EventRecord
from sightline.core.types import FrameResult
from sightline.events.pictures import crop as cut_out
from sightline.events.store import StoredEvent
from sightline.events.writer import EventWriter, Saved, Taken
from sightline.settings.settings import Settings, data_folder

log = logging.getLogger(__name__)

MOST_WAITING = 4096
"""Events that wait for the thread. More are told and counted, and not stored."""
MOST_FRAMES = 64
"""Events that wait for the thread with their frames, for which they get pictures."""
LOOK_S = 0.25
"""Shortest time between two looks whether something that lasts is seen better now."""
MOST_CROPS = 2
"""Pictures that are decoded at a time."""
TRIM_S = 60.0
"""Seconds between two looks whether something is too old or too much."""
AGAIN_S = 1.0
"""Seconds between two tries to store what could not be stored."""

T = TypeVar("T")


class Journal:
    """Stores what happens in all streams, and has it told. On the event loop only."""

    def __init__(self, settings: Settings, tell: Callable[[Event], None]) -> None:
        """``tell`` gives an event to whoever listens."""
        self.told = 0
        """Events that were told."""
        self.lost = 0
        """Events that were told and not stored."""
        self.failing: str | None = None
        """Why not all can be stored at the moment, or is in memory only; None while all is well."""
        self.newest = 0
        """Number of the newest event that was told."""
        self.watched: frozenset[str] = frozenset()
        """Streams of which the journal wants to ``see`` every frame."""
        self._settings = settings
        self._tell_listeners = tell
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="events")
        self._waiting: deque[Taken] = deque()
        self._seen: dict[str, FrameResult] = {}
        """The newest frame of each stream that is watched."""
        self._looked = 0.0
        self._cutting = asyncio.Semaphore(MOST_CROPS)
        self._storing = False
        self._when_told: list[Callable[[], None]] = []
        self._ended: list[Event] = []
        """Ends of what lasted when an earlier server died."""

    async def open(self) -> None:
        """Open the store, and end what lasted when an earlier server died."""
        self._writer = await self._in_thread(self._open)
        self._ended = await self._in_thread(self._writer.end_all)
        self.failing, self.newest = self._writer.in_memory, self._writer.number

    def _open(self) -> EventWriter:
        try:
            return EventWriter(data_folder(self._settings) / "events")
        except NoFolder as e:  # this user has no folder
            return EventWriter(None, str(e))

    def begin(self) -> None:
        """Tell those ends."""
        ended, self._ended = self._ended, []
        for event in ended:
            self._tell(event)

    def take(self, events: Iterable[Event], result: FrameResult | None = None) -> None:
        """Store events and tell them. ``result``: that of the frame in which they were seen."""
        for event in events:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(Taken(event, result if len(self._waiting) < MOST_FRAMES else None))
            else:
                self.lost += 1
                self._tell(event)
        self._go_on()

    def see(self, result: FrameResult) -> None:
        """Take a frame of a stream that is ``watched``. The newest will do."""
        self._seen[result.frame.stream] = result
        if time.monotonic() - self._looked > LOOK_S:
            self._go_on()

    def when_told(self, call: Callable[[], None]) -> None:
        """Call once all that was taken so far has been told."""
        self._when_told.append(call)
        self._go_on()

    async def run(self) -> None:
        """Try again to store what could not be, and remove what is too old or too much, until cancelled."""
        trimmed = -TRIM_S
        while True:
            if time.monotonic() - trimmed > TRIM_S:
                trimmed = time.monotonic()
                await self._trim()
            await asyncio.sleep(AGAIN_S)
            if self._writer.unsaved:
                self._go_on(again=True)

    def keep(self, settings: Settings) -> None:
        """Keep as long and as much as these settings say from now on."""
        self._settings = settings

    async def _trim(self) -> None:
        most = int(self._settings.events_gb * 1e9)
        try:
            more = True
            while more:  # piece by piece, so that what happens meanwhile is stored in between
                more = await self._in_thread(lambda: self._writer.trim(self._settings.events_days, most))
        except UNUSABLE as e:  # a full disk may refuse even that; what is stored later says so
            log.warning("old events can't be removed: %s", told(e))

    async def close(self) -> None:
        """Store what waits, and let go of the files."""
        done = asyncio.Event()
        self.when_told(done.set)
        await done.wait()
        if self._writer.unsaved:
            log.error("%d events are lost: %s", len(self._writer.unsaved), self.failing)
        await self._in_thread(self._writer.store.close)
        self._thread.shutdown(wait=False)

    def _tell(self, event: Event) -> None:
        self.told += 1
        self.newest = event.number or self.newest
        self._tell_listeners(event)

    # What was stored

    async def after(self, number: int, limit: int = 256) -> list[Event]:
        """Return the oldest events after that number, in their order. What waits for room on a disk is among them."""
        unsaved = self._writer.unsaved
        found = await asyncio.to_thread(self._writer.store.after, number, limit)
        if len(found) < limit and unsaved:
            last = found[-1].number if found else number
            found += [event for event in unsaved if event.number > last][: limit - len(found)]
        return found

    async def find(self, id: str) -> EventRecord | None:
        """Return what is known of a happening; None for one that is not here."""
        found = await asyncio.to_thread(self._writer.store.find, id)
        return None if found is None else found.record

    async def search(
        self,
        wanted: EventFilter,
        limit: int,
        *,
        before: int | None = None,
        since: float | None = None,
        until: float | None = None,
        lasting: bool | None = None,
    ) -> list[StoredEvent]:
        """Return the newest happenings of those that are wanted: see ``EventStore.search``."""
        search = self._writer.store.search
        return await asyncio.to_thread(search, wanted, limit, before=before, since=since, until=until, lasting=lasting)

    async def delete(self, id: str) -> None:
        """Forget a happening and its picture. Raises Shortage where the disk does not let us."""

        def delete() -> None:
            found = self._writer.store.find(id)
            if found is not None:
                self._writer.delete(found)

        try:
            await self._in_thread(delete)
        except UNUSABLE as e:
            raise Shortage(f"the event can't be deleted: {told(e)}") from None

    async def picture(self, id: str, *, crop: bool = False) -> bytes | None:
        """Return a happening's picture as it came, or the object cut out of it with its box; None where there is none.

        Raises BadImage where a crop can't be made.
        """

        def read() -> bytes | None:
            found = self._writer.store.find(id)
            if found is None or found.shot is None:
                return None
            jpeg = self._writer.pictures.read(found.number)
            return jpeg if jpeg is None or not crop else cut_out(jpeg, found.shot.detection, found.record.box)

        async with self._cutting if crop else nullcontext():
            return await asyncio.to_thread(read)

    async def cursor(self, name: str) -> int | None:
        """Return up to which number somebody had the events, as ``keep_cursor`` kept it; None for who is new."""
        return await asyncio.to_thread(self._writer.store.cursor, name)

    async def keep_cursor(self, name: str, number: int) -> None:
        """Keep up to which number somebody has the events. Raises sqlite3.Error where the disk is full."""
        await self._in_thread(lambda: self._writer.store.keep_cursor(name, number))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _go_on(self, *, again: bool = False) -> None:
        """Have the thread store what waits, unless it stores already: then it goes on with this afterwards."""
        if self._storing:
            return
        look = bool(self._seen) and time.monotonic() - self._looked > LOOK_S
        if not (self._waiting or look or again):
            calls, self._when_told = self._when_told, []
            for call in calls:
                call()
            return
        seen: list[FrameResult] = []
        if look:
            seen, self._seen = list(self._seen.values()), {}
            self._looked = time.monotonic()
        batch, self._waiting = self._waiting, deque()
        self._storing = True
        saving = asyncio.get_running_loop().run_in_executor(self._thread, self._writer.save, batch, seen)
        saving.add_done_callback(self._saved)

    def _saved(self, done: asyncio.Future[Saved]) -> None:
        self._storing = False
        saved = done.result()
        if saved.failing != self.failing:
            if saved.failing is not None:
                log.error("events can't be stored, and are told nevertheless: %s", saved.failing)
            else:
                log.info("events are stored again")
        self.failing, self.watched = saved.failing, saved.watched
        self.lost += saved.lost
        for event in saved.events:
            self._tell(event)
        self._go_on()
