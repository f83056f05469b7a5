"""Which file of a stream has a moment, by the names alone: ``STREAM/2026-11-30/08-15-00.123.mp4``, in UTC."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

FORMAT = "%Y-%m-%d %H-%M-%S.%f"


def begun_at(file: Path) -> float | None:
    """Return when a file's recording began, in seconds since 1970; None where its name is not one of ours."""
    try:
        return datetime.strptime(f"{file.parent.name} {file.stem}", FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def before(folder: Path, at: float) -> Path | None:
    """Return the newest file of a stream's folder that began at ``at`` or earlier."""
    for day in reversed(_days(folder)):
        if day <= day_of(at) and (files := _files(folder / day)):
            until = bisect_right(files, at, key=lambda one: one[0])
            if until:
                return files[until - 1][1]
    return None


def after(folder: Path, at: float) -> Path | None:
    """Return the oldest file of a stream's folder that began later than ``at``."""
    for day in _days(folder):
        if day >= day_of(at) and (files := _files(folder / day)):
            since = bisect_right(files, at, key=lambda one: one[0])
            if since < len(files):
                return files[since][1]
    return None


def between(folder: Path, start: float, end: float) -> Iterator[Path]:
    """Find the files that may have pictures of a time, oldest first, also those that come meanwhile."""
    file = before(folder, start) or after(folder, start)
    while file is not None and (began := begun_at(file)) is not None and began <= end:
        yield file
        file = after(folder, began)


def by_now(folder: Path, start: float, end: float) -> list[Path]:
    """Find the same files as they are now, with one look at each day."""
    first = before(folder, start) or after(folder, start)
    since = None if first is None else begun_at(first)
    if since is None:
        return []
    days = [day for day in _days(folder) if day >= day_of(since)]
    return [file for day in days for began, file in _files(folder / day) if since <= began <= end]


def day_of(at: float) -> str:
    """Return the name of a day's folder."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _days(folder: Path) -> list[str]:
    return sorted(_names(folder))


def _files(day: Path) -> list[tuple[float, Path]]:
    files = [day / name for name in _names(day) if name.endswith(".mp4")]
    return sorted((began, file) for file in files if (began := begun_at(file)) is not None)


def _names(folder: Path) -> list[str]:
    """Return what is in a folder; nothing where it is gone, as old recordings go at any time."""
    try:
        return [entry.name for entry in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
