"""A clip on its way into the recordings: written aside, and listed once all of it is there."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress

from sightline.core.errors import ConfigError, FolderInUse, SinkError, shortage, told
from sightline.core.types import FrameResult
from sightline.media import codecs
from sightline.recordings.files import LINES, VIDEO, Root
from sightline.recordings.index import VideoSegment
from sightline.recordings.lines import Summary
from sightline.recordings.mp4 import PictureFrames
from sightline.recordings.segment import OpenSegment
from sightline.recordings.shelf import Shelf
from sightline.recordings.take import Take
from sightline.security.files import hold_folder, make_folder
from sightline.sinks.base import Entry

ASIDE = ".import"
"""Folder beside the streams' own; no stream can have its name."""
MOVING = "moving"
"""File in it: names under which a clip's files are put among the recordings, before they are listed."""
MANY = 64
"""Frames whose lines are written at a time."""
OVERLAP_S = 0.5
"""Seconds for which a clip may reach into what is recorded already: files round their lengths."""


class Aside:
    """The folder in which clips are written. One import at a time has it; what an earlier one left is deleted."""

    def __init__(self, shelf: Shelf) -> None:
        """Raises ConfigError, Shortage, OSError or sqlite3.Error."""
        self._shelf, self._path = shelf, shelf.root.path / ASIDE
        make_folder(self._path)
        try:
            self._lock: sqlite3.Connection = hold_folder(self._path)
        except FolderInUse:
            raise ConfigError("another import is under way: expected one at a time") from None
        try:
            self._clear(knows=not shelf.index.fresh)
        except BaseException:
            self._lock.close()
            raise
        self.root = Root(self._path)

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._clear()
        finally:
            self._lock.close()

    def move(self, name: str, to: str) -> None:
        """Put a segment among the recordings. It is deleted again unless it comes to be listed. Raises OSError."""
        with (self._path / MOVING).open("a") as moving:
            moving.write(f"{to}\n")
        self._shelf.root.keep(to, on=True)
        for ending in (LINES, VIDEO):
            (self._path / (name + ending)).replace(self._shelf.root.path / (to + ending))

    def _clear(self, *, knows: bool = True) -> None:
        """Delete what is not listed. ``knows``: the index is the old one; else a rescan lists what was moved."""
        moving = self._path / MOVING
        with suppress(FileNotFoundError):
            for name in moving.read_text().splitlines():
                with suppress(ValueError):  # cut off: its files were not moved yet
                    if knows and self._shelf.index.named(name) is None:
                        self._shelf.root.remove(name)
            moving.unlink()
        for one in self._path.iterdir():
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one)


def clear_killed(shelf: Shelf) -> None:
    """Delete what an import left that was killed; nothing while one is under way. Raises ``UNUSABLE``."""
    if (shelf.root.path / ASIDE).is_dir():
        with suppress(ConfigError), Aside(shelf):
            pass


def check_free(shelf: Shelf, stream: str, began: float, lasts: float) -> None:
    """Raise ConfigError where something is recorded of a time already: a clip is not imported twice."""
    if shelf.index.segments(stream, began + OVERLAP_S, began + max(lasts - OVERLAP_S, OVERLAP_S + 0.1)):
        raise ConfigError("something of this stream is recorded at that time already")


class ImportedClip:
    """A sink that makes a recording of what it is given. It is protected, as it may be older than anything is kept."""

    wants_drawn = False

    def __init__(self, shelf: Shelf, aside: Aside, stream: str, name: str) -> None:
        """``name``: to show to people. Frames come with their times in seconds since 1970."""
        self.target = name
        self.frames = 0
        self._shelf, self._aside, self._stream = shelf, aside, stream
        self._pictures = PictureFrames()
        self._open: OpenSegment | None = None
        self._done: list[tuple[VideoSegment, Summary]] = []

    def write(self, entry: Entry) -> None:
        """Add a frame with its result. Raises SinkError."""
        result = entry.result
        at = round(result.frame.captured_at, 6)
        take = Take(at, entry.image, seq=result.frame.seq, settled=True, keep=True, result=_with_mask(result))
        take.say()
        try:
            if self._open is not None and not self._open.takes(take):
                self._end()
            if self._open is None:
                name = self._aside.root.new(self._stream, at)
                shelf = self._shelf
                self._open = OpenSegment(self._aside.root, name, take, shelf.session, shelf.clock.now())
            self._open.add(take, self._pictures)
            if self.frames % MANY == 0:
                self._open.flush()
        except OSError as e:
            raise shortage(e) or SinkError(f"{self.target}: can't be recorded: {told(e)}") from e
        self.frames += 1

    def close(self) -> None:
        """Complete the files, which are not listed yet. Raises SinkError."""
        if self._open is not None:
            self._end()

    def adopt(self) -> int:
        """List what was written, all or nothing of it, and return how many segments there are. Raises ``UNUSABLE``."""
        shelf = self._shelf
        with shelf.index.all_or_none():
            for row, seen in self._done:
                name = shelf.root.new(self._stream, row.started_at)
                self._aside.move(row.name, name)
                row.name, row.protected = name, True
                shelf.index.replace(row, seen)
        return len(self._done)

    def _end(self) -> None:
        assert self._open is not None
        segment, self._open = self._open, None
        try:
            segment.close()
        except OSError as e:
            raise shortage(e) or SinkError(f"{self.target}: can't be recorded: {told(e)}") from e
        self._done.append((segment.row, segment.summary))


def _with_mask(result: FrameResult) -> FrameResult:
    """Return a result with its mask as recordings have it."""
    raster = result.prediction.raster()
    if raster is None or result.mask_png is not None:
        return result
    return result.changed(mask_png=codecs.encode_mask(raster.values, raster.alpha))
