"""A frame's number, written into its pixels, so that whoever decodes the picture can tell which it is."""

from __future__ import annotations

import time
from typing import Any

BLOCK = 16
BITS = 10
"""Blocks of the first row, white for a one, the highest bit first."""


def stamp(image: Any, number: int) -> None:
    """Write a number below 1,024 into a picture (HxWx3)."""
    for i in range(BITS):
        image[:BLOCK, i * BLOCK : (i + 1) * BLOCK] = 255 * (number >> (BITS - 1 - i) & 1)


def read(image: Any, block: int = BLOCK) -> int:
    """Read the number of a picture. ``block``: pixels of a block, where the picture was made smaller."""
    number = 0
    for pixel in image[block // 2, block // 2 : BITS * block : block, 1]:
        number = number << 1 | int(pixel > 127)
    return number


class Seen:
    """What was seen of some cameras, until each has been seen for ``seconds``, but no longer than ``most_s``."""

    def __init__(self, cameras: int, seconds: float, most_s: float = 20) -> None:
        self._missing = set(range(cameras))
        self._seconds = seconds
        self._end = time.monotonic() + most_s
        self._rows: list[tuple[int, int, float]] = []

    def note(self, camera: int, number: int) -> None:
        """Note that the result of a frame is there. May be called by any thread."""
        now = time.monotonic()
        self._rows.append((camera, number, now))
        if camera in self._missing:
            self._missing.discard(camera)
            if not self._missing:
                self._end = now + self._seconds

    @property
    def over(self) -> bool:
        """True when nothing more is to be seen."""
        return time.monotonic() > self._end

    def answer(self) -> dict[str, Any]:
        """The rows (camera, number, time) and the end, on the clock of ``time.monotonic``."""
        return {"seen": self._rows, "ended": time.monotonic()}
