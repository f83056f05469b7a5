"""Where recordings lie: ``STREAM/2026-11-30/08-15-00.123.mp4`` and beside it the same name with ``.jsonl``.

Nothing here follows a name out of its folder: all paths are made of checked parts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from sightline.core.types import STREAM_NAME
from sightline.security import files

VIDEO, LINES, KEPT = ".mp4", ".jsonl", ".keep"
_PATH = re.compile(rf"({STREAM_NAME.pattern})/(\d{{4}}-\d\d-\d\d)/(\d\d-\d\d-\d\d\.\d{{3}})")


class Root:
    """The folder of all recordings."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def new(self, stream: str, started_at: float) -> str:
        """Return a free name for a segment, and make its folder. Raises ConfigError or Shortage."""
        millis = round(started_at * 1000)
        while True:
            at = datetime.fromtimestamp(millis / 1000, UTC)
            name = f"{stream}/{at:%Y-%m-%d}/{at:%H-%M-%S}.{at.microsecond // 1000:03}"
            files.make_folder(self.video(name).parent)
            if not self.video(name).exists() and not self.lines(name).exists():
                return name
            millis += 1

    def video(self, name: str) -> Path:
        """Return the file of pictures. Raises ValueError for a name that is none of a segment."""
        return self.path / _checked(name, VIDEO)

    def lines(self, name: str) -> Path:
        """Return the file of results. Raises ValueError as ``video`` does."""
        return self.path / _checked(name, LINES)

    def kept(self, name: str) -> bool:
        """Return True if a segment is protected: it has a third, empty file, so that this outlives the index."""
        return (self.path / _checked(name, KEPT)).exists()

    def keep(self, name: str, *, on: bool) -> None:
        """Protect a segment, or no longer. Raises OSError."""
        mark = self.path / _checked(name, KEPT)
        if on:
            mark.touch(mode=0o600)
        else:
            mark.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Delete a segment's files, and its folder once that is empty. Raises OSError."""
        video = self.video(name)
        if not self._ours(video.parent):
            raise OSError(f"{video.parent} leads out of the folder of recordings, so nothing in it is deleted")
        video.unlink(missing_ok=True)
        self.lines(name).unlink(missing_ok=True)
        self.keep(name, on=False)
        with suppress(OSError):
            video.parent.rmdir()
            video.parent.parent.rmdir()

    def _ours(self, folder: Path) -> bool:
        """Return False where somebody put a link in place of a folder."""
        return not any(one.is_symlink() for one in (folder, folder.parent))

    def names(self) -> Iterator[str]:
        """Find all segments by their files, oldest first in each stream. Links are left alone."""
        for stream in _folders(self.path):
            for day in _folders(stream):
                with os.scandir(day) as found:
                    files = [one.name for one in found if one.is_file(follow_symlinks=False)]
                stems = {name.removesuffix(VIDEO).removesuffix(LINES) for name in files}
                for stem in sorted(stems):
                    name = f"{stream.name}/{day.name}/{stem}"
                    if _PATH.fullmatch(name):
                        yield name


def stream_of(name: str) -> str:
    """Return the stream of a segment."""
    return name.partition("/")[0]


def _checked(name: str, ending: str) -> PurePosixPath:
    if not _PATH.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no name of a recording")
    return PurePosixPath(name + ending)


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return sorted(one for one in path.iterdir() if one.is_dir() and not one.is_symlink())
