"""Who stays in a zone for long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from sightline.analytics.zones.geometry import Floats
from sightline.analytics.zones.objects import TOLERANCE_S
from sightline.core.zones import Zone


class Stay(NamedTuple):
    """An object's row and the zone that it is in."""

    row: int
    zone: str


class Loitering:
    """The visits that last as long as their zone's ``loiter_s``. Only what was seen counts as time."""

    def __init__(self) -> None:
        self._patience: dict[str, float] = {}
        """Seconds after which somebody loiters, by zone."""
        self._waiting: dict[Stay, float] = {}
        """Since when each is there who does not loiter yet."""
        self._numbers: dict[Stay, int] = {}
        """Numbers of those who do."""

    def change(
        self, zones: Mapping[str, Zone], since: Mapping[Stay, float], seconds: Mapping[Stay, float]
    ) -> list[tuple[Stay, int]]:
        """Have these zones from now on. ``since``, ``seconds``: when each visit there began, and how long it lasts.

        Returns who loitered by an earlier ``loiter_s`` and does not by that of now, with the number it had.
        """
        self._patience = {name: zone.loiter_s for name, zone in zones.items() if zone.loiter_s is not None}
        ended = [one for one in self._numbers.items() if not self.long(one[0], seconds[one[0]])]
        for stay, _ in ended:
            del self._numbers[stay]
        self._waiting = {}
        for stay, begun in since.items():
            self.enter(stay, begun)
        return ended

    def enter(self, stay: Stay, since: float) -> None:
        """A visit began."""
        if stay.zone in self._patience and stay not in self._numbers:
            self._waiting[stay] = since

    def due(self, seen: Floats) -> list[Stay]:
        """Return who has been there for long by now. ``seen``: when each row was seen last."""
        return [one for one, since in self._waiting.items() if self.long(one, float(seen[one.row]) - since)]

    def long(self, stay: Stay, seconds: float) -> bool:
        """Return True for a visit that lasts so long that its object loiters."""
        return seconds >= self._patience.get(stay.zone, np.inf) - TOLERANCE_S

    def begin(self, stay: Stay, number: int) -> int:
        """An object loiters from now on. ``number``: tells it from all else that happens."""
        self._waiting.pop(stay, None)
        self._numbers[stay] = number
        return number

    def end(self, stay: Stay) -> int | None:
        """A visit ended. Returns the number that its loitering had; None if it was too short."""
        self._waiting.pop(stay, None)
        return self._numbers.pop(stay, None)
