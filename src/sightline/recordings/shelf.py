"""The folder of recordings with its index, for all streams: where segments begin, and what the disk says to it."""

from __future__ import annotations

import itertools
import logging
import secrets
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from msgspec import structs

from sightline.core.age_clock import AgeClock
from sightline.core.database import UNUSABLE
from sightline.core.errors import FAULTS, told
from sightline.recordings import mend
from sightline.recordings.files import Root
from sightline.recordings.gaps import GapFiles
from sightline.recordings.index import NOT_RUNNING, Gap, Index, VideoSegment
from sightline.recordings.segment import OpenSegment
from sightline.recordings.take import Take

log = logging.getLogger(__name__)

FOLDER = "recordings"
"""Of the data folder."""
AT_ONCE = 100
"""Segments that a rescan indexes before anybody else gets a turn."""
MOST_NOTES = 10_000
"""Notes for the index that wait for room on the disk. A rescan finds what is lost of more."""
Note: TypeAlias = Callable[[Index], object]


class Shelf:
    """Files and index. Any thread may call."""

    def __init__(self, folder: Path) -> None:
        """Open the folder. Raises ``UNUSABLE``."""
        self.root = Root(folder)
        self._gaps = GapFiles(folder)
        self.index = Index(folder / "index.sqlite")
        self.clock = AgeClock(self.index.newest())
        self.session = secrets.token_hex(8)
        self.full: str | None = None
        """Why nothing could be written the last time."""
        self.low: str | None = None
        """Why nothing is to be written: what is free has to stay so."""
        self._try = False
        self._notes: deque[Note] = deque(maxlen=MOST_NOTES)
        self._noting = threading.Lock()
        self._ended: dict[str, tuple[float, str]] = {}

    def ended(self, stream: str) -> tuple[float, str] | None:
        """Return when an earlier server's recording of a stream ended, and why; the second time None."""
        return self._ended.pop(stream, None)

    def begin(self, stream: str, first: Take) -> OpenSegment:
        """Begin a segment. Raises ``UNUSABLE`` or av.FFmpegError, and leaves nothing behind."""
        name = self.root.new(stream, first.at)
        segment = None
        try:
            segment = OpenSegment(self.root, name, first, self.session, self.clock.now())
            segment.row.id = self.index.begin(segment.row)
        except BaseException:
            if segment is not None:
                segment.abandon()
            with suppress(OSError):
                self.root.remove(name)
            raise
        return segment

    @property
    def barred(self) -> bool:
        """Whether it is of no use to write now; once after each ``try_again`` it may be."""
        if self.full is None or self.low is not None:
            return self.low is not None
        may, self._try = self._try, False
        return not may

    def try_again(self) -> None:
        """Let whoever writes next see whether there is room."""
        self._try = True

    def fail(self, error: BaseException) -> None:
        """Stop recording, as the disk can't be written."""
        if self.full is None:
            log.error("recording stops: %s", told(error))
        self.full = told(error)

    def later(self, note: Note) -> None:
        """Note something in the index: now, or once that can be written again."""
        self._notes.append(note)
        self.catch_up()

    def gap(self, stream: str, gap: Gap) -> None:
        """Note a time of which nothing is recorded, in the index and beside the recordings."""

        def note(index: Index) -> None:
            index.gap(stream, gap)
            with suppress(*UNUSABLE):  # no room: only a rescan would miss it
                self._gaps.write(stream, gap)

        self.later(note)

    def forget_gaps(self, before: float) -> None:
        """Forget gaps that ended before a time. Raises sqlite3.Error."""
        self.index.forget_gaps(before)
        self._gaps.forget(before)

    def catch_up(self) -> None:
        """Note what waits."""
        with self._noting:
            while self._notes:
                try:
                    self._notes[0](self.index)
                except sqlite3.OperationalError as e:  # no room, or somebody else is at it
                    log.debug("the index of recordings waits: %s", e)
                    return
                except FAULTS:
                    log.exception("the index of recordings is not told of something")
                self._notes.popleft()

    def settle(self, row: VideoSegment, *, complete: bool = False) -> int:
        """Keep what is whole of a segment that was cut off, and return how many frames that is.

        ``complete``: lines that are missing are made.
        """
        try:
            found = mend.mended(self.root, row.name, complete=complete)
        except OSError as e:  # it may be whole: a disk that fails, or files of somebody else
            log.warning("%s is left as it is: %s", row.name, told(e))
            return 0
        if found is None:
            with suppress(*UNUSABLE):
                self.root.remove(row.name)
            self.later(lambda index: index.remove(row))
            return 0
        whole, seen = found
        row.ended_at, row.frames, row.bytes, row.open = whole.ended_at, whole.frames, whole.bytes, False
        self.later(lambda index: index.update(row, seen))
        return row.frames

    def settle_all(self) -> None:
        """Settle what an earlier server was recording, or deleting, when it died."""
        for row in self.index.unfinished():
            self.settle(row, complete=True)
        self._ended = {stream: (last, NOT_RUNNING) for stream, (_, _, last) in self.index.totals().items()}

    def delete(self, segment: VideoSegment) -> None:
        """Delete a segment. Raises OSError."""
        unsure = structs.replace(segment, open=True)
        with suppress(sqlite3.Error):  # a full disk may refuse it; then a kill right here leaves a name without files
            self.index.update(unsure)
        self.root.remove(segment.name)
        self.later(lambda index: index.remove(segment))

    def protect(self, stream: str, start: float, end: float, *, on: bool) -> int:
        """Protect what was recorded in a time, or no longer; return how many segments. Raises ``UNUSABLE``."""
        for segment in self.index.every(stream, start, end):
            self.root.keep(segment.name, on=on)
        return self.index.protect(stream, start, end, on=on)

    def rescan(self, left_out: Callable[[str, str], object] = lambda name, why: None) -> int:
        """Make the index anew from the files, and return how many segments there are.

        ``left_out`` is told of each file that is none of them, and why. Raises ``UNUSABLE``.
        """
        there, names = 0, self.root.names()
        while some := list(itertools.islice(names, AT_ONCE)):
            with self.index.all_or_none():
                there += sum(self._looked_at(name, left_out) for name in some)
        for row in self.index.closed():
            if not self.root.video(row.name).exists():
                self.index.remove(row)
        with self.index.all_or_none():
            for stream, gap in self._gaps.read():
                self.index.gap(stream, gap)
        return there

    def _looked_at(self, name: str, left_out: Callable[[str, str], object]) -> bool:
        """Index a segment by its files, unless it is being recorded; False for one that has nothing in it."""
        known = self.index.named(name)
        if known is not None and known.open:
            return False
        why = "expected a video that can be played, and the lines of its frames beside it"
        try:
            found = mend.facts(self.root, name)
        except (*UNUSABLE, ValueError) as e:
            log.warning("%s is left out: %s", name, told(e))
            found, why = None, told(e)
        if found is None:
            left_out(name, why)
            if known is not None:
                self.index.remove(known)
            return False
        row, seen = found
        row.kept_at = min(row.ended_at, self.clock.now()) if known is None else known.kept_at
        row.event |= known is not None and known.event
        self.index.replace(row, seen)
        return True

    def close(self) -> None:
        """Let go of the index."""
        self.catch_up()
        self.index.close()
