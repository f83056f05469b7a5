"""All recordings of a server: what is recorded now, what was, and what goes. The loop has references only."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from msgspec import structs

from sightline.core.database import UNUSABLE
from sightline.core.errors import Shortage, told
from sightline.core.events import Event
from sightline.recordings.imported import clear_killed
from sightline.recordings.index import NOT_RUNNING, ClassSighting, Gap, Index, Marks, VideoSegment
from sightline.recordings.keeper import Keeper
from sightline.recordings.recorder import Kept, Recorder
from sightline.recordings.retention import GB, prune, retention_of
from sightline.recordings.saved import AFTER_S, ALONE_S, BEFORE_S, SavedClip, SavedClips
from sightline.recordings.shelf import FOLDER, Shelf
from sightline.recordings.unscheduled import Unscheduled, merged
from sightline.recordings.writer_threads import WriterThreads
from sightline.security.files import hold_folder, make_folder
from sightline.settings.settings import Settings, data_folder

log = logging.getLogger(__name__)

TICK_S = 0.25
LOOK_S = 1.0
"""Seconds between two looks at the disk."""
PRUNE_S = 15.0
"""Seconds between two looks at what is too old or too much."""
THREADS = 4
"""Streams that are written at a time, at most."""

T = TypeVar("T")


class Recordings:
    """Recorders by stream, and what they recorded. On the event loop only, but for what is said to be for threads."""

    def __init__(
        self,
        settings: Settings,
        mode: Callable[[str], Kept],
        silence: Callable[[str], str],
        unscheduled: Callable[[str], bool],
    ) -> None:
        """``mode``: what of a stream is recorded. ``silence``: why nothing comes of it; empty where it should.

        ``unscheduled``: whether a stream's schedule leaves out this time.
        """
        self.stopped: str | None = None
        """Why nothing can be recorded at the moment; None while all is well."""
        self.free_bytes = self.used_bytes = 0
        self.totals: dict[str, tuple[int, float, float]] = {}
        """Bytes, first and last moment of each stream, some seconds old."""
        self._settings, self._mode, self._silence = settings, mode, silence
        self._unscheduled, self._left_out = unscheduled, Unscheduled()
        self._recorders: dict[str, Recorder] = {}
        self._saved = SavedClips()
        self._writers = WriterThreads(min(THREADS, os.cpu_count() or 1))
        self._shelf: Shelf | None = None
        self._lock: sqlite3.Connection | None = None
        self._used = False
        """Something is or was recorded, so that the disk is looked at."""

    async def open(self) -> None:
        """Open the folder, and make whole what an earlier server could not finish."""
        try:
            await asyncio.to_thread(self._open)
        except (*UNUSABLE, RuntimeError) as e:
            self.stopped = f"nothing can be recorded: {told(e)}"
            log.warning("%s", self.stopped)

    def _open(self) -> None:
        folder = data_folder(self._settings) / FOLDER
        make_folder(folder)
        self._lock = hold_folder(folder)
        shelf = Shelf(folder)
        clear_killed(shelf)
        shelf.settle_all()
        if shelf.index.fresh:
            shelf.rescan()
        self._shelf = shelf
        self._look()

    def of(self, stream: str) -> Recorder | None:
        """Return the recorder of a stream; None where nothing can be recorded."""
        if self._shelf is None:
            return None
        if stream not in self._recorders:
            settings = self._settings
            keeper = Keeper(stream, self._shelf, settings.record_before_s)
            mode = lambda: self._mode(stream)  # noqa: E731 - asked at every frame
            self._recorders[stream] = Recorder(stream, keeper, self._writers, settings.record_after_s, mode)
        return self._recorders[stream]

    def forget(self, stream: str) -> None:
        """A stream is no longer there. What was recorded of it keeps its figures."""
        recorder = self._recorders.get(stream)
        if recorder is not None and not recorder.recorded:
            del self._recorders[stream]

    @property
    def recorders(self) -> dict[str, Recorder]:
        """All of this run of the server."""
        return self._recorders

    def happened(self, events: Iterable[Event]) -> list[Event]:
        """Tell the recorders of what happens; return it with the paths of the clips that are kept of it."""
        return [self._recorded(event) for event in events]

    def _recorded(self, event: Event) -> Event:
        recorder = self._recorders.get(event.stream)
        if recorder is None or not recorder.happened(event) or event.phase != "start":
            return event
        return structs.replace(event, clip=f"/api/events/{event.id}/clip.mp4")

    async def save_clip(self, stream: str) -> SavedClip:
        """Keep the last seconds, as far as they are there, and the next ones. Raises Shortage or LimitReached."""
        recorder = self.of(stream)
        if recorder is None or self.stopped is not None:
            raise Shortage(self.stopped or "nothing can be recorded")
        now = time.time()
        found = await asyncio.to_thread(self.segments, stream, now - BEFORE_S, now)
        remembered = self._settings.record_before_s if recorder.on else 0.0
        before = max(remembered, now - max(found[0].started_at, now - BEFORE_S) if found else 0.0)
        after = AFTER_S if before else ALONE_S
        clip = SavedClip(stream, now - before, now + after, before)
        self._saved.add(clip)
        recorder.hold(after)
        return clip

    async def run(self) -> None:
        """Close what is over, delete what has to go, and try again what could not be written, until cancelled."""
        looked = pruned = 0.0
        while True:
            await asyncio.sleep(TICK_S)
            for recorder in self._recorders.values():
                recorder.tick(self._silence(recorder.stream))
            now = time.monotonic()
            if self._shelf is not None and now - looked >= LOOK_S:
                full = self._shelf.full is not None or self._shelf.low is not None
                looked, due = now, full or now - pruned >= PRUNE_S
                wanted = any(recorder.recording for recorder in self._recorders.values())
                pruned = now if due else pruned
                left_out = self._left_out.look(filter(self._unscheduled, self._recorders), time.time())
                with suppress(*UNUSABLE):  # told as ``stopped``
                    await asyncio.to_thread(self._keep_house, due, wanted, left_out)

    def _keep_house(self, due: bool, wanted: bool, left_out: Iterable[tuple[str, Gap]]) -> None:
        shelf = self._opened
        for stream, gap in left_out:
            shelf.gap(stream, gap)
        self._saved.protect(self._protect)
        if due:
            prune(shelf, retention_of(self._settings))
            self.totals = shelf.index.totals()
        shelf.catch_up()
        if wanted:
            shelf.try_again()
        else:
            shelf.full = None
        self._look()

    def _look(self) -> None:
        """See how full the disk is."""
        shelf = self._opened
        self.free_bytes = shutil.disk_usage(shelf.root.path).free
        self.totals = self.totals or shelf.index.totals()
        self.used_bytes = sum(size for size, _, _ in self.totals.values())
        least = self._settings.record_free_gb
        shelf.low = f"less than {least:g} GB are free on the disk" if self.free_bytes < least * GB else None
        why = shelf.low or shelf.full
        self.stopped = None if why is None else f"recording stopped: {why}"

    async def close(self) -> None:
        """Write what waits, and let go of the files."""
        await asyncio.gather(*(recorder.close(NOT_RUNNING) for recorder in self._recorders.values()))
        self._writers.close()
        if self._shelf is not None:
            await asyncio.to_thread(self._saved.protect, self._protect)
            await asyncio.to_thread(self._shelf.close)
        if self._lock is not None:
            self._lock.close()

    # What was recorded. These are for threads, and raise Shortage where the disk does not let us.

    @property
    def _opened(self) -> Shelf:
        if self._shelf is None:
            raise Shortage(self.stopped or "recordings are not open")
        return self._shelf

    def _asked(self, ask: Callable[[Index], T]) -> T:
        try:
            return ask(self._opened.index)
        except UNUSABLE as e:
            raise Shortage(f"the index of recordings can't be read: {told(e)}") from None

    def segments(self, stream: str, start: float, end: float) -> list[VideoSegment]:
        """Return what was recorded in a time, in order; also what is being recorded."""
        return self._asked(lambda index: [one for one in index.segments(stream, start, end) if one.frames])

    def gaps(self, stream: str, start: float, end: float) -> list[Gap]:
        """Return the times of which nothing is recorded, and why, in order."""
        return self._asked(lambda index: merged(index.gaps(stream, start, end), index.segments(stream, start, end)))

    def at(self, stream: str, at: float) -> VideoSegment | None:
        """Return the segment that has a moment, or the next one after it; None at the end."""
        return self._asked(lambda index: index.at(stream, at))

    def find(self, stream: str, id: int) -> VideoSegment | None:
        """Return a segment by its number; None where it was deleted."""
        return self._asked(lambda index: index.find(stream, id))

    def marks(self, stream: str, start: float, end: float, bucket_s: float) -> Marks:
        """Return what was seen in a time, in parts of so many seconds: ten, or a multiple."""
        return self._asked(lambda index: index.marks(stream, start, end, bucket_s))

    def search(
        self,
        class_name: str,
        streams: Collection[str] | None,
        start: float,
        end: float,
        limit: int,
        after: tuple[float, str] | None = None,
    ) -> list[ClassSighting]:
        """Return when a class came into sight, newest first: see ``Index.search``."""
        return self._asked(lambda index: index.search(class_name, streams, start, end, limit, after))

    def video(self, segment: VideoSegment) -> Path:
        """Return the file of a segment's pictures: it may be gone by the time it is opened."""
        return self._opened.root.video(segment.name)

    def lines(self, segment: VideoSegment) -> Path:
        """Return the file of a segment's results, which ``recordings.lines.read`` reads."""
        return self._opened.root.lines(segment.name)

    def _protect(self, stream: str, start: float, end: float) -> None:
        self._opened.protect(stream, start, end, on=True)

    def protect(self, stream: str, start: float, end: float, *, on: bool) -> int:
        """Protect what was recorded in a time, or no longer. Return how many segments that are."""
        try:
            return self._opened.protect(stream, start, end, on=on)
        except UNUSABLE as e:
            raise Shortage(f"the recordings can't be protected: {told(e)}") from None

    def delete(self, stream: str, start: float, end: float) -> int:
        """Delete what was recorded in a time and is not protected. Return how many segments that were."""
        shelf, gone = self._opened, 0
        try:
            for segment in shelf.index.every(stream, start, end):
                if not segment.open and not segment.protected:
                    shelf.delete(segment)
                    gone += 1
            self.totals = shelf.index.totals()
        except UNUSABLE as e:
            raise Shortage(f"the recordings can't be deleted: {told(e)}") from None
        return gone
