"""What the journal's thread does: it numbers events, has their pictures written, and stores them.

It belongs to that thread but for what says otherwise.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from sightline.core.age_clock import AgeClock
from sightline.core.database import UNUSABLE
from sightline.core.errors import FAULTS, told
from sightline.core.events import Event
from sightline.core.types import FrameResult
from sightline.events.pictures import EventPicture, EventPictures, address
from sightline.events.store import ANEW, NEVER, Entry, EventStore, StoredEvent

log = logging.getLogger(__name__)

MOST_IN_MEMORY = 16 << 20
"""Bytes of events where they are kept in memory."""
MOST_UNSAVED = 4096
"""Events that wait for a disk that has room again. Older ones are counted, and not stored."""


class Taken(NamedTuple):
    """An event on its way to the store, and the result of its frame where there is one."""

    event: Event
    result: FrameResult | None


class Saved(NamedTuple):
    """What came of a batch."""

    events: list[Event]
    """Those that are to be told, in their order."""
    lost: int
    """Events that will not be stored."""
    failing: str | None
    """Why not all of it could be stored."""
    watched: frozenset[str]
    """Streams in which something lasts that may be seen better."""


class EventWriter:
    """Stores events and their pictures in a folder, or in memory where that can't be used."""

    def __init__(self, folder: Path | None, why: str = "") -> None:
        """``folder``: None for memory, with the reason."""
        self.unsaved: list[Event] = []
        """What could not be stored yet, for any thread to read: it is replaced, never changed."""
        self._entries: list[Entry] = []
        self.in_memory: str | None = None if folder is not None else f"events are kept in memory only: {why}"
        try:
            self.store = EventStore(folder)
        except UNUSABLE as e:
            self.in_memory = f"events are kept in memory only: {told(e)}"
            folder, self.store = None, EventStore(None)
        if self.in_memory is not None:
            log.warning("%s", self.in_memory)
        self.pictures = EventPictures(None if folder is None else folder / "pictures")
        self.number = self.store.newest()
        """Number of the newest event."""
        self._clock = AgeClock(self.number / 1000 if self.number else None)

    def end_all(self) -> list[Event]:
        """End what lasted when an earlier server died."""
        ends: list[Entry] = []
        for start, known in self.store.lasting():
            now = {key: getattr(known, key) for key in Event.__struct_fields__ if hasattr(known, key)}
            end = structs.replace(start, **now).ended(start.at, start.seq, None, ANEW)
            ends.append((structs.replace(end, number=self._next()), None))
        with suppress(*UNUSABLE):  # then at the next start
            return self.store.write(ends)
        return []

    def save(self, batch: Iterable[Taken], seen: Iterable[FrameResult] = ()) -> Saved:
        """Store a batch, after what could not be stored before. ``seen``: frames in which what lasts may be better."""
        entries = [self._entry(*one) for one in batch]
        try:
            for update, shot in self.pictures.look(seen):
                entries.append((structs.replace(update, number=self._next(), snapshot=address(update)), shot))
        except FAULTS:  # what a plugin put into a result costs a better picture
            log.exception("better pictures of events could not be looked for")
        lost, failing = 0, self.in_memory or self.pictures.failing
        try:
            events = self.store.write([*self._entries, *entries])
        except FAULTS as e:
            kept, most = [*self._entries, *entries], MOST_UNSAVED
            if not isinstance(e, UNUSABLE) or isinstance(e, NEVER):  # a fault of ours, which must not last
                log.exception("events can't be stored")
                most = 0
            lost, failing = max(0, len(kept) - most), told(e)
            self._entries = kept[lost:]
            events = [event for event, _ in entries]
        else:
            told_before = {event.number for event in self.unsaved}
            self._entries = []
            stored = {event.number for event in events}
            for event, picture in entries:
                if picture is not None and event.phase == "start" and event.number not in stored:  # a second start
                    self.pictures.drop(event.stream, event.id, event.number)
            lost = sum(not event.number for event in events)
            events = [event for event in events if event.number not in told_before]
        self.unsaved = [event for event, _ in self._entries]
        return Saved(events, lost, failing, self.pictures.watched)

    def trim(self, days: float, most: int) -> bool:
        """Remove some of what is older than that, or too much in bytes. Returns True if there is more of it."""
        before = int((self._clock.now() - days * 86400) * 1000)
        over = self.store.size() - (MOST_IN_MEMORY if self.in_memory else most)
        old = self.store.oldest(before, over)
        if old:
            self.store.remove(old)
            self.pictures.remove(old)
        if over > 0:
            before = old[-1] if old else self.number
        return self.store.remove_loose(before) > 0 or bool(old)

    def delete(self, found: StoredEvent) -> None:
        """Forget a happening and its picture. Raises sqlite3.Error or OSError."""
        self.store.delete(found.record.id)
        self.pictures.drop(found.record.stream, found.record.id, found.number)

    def _entry(self, event: Event, result: FrameResult | None) -> tuple[Event, EventPicture | None]:
        event = structs.replace(event, number=self._next())
        shot = None
        try:
            if event.phase == "start":
                shot = self.pictures.start(event, result)
            elif event.phase == "end":
                shot = self.pictures.end(event)
        except FAULTS as e:  # what a plugin put into the event
            log.error("event of stream %s: no picture: %s", event.stream, told(e))
        return (event, None) if shot is None else (structs.replace(event, snapshot=address(event)), shot)

    def _next(self) -> int:
        """Return the next number: it grows also where the files were lost, or never written, as it has the time."""
        self.number = max(self.number + 1, time.time_ns() // 1_000_000)
        return self.number
