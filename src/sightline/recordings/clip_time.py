"""When a clip was taken: what it says itself, else its name, else when it was last written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sightline.core.errors import SourceError
from sightline.sources._packets import LIMITS

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC).timestamp()
"""What is older is a clock that was never set."""
KEYS = ("com.apple.quicktime.creationdate", "creation_time", "date")
"""Of a file's metadata; the first has the time zone in which it was taken."""
WRITTEN = "when it was last written"
"""What says so where nothing else does. Files that are copied may all be written at once."""
NO_CLIPS = ("tty", "image2")
"""Formats of FFmpeg that show a text or a picture as a video."""
_NAME = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[-_. T]*(?:at)?[-_. T]*(\d\d)[-_.:h]?(\d\d)[-_.:m]?(\d\d)(?!\d)"
)


class ClipTime(NamedTuple):
    """When a clip begins, and how that is known."""

    at: float
    """Seconds since 1970."""
    by: str
    """What says so."""
    lasts: float = 0.0
    """Seconds; 0 where the file does not tell."""


def time_of(path: Path) -> ClipTime:
    """Find when a clip begins. Raises SourceError for what is no clip, OSError or av.FFmpegError."""
    import av

    # Words that are no UTF-8 must not refuse a clip. PyAV 19 sees to that itself, and no longer knows the argument.
    lenient: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
    with av.open(str(path), options=LIMITS, **lenient) as container:
        kind = container.format.name
        if kind in NO_CLIPS or kind.endswith("_pipe"):
            raise SourceError("this is a text or a picture; expected a video")
        lasts = (container.duration or 0) / 1e6
        said = dict(container.metadata)
        for stream in container.streams.video:
            said = dict(stream.metadata) | said
    for found, by in ((_by_metadata(said), "the file"), (_by_name(path.stem), "its name")):
        if found is not None and found >= EARLIEST:
            return ClipTime(found, by, lasts)
    return ClipTime(path.stat().st_mtime - lasts, WRITTEN, lasts)


def _by_metadata(said: Mapping[str, str]) -> float | None:
    for key in KEYS:
        with suppress(ValueError, OverflowError, OSError):
            found = datetime.fromisoformat(said.get(key, "").strip())
            if found.timestamp() >= EARLIEST and (key != "date" or len(said[key]) > len("2026-11-30")):
                return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return None


def _by_name(name: str) -> float | None:
    """Return the time in a name such as ``VID_20261130_081500`` or ``2026-11-30 08.15.00``: on this machine's clock."""
    for found in _NAME.finditer(name):
        with suppress(ValueError, OverflowError, OSError):
            return datetime(*(int(part) for part in found.groups())).timestamp()  # type: ignore[arg-type]
    return None
