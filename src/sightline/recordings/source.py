"""What was recorded, as a source: ``recording:door?from=2026-11-30T06:00&to=2026-11-30T07:00``.

Pictures come at the pace at which they were taken. Of a time without a recording, some seconds stay, so that whoever
follows objects gives up those of before.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from sightline.core.errors import BadRequest, SourceError, told
from sightline.core.types import check_stream_name
from sightline.recordings import folders, lines
from sightline.recordings.moments import moment, when
from sightline.recordings.shelf import FOLDER
from sightline.recordings.spans import RecordedFile
from sightline.settings.settings import data_folder
from sightline.sources import file
from sightline.sources.base import Lose, Shot, unnoticed

WHAT = "a recording (recording:door?from=2026-11-30T06:00&to=2026-11-30T07:00)"
SCHEME = "recording:"
LEAST_S = 1e-3
"""Seconds between two pictures, at least: the clock of a camera may go back."""
FPS = 25.0

log = logging.getLogger(__name__)


class RecordedSpan(NamedTuple):
    """What to play: seconds since 1970."""

    stream: str
    start: float = 0.0
    end: float = math.inf

    def __str__(self) -> str:
        """In words, as it goes after "of"."""
        begin = f" from {when(self.start)}" if self.start else ""
        return f"stream {self.stream!r}{begin}" + (f" to {when(self.end)}" if math.isfinite(self.end) else "")


def handles(spec: str) -> bool:
    """True for ``recording:`` and anything after it."""
    return spec.startswith(SCHEME)


def open(spec: str) -> RecordingSource:
    """Open what was recorded in the data folder of the settings. Raises SourceError, also where there is nothing."""
    return open_in(spec, data_folder())


def open_in(spec: str, data: Path) -> RecordingSource:
    """Open what was recorded in a data folder. Raises SourceError, also where there is nothing."""
    return RecordingSource(span_of(spec), data / FOLDER)


def span_of(spec: str) -> RecordedSpan:
    """Read a spec. Raises SourceError."""
    name, _, query = spec.removeprefix(SCHEME).partition("?")
    # A + stays one, as in 06:00+01:00.
    given = dict(part.partition("=")[::2] for part in query.split("&") if part)
    if unknown := given.keys() - {"from", "to"}:
        raise SourceError(f"{spec[:80]}: {', '.join(sorted(unknown))[:40]} is unknown; expected from or to")
    try:
        check_stream_name(name)
        times = {key: moment(unquote(text)) for key, text in given.items()}
    except BadRequest as e:
        raise SourceError(f"recording: {e.message}") from None
    except ValueError as e:
        raise SourceError(f"recording: {e}") from None
    span = RecordedSpan(name, times.get("from", 0.0), times.get("to", math.inf))
    if not span.start < span.end:
        raise SourceError(f"recording of {span}: expected a time that ends after it begins")
    return span


class RecordingSource:
    """The pictures of a span, over all its files. One that still grows is read up to what it has then."""

    live = False
    images = False

    def __init__(self, span: RecordedSpan, root: Path) -> None:
        """``root``: the folder of all recordings. Raises SourceError where nothing is recorded."""
        self.name = f"{SCHEME}{span.stream}"
        self.unreadable = 0
        self.idle = False
        self.lose: Lose = unnoticed
        self._span, self._folder = span, root / span.stream
        self.fps = self._fps()
        self.total: int | None = round(sum(map(self._count, folders.by_now(self._folder, span.start, span.end))))

    def __enter__(self) -> RecordingSource:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def __iter__(self) -> Iterator[Shot]:
        """Yield the pictures, each with the time at which it was taken."""
        timestamp, last = 0.0, None
        for shot, joined_s in self._shots():
            assert shot.at is not None
            if last is not None:
                if shot.at - last > joined_s:
                    log.warning("%s: nothing is recorded from %s to %s", self.name, when(last), when(shot.at))
                timestamp += min(max(shot.at - last, LEAST_S), joined_s)
            last = shot.at
            yield replace(shot, timestamp=timestamp, name=self.name, pts=None)

    def _shots(self) -> Iterator[tuple[Shot, float]]:
        """Yield the pictures, and after how long without one nothing was recorded."""
        for path in self._paths():
            try:
                said = RecordedFile(path)
                if said.lines:
                    for shot in self._pictures(path, said):
                        yield shot, said.joined_s
            except (SourceError, OSError, ValueError, ZeroDivisionError) as e:  # one that is gone costs no other
                self.unreadable += 1
                log.warning("%s: %s is left out: %s", self.name, path.name, told(e))

    def _pictures(self, path: Path, said: RecordedFile) -> Iterator[Shot]:
        last = max(line.at for line in said.lines)  # of a file that grows, results may follow pictures
        end = min(self._span.end, last + LEAST_S)
        with file.open(str(path)) as video:
            video.lose = self.lose
            for shot in video:
                video.idle = self.idle
                at = said.at(video.start + shot.timestamp)
                if at > end:
                    return
                if at >= self._span.start:
                    yield replace(shot, at=at)

    def _paths(self) -> Iterator[Path]:
        return folders.between(self._folder, self._span.start, self._span.end)

    def _count(self, path: Path) -> float:
        """Return how many pictures of a file are in the span, about, by what its last line says."""
        said = path.with_suffix(".jsonl")
        try:
            whole, began = lines.end_of(said), folders.begun_at(path)
            if whole is None or began is None or whole.ended_at <= began:
                return float(sum(self._span.start <= line.at <= self._span.end for line in lines.read(said)))
        except OSError:
            return 0.0
        inside = min(whole.ended_at, self._span.end) - max(began, self._span.start)
        return whole.frames * max(inside, 0.0) / (whole.ended_at - began)

    def _fps(self) -> float:
        """Return the pictures a second of the first file. Raises SourceError where there is no picture at all."""
        for path in self._paths():
            try:
                times = [line.at for line in RecordedFile(path).lines]
            except (OSError, ValueError, ZeroDivisionError):
                continue
            if any(self._span.start <= at <= self._span.end for at in times):
                return (len(times) - 1) / (times[-1] - times[0]) if times[-1] > times[0] else FPS
        raise SourceError(f"nothing is recorded of {self._span}: see sightline recordings list")
