"""How fast objects move over the ground, from where a zone's four corners lie on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sightline.analytics.zones.geometry import Floats
from sightline.core.zones import Point

LEAST_S = 0.5
"""Time for which an object must have been seen before its speed is told."""
LEAST_SIGHTS = 5
STEP = 1e-4
"""Share of the picture's height over which it is measured how many metres it shows."""
MOST_SIGHTS = 128
"""Sights of an object that are kept. Where there are more every other one goes, so that they span the whole way."""


class Speed(NamedTuple):
    """Metres a second, and between what the speed lies with 95 % where boxes err differently from frame to frame."""

    speed: float
    least: float
    most: float


class GroundPlane:
    """The ground in metres as the picture shows it: the projection that brings four corners to their places."""

    def __init__(self, corners: Sequence[Point], places: Sequence[Point]) -> None:
        """``corners``: from 0 to 1 of the picture. ``places``: the same four in metres."""
        rows, values = [], []
        for (x, y), (east, north) in zip(corners, places, strict=True):
            rows += [[x, y, 1, 0, 0, 0, -x * east, -y * east], [0, 0, 0, x, y, 1, -x * north, -y * north]]
            values += [east, north]
        solved = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
        self._matrix = np.append(solved, 1.0).reshape(3, 3)

    def places(self, points: Floats) -> Floats:
        """Return where N x 2 points lie, in metres."""
        found: Floats = np.column_stack((points, np.ones(len(points)))) @ self._matrix.T
        return found[:, :2] / found[:, 2:]


class Speedometer:
    """Speeds of the objects in one zone, by their rows."""

    def __init__(self, corners: Sequence[Point], places: Sequence[Point]) -> None:
        """Know the ground: see ``GroundPlane``."""
        self._plane = GroundPlane(corners, places)
        self._sights: dict[int, list[tuple[float, float, float, float]]] = {}

    def note(self, clock: float, rows: Sequence[int], points: Floats) -> None:
        """Take in where objects stand. ``points``: N x 2, from 0 to 1 of the picture."""
        places = self._plane.places(points)
        # What is far is small: the same error in the picture is more metres there.
        metres = np.hypot(*(self._plane.places(points + np.array((0.0, STEP))) - places).T) / STEP
        told = zip(rows, places.tolist(), metres.tolist(), strict=True)
        for row, (east, north), across in told:
            sights = self._sights.setdefault(row, [])
            sights.append((clock, east, north, across))
            if len(sights) > MOST_SIGHTS:
                del sights[1:-1:2]

    def speed(self, row: int, *, last_s: float = math.inf) -> Speed | None:
        """Return an object's mean speed of late; None where it was seen too briefly."""
        sights = self._sights.get(row, [])
        latest = sights[-1][0] - last_s if sights else 0.0
        return speed_of(np.array([sight for sight in sights if sight[0] >= latest]).reshape(-1, 4))

    def forget(self, row: int) -> None:
        """The object left."""
        self._sights.pop(row, None)


def speed_of(sights: NDArray[np.float64]) -> Speed | None:
    """Return the speed of an object that moves evenly.

    ``sights``: N x 4, seconds, place in metres, and metres for an error of the picture's height.
    """
    if len(sights) < LEAST_SIGHTS or sights[-1, 0] - sights[0, 0] < LEAST_S:
        return None
    weights = sights[:, 3:] ** -2
    centred = sights[:, :3] - (weights * sights[:, :3]).sum(axis=0) / weights.sum()
    times, places = centred[:, :1], centred[:, 1:]
    spread = float((weights * times**2).sum())
    velocity = (weights * times * places).sum(axis=0) / spread
    speed = float(np.hypot(*velocity))
    # Errors along the way are what matters: the picture shows them larger or smaller than those across it.
    way = velocity / speed if speed > 0 else np.array((1.0, 0.0))
    missed = (places - times * velocity) @ way
    free = len(sights) - 2
    error = math.sqrt(float((weights[:, 0] * missed**2).sum()) / free / spread)
    reach = (1.96 + 2.4 / free + 4 / free**2) * error  # close to Student's quantile
    return Speed(round(speed, 2), round(max(0.0, speed - reach), 2), round(speed + reach, 2))
