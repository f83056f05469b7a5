"""What is too old or too much goes, oldest first: what something happened in for longer, what is protected never."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from sightline.core.errors import told
from sightline.recordings.index import VideoSegment
from sightline.recordings.shelf import Shelf
from sightline.settings.settings import Settings

log = logging.getLogger(__name__)

DAY_S, GB = 86400.0, 1e9
AT_ONCE = 64
"""Segments that are deleted before anybody else gets a turn."""
SPARE = 1.05
"""Times the room that has to be free which is made, so that not every segment needs another look."""


@dataclass(frozen=True)
class Retention:
    """How much is kept."""

    days: Callable[[str], float]
    """By stream."""
    events_days: float
    """Where something happened."""
    bytes: int
    """Of all streams."""
    stream_bytes: Callable[[str], int | None]
    free: int
    """Bytes that stay free on the disk."""


def retention_of(settings: Settings) -> Retention:
    """Return what the settings say."""

    def days(stream: str) -> float:
        own = settings.streams.get(stream)
        return settings.record_days if own is None or own.record_days is None else own.record_days

    def most(stream: str) -> int | None:
        own = settings.streams.get(stream)
        return None if own is None or own.record_gb is None else int(own.record_gb * GB)

    free = int(settings.record_free_gb * GB)
    return Retention(days, settings.record_events_days, int(settings.record_gb * GB), most, free)


def prune(shelf: Shelf, limits: Retention) -> int:
    """Delete what has to go, and return how many segments that were. Raises sqlite3.Error."""
    gone, now = 0, shelf.clock.now()
    for stream in shelf.index.totals():
        days = limits.days(stream)
        before, before_events = now - days * DAY_S, now - max(days, limits.events_days) * DAY_S
        gone += _while(shelf, lambda s=stream, b=before, e=before_events: shelf.index.aged(s, b, e, AT_ONCE))  # type: ignore[misc]
    for stream, (size, _, _) in shelf.index.totals().items():
        most = limits.stream_bytes(stream)
        if most is not None:
            gone += _free(shelf, size - most, stream)
    total = sum(size for size, _, _ in shelf.index.totals().values())
    gone += _free(shelf, total - limits.bytes, None)
    free = shutil.disk_usage(shelf.root.path).free
    if free < limits.free:
        gone += _free(shelf, int(limits.free * SPARE) - free, None)
    if gone:
        oldest = min((first for _, first, _ in shelf.index.totals().values()), default=now)
        shelf.forget_gaps(min(oldest, now - DAY_S))
    return gone


def _while(shelf: Shelf, some: Callable[[], list[VideoSegment]]) -> int:
    """Delete as long as there is some."""
    gone = 0
    while found := some():
        for segment in found:
            _delete(shelf, segment)
        gone += len(found)
    return gone


def _delete(shelf: Shelf, segment: VideoSegment) -> None:
    """Delete a segment. One that can't be deleted is forgotten, so that it does not stand before all others."""
    try:
        shelf.delete(segment)
    except OSError as e:
        log.error("%s can't be deleted: %s", segment.name, told(e))
        shelf.later(lambda index: index.remove(segment))


def _free(shelf: Shelf, size: int, stream: str | None) -> int:
    """Delete the oldest until so many bytes are gone, or nothing is left that may go."""
    gone = 0
    while size > 0 and (found := shelf.index.oldest(AT_ONCE, stream)):
        for segment in found:
            if size <= 0:
                break
            _delete(shelf, segment)
            size -= segment.bytes
            gone += 1
    return gone
