"""A file that the server writes and people may change by hand meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from sightline.core.errors import TooLarge
from sightline.security import files

MOST_BYTES = 8 << 20
"""What is larger was not written here."""
Mark: TypeAlias = tuple[int, int, int]


class WatchedFile:
    """Knows whether the file is as it was read or written last. All methods block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: Mark | None = None
        self._seen: Mark | None = None
        """As it was at the last look, while it may still be written to."""

    def read(self) -> bytes | None:
        """Return what is in the file; None where there is none. Raises OSError or TooLarge."""
        mark = self._mark()
        if mark is None:
            return None
        self._known = mark
        if mark[1] > MOST_BYTES:
            raise TooLarge(f"it has {mark[1]} bytes: expected at most {MOST_BYTES}")
        return self.path.read_bytes()

    def edited(self, *, settled: bool) -> bytes | None:
        """Return what somebody else has written; None where nobody has, or the file is gone. Raises as ``read`` does.

        ``settled``: only if the last look found the same, so that nobody is about to write the rest.
        """
        try:
            mark = self._mark()
        except OSError:  # a folder that can't be looked into, which reading and writing tell
            return None
        last, self._seen = self._seen, mark
        if mark in (None, self._known) or (settled and mark != last):
            return None
        return self.read()

    def write(self, data: bytes) -> None:
        """Replace the file in one step. Raises ConfigError or Shortage."""
        files.make_folder(self.path.parent)
        files.write(self.path, data)
        self._known = self._mark()

    def _mark(self) -> Mark | None:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
