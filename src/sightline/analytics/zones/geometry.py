"""Where points lie to zones and lines: all points to all shapes at once.

Distances are in heights of the picture, so that they mean the same in both directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sightline.core.zones import CrossingLine, Zone

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

EDGE = 1e-6
"""Share of a line's length by which a crossing may miss its ends: a box that ends with the picture still crosses."""


NEAR = 0.05
"""Share of the picture that may lie between a line's end and the border: nobody can draw a line into the border, and
who walks with their feet on the border is not meant to get past it."""


class Measured(NamedTuple):
    """Where N points lie to K shapes, zones first."""

    inside: Bools
    """N x K: in the zone, or on the line's right, which is its ``in``."""
    distance: Floats
    """N x K: to the zone's border, or to the line between its ends."""


class Outlines:
    """Zones and lines in a picture of one aspect ratio."""

    def __init__(self, zones: Sequence[Zone], lines: Sequence[CrossingLine], aspect: float) -> None:
        """``aspect``: the picture's width by its height."""
        self.aspect = aspect
        corners = [*(np.array(zone.points) for zone in zones), *(_to_the_border(line.points) for line in lines)]
        outlines = [points * (aspect, 1.0) for points in corners]
        self.zones = len(zones)
        """How many of the shapes, the first ones, are zones."""
        counts = [len(shape.points) for shape in zones] + [1] * len(lines)
        self._first = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.intp) if counts else np.zeros(0, np.intp)
        """The first edge of each shape."""
        begin = [edges if n < len(zones) else edges[:1] for n, edges in enumerate(outlines)]
        end = [np.roll(edges, -1, axis=0) if n < len(zones) else edges[1:] for n, edges in enumerate(outlines)]
        self._begin = np.concatenate(begin) if begin else np.zeros((0, 2))
        self._along = (np.concatenate(end) if end else np.zeros((0, 2))) - self._begin
        self._square = (self._along**2).sum(axis=1)
        centred = [shape.anchor == "center" for shape in (*zones, *lines)]
        self._anchor = np.repeat(centred, counts).astype(np.intp)
        self.room = np.array([_room(points) for points in outlines[: len(zones)]] + [np.inf] * len(lines))
        """K: least distance to the border that says that a point is well inside."""

    def measure(self, anchors: Floats) -> Measured:
        """Return where objects lie. ``anchors``: N x 3, x of the box's middle, y of its lower edge and its middle."""
        count, shapes = len(anchors), len(self._first)
        if not count or not shapes:
            return Measured(np.zeros((count, shapes), bool), np.zeros((count, shapes)))
        (ax, ay), (dx, dy) = self._begin.T[..., None], self._along.T[..., None]
        x, y = anchors[:, 0] * self.aspect - ax, anchors[:, 1:].T[self._anchor] - ay  # edges x N
        share = np.clip((x * dx + y * dy) / self._square[:, None], 0.0, 1.0)
        square = (x - share * dx) ** 2 + (y - share * dy) ** 2
        right = dx * y - dy * x > 0
        # A ray to the right meets an edge that spans the point's height and has the point on the proper side.
        edges = slice(0, self._first[self.zones] if self.zones < shapes else None)
        met = ((y[edges] >= 0) != (y[edges] >= dy[edges])) & (right[edges] == (dy[edges] > 0))
        inside = np.empty((shapes, count), bool)
        if self.zones:
            np.bitwise_xor.reduceat(met, self._first[: self.zones], axis=0, out=inside[: self.zones])
        inside[self.zones :] = right[self._first[self.zones :]]
        distance = np.sqrt(np.minimum.reduceat(square, self._first, axis=0))
        return Measured(inside.T, distance.T)

    def crosses(self, shape: int, before: Floats, after: Floats) -> bool:
        """Return True if the way between two anchors (of 3 numbers each) meets a line between its ends."""
        edge = self._first[shape]
        row = 1 + self._anchor[edge]
        ways = np.array([before[[0, row]], after[[0, row]]]) * (self.aspect, 1.0) - self._begin[edge]
        dx, dy = self._along[edge]
        one, other = dx * ways[:, 1] - dy * ways[:, 0]
        if (one > 0) == (other > 0):
            return False
        met = ways[0] + (ways[1] - ways[0]) * (one / (one - other))
        share = float(met @ self._along[edge] / self._square[edge])
        return -EDGE <= share <= 1 + EDGE


def _to_the_border(ends: Sequence[tuple[float, float]]) -> Floats:
    """A line whose ends are near the picture's border goes on to it, in its own direction. 2 x 2, from 0 to 1."""
    begin, end = np.array(ends)
    return np.stack([_lengthened(end, begin), _lengthened(begin, end)])


def _lengthened(far: Floats, end: Floats) -> Floats:
    way = (end - far) / max(float(np.hypot(*(end - far))), 1e-9)
    left = [(1 - at if step > 0 else at) / abs(step) for at, step in zip(end, way, strict=True) if step]
    rest = min(left, default=0.0)
    return end + way * rest if 0 < rest <= NEAR else end


def _room(outline: Floats) -> float:
    """Return a depth that every outline has: area by circumference is at most half of its greatest depth."""
    ahead = np.roll(outline, -1, axis=0)
    area = abs((outline[:, 0] * ahead[:, 1] - ahead[:, 0] * outline[:, 1]).sum()) / 2
    return float(area / np.hypot(*(ahead - outline).T).sum())
