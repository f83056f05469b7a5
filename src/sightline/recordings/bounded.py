"""A place in a part of a recording, beyond which it shows nothing."""

from __future__ import annotations

from pathlib import Path

from sightline.recordings.playback import Playback, Shown

PLACES = 3
"""Frames before the part that are passed over at its start: a seek shows the one that was to be seen by then."""


class BoundedPlayback(Playback):
    """A place among what was recorded from ``start`` to ``end``."""

    def __init__(self, root: Path, stream: str, start: float, end: float) -> None:
        super().__init__(root, stream)
        self._start, self._end = start, end

    def seek(self, at: float) -> Shown | None:
        """Show what was to be seen at a moment of the part, or at the end of it that is nearer."""
        shown = super().seek(min(max(at, self._start), self._end))
        for _ in range(PLACES):
            if shown is None or shown.at >= self._start:
                break
            shown = super().step(1)
        return self._within(shown)

    def advance(self, until: float) -> Shown | None:
        """Show the newest frame that is not after ``until``, or the next one; None at the end of the part."""
        return self._within(super().advance(min(until, self._end)))

    def step(self, frames: int) -> Shown | None:
        """Show the frame so many further on, or back; the first or last one of the part where there are not so many."""
        shown = super().step(frames)
        if shown is None or self._start <= shown.at <= self._end:
            return self._within(shown)
        return self.seek(self._end if shown.at > self._end else self._start)

    def _within(self, shown: Shown | None) -> Shown | None:
        if shown is None or not self._start <= shown.at <= self._end:
            return None
        later = shown.next_at is not None and shown.next_at > self._end
        return shown._replace(next_at=None) if later else shown
