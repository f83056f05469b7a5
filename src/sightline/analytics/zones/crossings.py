"""When objects cross lines and borders of zones: each crossing once, however a box trembles or frames are missing.

A crossing that was seen waits until the object is clear of the line, by a tenth of its own height, or has stayed at
half of that for a while, or is gone. If it comes back before, nothing has happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sightline.analytics.zones.geometry import Bools, Floats, Measured, Outlines
from sightline.analytics.zones.objects import TOLERANCE_S, grown

CLEAR = 0.1
"""Distance at which an object is clear of a line, in heights of its box."""
HELD_S = 0.3
"""Time for which half of that distance is enough."""


class Crossing(NamedTuple):
    """An object crossed a line, or the border of a zone."""

    row: int
    shape: int
    times: int
    """1 for into, -1 for out of; 2 and -2 for an object that went around the end of a line besides."""
    since: float
    """When it did, on the counter's clock."""


@dataclass(slots=True)
class _Pending:
    """Crossings that are not certain yet."""

    times: int
    since: float
    turns: int = 1
    """How often the object went one way or the other since it was last clear."""
    held: float | None = None
    """Since when it has been at half of the distance."""


class Crossings:
    """The state of R objects towards K shapes."""

    def __init__(self) -> None:
        self._inside = np.zeros((0, 0), bool)
        self._known = np.zeros((0, 0), bool)
        self._cleared = np.zeros((0, 0), bool)
        """Whether the object was ever clear of the shape."""
        self._pending: dict[tuple[int, int], _Pending] = {}

    def reshape(self, rows: int, kept: Sequence[int | None] | None = None) -> None:
        """Have so many rows. ``kept``: for each shape from now on the one that it was before, None for a new one."""
        for name in ("_inside", "_known", "_cleared"):
            old = getattr(self, name)
            if kept is not None:
                new = np.zeros((len(old), len(kept)), bool)
                new[:, [n for n, k in enumerate(kept) if k is not None]] = old[:, [k for k in kept if k is not None]]
                old = new
            setattr(self, name, grown(old, rows))
        if kept is not None:
            place = {k: n for n, k in enumerate(kept) if k is not None}
            self._pending = {(row, place[k]): one for (row, k), one in self._pending.items() if k in place}

    def forget(self, rows: Sequence[int], shapes: slice = slice(None)) -> None:
        """Begin anew with these rows."""
        self._known[rows, shapes] = self._cleared[rows, shapes] = False

    def step(
        self,
        clock: float,
        rows: NDArray[np.intp],
        outlines: Outlines,
        before: Floats,
        after: Floats,
        heights: Floats,
        counts: Bools | None = None,
    ) -> Iterator[Crossing]:
        """Take in where N objects are now. ``before``, ``after``: N x 3, their last anchors and these.

        ``counts``: N x K, False where an object is of no concern to a shape unless it was before; None for nowhere.
        """
        measured, zones = outlines.measure(after), outlines.zones
        known = self._known[rows]
        turned = (self._inside[rows] != measured.inside) & known
        counts = ~known if counts is None else counts & ~known
        first = measured.inside[:, :zones] & counts[:, :zones]
        room = np.minimum(CLEAR * heights[:, None], outlines.room)
        clear = measured.distance > room
        self._inside[rows], self._known[rows] = measured.inside, known | counts
        self._cleared[rows] |= clear
        if first.any():
            for n, k in np.argwhere(first).tolist():
                yield Crossing(int(rows[n]), k, 1, clock)
        if turned.any():
            for n, k in np.argwhere(turned).tolist():
                if k < zones or outlines.crosses(k, before[n], after[n]):
                    self._turn((int(rows[n]), k), 1 if measured.inside[n, k] else -1, clock)
        if self._pending:
            yield from self._settle(clock, {int(row): n for n, row in enumerate(rows)}, measured, clear, room)

    def waiting(self, row: int, shape: int) -> bool:
        """Return True if an object was seen to cross, and it is not certain yet."""
        one = self._pending.get((row, shape))
        return one is not None and one.times != 0

    def gone(self, row: int) -> Iterator[Crossing]:
        """An object is gone: what waited is decided by the side on which it was last seen.

        Only where it was never clear of the shape and turned more than once has it been on the line all the time.
        """
        for key in [key for key in self._pending if key[0] == row]:
            one = self._pending.pop(key)
            if one.times and (self._cleared[key] or one.turns == 1):
                yield Crossing(*key, one.times, one.since)

    def _turn(self, key: tuple[int, int], sign: int, clock: float) -> None:
        one = self._pending.get(key)
        if one is None:
            self._pending[key] = _Pending(sign, clock)
        else:
            one.times, one.since, one.turns, one.held = one.times + sign, clock, one.turns + 1, None

    def _settle(
        self, clock: float, places: Mapping[int, int], measured: Measured, clear: Bools, room: Floats
    ) -> Iterator[Crossing]:
        """Decide what waits for objects that are seen now."""
        for key, one in list(self._pending.items()):
            n, k = places.get(key[0]), key[1]
            if n is None:
                continue
            if measured.distance[n, k] <= room[n, k] / 2:
                one.held = None
            elif one.held is None:
                one.held = clock
            held = one.times and one.held is not None and clock - one.held >= HELD_S - TOLERANCE_S
            if clear[n, k] or held:
                del self._pending[key]
                if one.times:
                    yield Crossing(*key, one.times, one.since)
