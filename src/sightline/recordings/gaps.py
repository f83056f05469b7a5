"""Times of which nothing is recorded, with why, beside the recordings: an index that is made anew knows them too.

``STREAM/2026-11-30/gaps.jsonl`` has a line for each gap that began on that day (UTC).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from math import nan
from pathlib import Path

import msgspec
from msgspec import Struct, field

from sightline.core.types import STREAM_NAME
from sightline.recordings.folders import day_of
from sightline.recordings.index import Gap
from sightline.security import files

FILE = "gaps.jsonl"
MOST_LINE = 1000


class GapLine(Struct):
    """One line. Times are seconds since 1970."""

    from_: float = field(name="from")
    to: float
    reason: str


class GapFiles:
    """The gaps below a folder of recordings. For one thread at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._newest: dict[str, tuple[float, int]] = {}
        """By stream: when its newest gap began, and where its line does."""

    def write(self, stream: str, gap: Gap) -> None:
        """Add a gap, or how far it reaches by now. Raises OSError, ConfigError or Shortage."""
        if not STREAM_NAME.fullmatch(stream):
            raise ValueError(f"{stream[:80]!r} is no name of a stream")
        path = self._root / stream / day_of(gap.started_at) / FILE
        files.make_folder(path.parent)
        began, place = self._newest.get(stream, (nan, 0))
        with path.open("ab", buffering=0) as file:
            size = file.tell()
            place = min(place, size) if began == gap.started_at else size
            file.truncate(place)
            try:
                file.write(msgspec.json.encode(GapLine(gap.started_at, gap.ended_at, gap.reason)) + b"\n")
            except OSError:
                file.truncate(place)  # half a line would spoil the next one
                raise
        self._newest[stream] = gap.started_at, place

    def read(self) -> Iterator[tuple[str, Gap]]:
        """Return all gaps, by stream. Lines that are none are left out."""
        for path in self._files():
            for gap in _read(path):
                yield path.parent.parent.name, gap

    def forget(self, before: float) -> None:
        """Delete the files of gaps that ended before a time."""
        for path in self._files():
            if path.parent.name < day_of(before) and all(gap.ended_at < before for gap in _read(path)):
                with suppress(OSError):
                    path.unlink()
                    path.parent.rmdir()
                    path.parent.parent.rmdir()

    def _files(self) -> list[Path]:
        """Find all files. Links are left alone."""
        found = self._root.glob(f"*/*/{FILE}")
        return sorted(
            path
            for path in found
            if STREAM_NAME.fullmatch(path.parent.parent.name)
            and not any(one.is_symlink() for one in (path, path.parent, path.parent.parent))
        )


def _read(path: Path) -> Iterator[Gap]:
    with suppress(OSError), path.open("rb") as file:
        while line := file.readline(MOST_LINE):
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                said = msgspec.json.decode(line, type=GapLine)
                yield Gap(said.from_, said.to, said.reason)
