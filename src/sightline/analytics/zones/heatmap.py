"""Where objects have been of late: seconds in each cell of a grid, which fade."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sightline.analytics.zones.geometry import Floats

ROWS, COLUMNS = 36, 64
HALF_LIFE_S = 600.0
"""Time after which a second that an object was in a cell weighs half."""
LOOK_S = 0.1
"""Time between two looks: much shorter than what a picture of minutes shows."""
LONGEST_S = 1.0
"""Most seconds that a sight stands for: where frames are missing for longer, nobody knows."""
COLOURS = np.array([(0, 0, 0, 0), (200, 60, 20, 90), (60, 60, 230, 170), (60, 220, 255, 230)], np.float64)
"""Blue, green, red and opacity, from nothing to the most."""


class Heatmap:
    """A grid over the picture. Its time is the frames' clock."""

    def __init__(self) -> None:
        self._seconds = np.zeros((ROWS, COLUMNS))
        self._at: float | None = None

    def due(self, at: float) -> bool:
        """Whether it is time to take in a frame."""
        return self._at is None or not abs(at - self._at) < LOOK_S

    def add(self, at: float, points: Floats) -> None:
        """Take in a frame. ``points``: N x 2, where objects are, from 0 to 1 of the picture."""
        passed = 0.0 if self._at is None else max(0.0, at - self._at)
        self._at = at
        if passed > 0:
            self._seconds *= 0.5 ** (passed / HALF_LIFE_S)
            if len(points):
                cells = np.minimum(np.maximum(points * (COLUMNS, ROWS), 0), (COLUMNS - 1, ROWS - 1)).astype(np.intp)
                np.add.at(self._seconds, (cells[:, 1], cells[:, 0]), min(passed, LONGEST_S))

    def picture(self) -> NDArray[np.uint8]:
        """Return the grid as BGR and opacity, 36 x 64 x 4. What was seen most is opaque; nothing is clear."""
        most = self._seconds.max()
        share = np.sqrt(self._seconds / most) if most > 0 else self._seconds  # so that what is rare is seen too
        steps = np.linspace(0, 1, len(COLOURS))
        return np.stack([np.interp(share, steps, one) for one in COLOURS.T], axis=-1).round().astype(np.uint8)
