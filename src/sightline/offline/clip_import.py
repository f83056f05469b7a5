"""Clips that were taken elsewhere become recordings: a model runs over each, and it is listed at its own time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from sightline.core.errors import FAULTS, ConfigError, Shortage, SourceError, cancelled, told
from sightline.models.base import Model
from sightline.offline.run import Run
from sightline.recordings.clip_time import WRITTEN, ClipTime, time_of
from sightline.recordings.imported import Aside, ImportedClip, check_free
from sightline.recordings.shelf import Shelf
from sightline.settings.stream import Tracking
from sightline.sources import file
from sightline.sources.base import Lose, Shot, Source, printable, unnoticed

MOST_FILES = 10_000
LOOK_EVERY = 64
"""Frames between two looks at the disk."""


class ImportedFile(Struct, kw_only=True):
    """What became of one file."""

    name: str
    at: float | None = None
    """When it begins, seconds since 1970."""
    by: str = ""
    """What says so."""
    frames: int = 0
    segments: int = 0
    why: str = ""
    """Why it was not imported, or what to know of it."""

    @property
    def imported(self) -> bool:
        """Whether it is listed now."""
        return self.segments > 0


class Stopped(Exception):
    """Somebody wants no more of it."""


def clips_in(place: Path) -> list[Path]:
    """Return the files of a folder and of those in it, by name; a file itself. Links and hidden files are left alone.

    Raises SourceError where there is none, or too many.
    """
    if place.is_file():
        return [place]
    found = []
    for folder, folders, names in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(folder, name) for name in sorted(names) if not name.startswith("."))
        found += [path for path in paths if path.is_file() and not path.is_symlink()]
        if len(found) > MOST_FILES:
            raise SourceError(f"{printable(place.name)}: expected at most {MOST_FILES} files")
    if not found:
        raise SourceError(f"{printable(str(place))}: expected a video, or a folder with videos")
    return found


class ClipImport:
    """Imports clips into a stream, one after the other."""

    def __init__(
        self,
        shelf: Shelf,
        stream: str,
        model: Model,
        *,
        stages: Sequence[str],
        tracking: Tracking,
        free_bytes: float,
        foreign: bool,
    ) -> None:
        """``free_bytes``: what has to stay free on the disk.

        ``foreign``: somebody elsewhere named the files, so that only formats are read that name no other files.
        """
        self._shelf, self._stream, self._model = shelf, stream, model
        self._stages, self._tracking, self._foreign = stages, tracking, foreign
        self._free_bytes = free_bytes

    def add(
        self, path: Path, stop: Callable[[], bool], progress: Callable[[int, int | None], None] = lambda *_: None
    ) -> ImportedFile:
        """Import a clip, or say why that can't be. Nothing of it is listed unless all of it is.

        ``progress`` is told how many frames are done, of how many. Raises Stopped once ``stop`` says so, and
        ConfigError or Shortage where nothing can be imported at all.
        """
        done = ImportedFile(name=printable(path.name))
        with Aside(self._shelf) as aside:
            try:
                self._add(path, aside, done, stop, progress)
            except FAULTS as e:
                if isinstance(e, Stopped) or cancelled(e):
                    raise
                done.why = told(e).removeprefix(f"{done.name}: ").removeprefix(f"{printable(str(path))}: ")
        return done

    def _add(
        self,
        path: Path,
        aside: Aside,
        done: ImportedFile,
        stop: Callable[[], bool],
        progress: Callable[[int, int | None], None],
    ) -> None:
        opened = file.open_foreign(path) if self._foreign else file.open(str(path))
        taken = time_of(path)
        done.at, done.by = taken.at, taken.by
        self._check_free(taken)
        clip = ImportedClip(self._shelf, aside, self._stream, done.name)
        with _Timed(opened, taken.at) as source:
            run = Run(
                source,
                self._model,
                [clip],
                stream=self._stream,
                latest=False,
                stages=self._stages,
                tracking=self._tracking,
            )

            def tell() -> None:
                progress(run.tally.frames, source.total)
                if run.tally.frames % LOOK_EVERY == 0:
                    self._check_room()

            run.go(stop, tell)
        if stop():
            raise Stopped
        done.frames = clip.frames
        done.segments = clip.adopt()
        if source.unreadable:
            done.why = "parts of it are damaged, and were left out"

    def _check_free(self, taken: ClipTime) -> None:
        try:
            check_free(self._shelf, self._stream, taken.at, taken.lasts)
        except ConfigError as e:
            if taken.by != WRITTEN:
                raise
            way = "where that is not when it was taken, put its time into its name (20261130_081500)"
            raise ConfigError(f"{e.message}, as {WRITTEN} says; {way}") from None

    def _check_room(self) -> None:
        if shutil.disk_usage(self._shelf.root.path).free < self._free_bytes:
            raise Shortage(f"the disk is full: less than {self._free_bytes / 1e9:g} GB are free")


class _Timed:
    """A source of a file whose times are those of the day it was taken."""

    live = images = False

    def __init__(self, source: Source, began: float) -> None:
        self._source, self._began = source, began
        self.name, self.total, self.fps = source.name, source.total, source.fps
        self.idle = False
        self.lose: Lose = unnoticed
        self.unreadable = 0

    def __enter__(self) -> _Timed:
        return self

    def __exit__(self, *exit: object) -> None:
        self._source.__exit__(*exit)

    def __iter__(self) -> Iterator[Shot]:
        for shot in self._source:
            self.unreadable = self._source.unreadable
            yield replace(shot, timestamp=self._began + shot.timestamp)
        self.unreadable = self._source.unreadable
