"""Clips that somebody saves by hand: the last seconds, as far as they are recorded or in memory, and what follows."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from sightline.core.database import UNUSABLE
from sightline.core.errors import LimitReached

BEFORE_S = 30.0
"""Seconds before the click that are saved where they are recorded."""
AFTER_S, ALONE_S = 10.0, 30.0
"""Seconds after it that are; more where nothing was recorded before."""
MOST = 256
SETTLED_S = 10.0
"""Seconds after the end of a clip in which the last of its frames may be written."""

Protect: TypeAlias = Callable[[str, float, float], object]


class SavedClip(NamedTuple):
    """A time that is kept for good. Seconds since 1970."""

    stream: str
    start: float
    end: float
    before_s: float
    """How much of it had been recorded before somebody asked."""


class SavedClips:
    """Clips of which the end is still to come: what is recorded of them is protected as it comes.

    The loop adds, one thread protects.
    """

    def __init__(self) -> None:
        self._pending: list[SavedClip] = []

    def add(self, clip: SavedClip) -> None:
        """Take another one. Raises LimitReached."""
        if len(self._pending) >= MOST:
            raise LimitReached(f"{MOST} clips are being saved: expected another try in a minute")
        self._pending.append(clip)

    def protect(self, protect: Protect) -> None:
        """Protect what is recorded of them by now. What the disk does not let us protect is tried again."""
        for clip in list(self._pending):
            with suppress(*UNUSABLE):
                protect(clip.stream, clip.start, clip.end)
                if time.time() > clip.end + SETTLED_S:
                    self._pending.remove(clip)
