"""A stream's boards without a server: zones, lines and one rule, for objects on made paths."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sightline.analytics.rules.board import RuleBoard
from sightline.analytics.zones.board import ZoneBoard
from sightline.core.events import Event
from sightline.core.rules import Rule
from sightline.core.types import Frame
from sightline.core.zones import CrossingLine, Zone
from support.walking import SIZE, Sight, sighting

PIXELS = np.zeros((1, 1, 3), np.uint8)


class Ruled:
    """Boards that see frames at times of a test's own."""

    def __init__(
        self,
        zones: Mapping[str, Zone],
        lines: Mapping[str, CrossingLine],
        rule: Rule,
        *,
        begin: float | None = None,
    ) -> None:
        """``begin``: the time of day at which the first frame comes, in seconds since 1970; a while ago without it."""
        self.zone_board = ZoneBoard("door", zones, lines)
        self.board = RuleBoard(self.zone_board, {"rule": rule})
        self.events: list[Event] = []
        self._steady = time.monotonic() + (-1000.0 if begin is None else begin - time.time())
        self._seq = 0

    @property
    def told(self) -> list[str]:
        """The events in brief."""
        return [brief(event) for event in self.events]

    def see(
        self, frames: Iterable[Sequence[Sight]], *, start: float = 0.0, fps: float = 10.0, every: int = 1
    ) -> list[Event]:
        """Have the boards see frames from a time on; with ``every`` one of so many. Returns what is new."""
        before = len(self.events)
        for n, sights in enumerate(frames):
            if n % every == 0:
                self.take(start + n / fps, sights)
            self._steady += 1 / fps
            self._seq += 1
        return self.events[before:]

    def take(self, at: float, sights: Sequence[Sight], trails: NDArray[np.float32] | None = None) -> None:
        """Have the boards see one frame. ``trails``: as a tracker gives them."""
        frame = Frame("door", self._seq, at, self._steady, PIXELS)
        self.zone_board.take(frame, sighting(*sights, size=SIZE)._replace(trails=trails))
        self.events += self.board.take(frame)

    def finish(self, reason: str) -> None:
        """The camera is gone."""
        self.zone_board.finish(reason)
        self.events += self.board.look()

    def change(self, rule: Rule | None) -> None:
        """Have another rule of the same name, or none."""
        self.events += self.board.change({} if rule is None else {"rule": rule})

    def zones(self, zones: Mapping[str, Zone]) -> None:
        """Have these zones."""
        self.zone_board.change(zones, self.zone_board.lines)
        self.events += self.board.look()


def brief(event: Event) -> str:
    """When, what and whose, in short."""
    seconds = "" if event.seconds is None else f" {event.seconds:.1f}"
    direction = f" {event.direction}" if event.direction else ""
    return f"{event.at:.1f} {event.phase} {event.track}{seconds}{direction}"
