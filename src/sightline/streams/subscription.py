"""A stream's subscribers: what waits for each, how each is doing, and how many frames are enough for them."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sightline.core.mailbox import Mailbox
from sightline.core.types import FrameResult
from sightline.wire.messages import Status
from sightline.wire.requests import PerformanceStats

EARLY = 0.3
"""Share of the time between two frames by which one may come early: no camera's clock is exact."""
Kind: TypeAlias = Literal["viewer", "listener", "tile"]


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscriber's mailbox and how the subscriber is doing. Status items say that the publisher came or went."""

    mailbox: Mailbox[FrameResult | Status]
    kind: Kind
    """A viewer looks at pictures; a listener takes results; a tile is one of many small pictures on a page."""
    fps: float | None = None
    """Results a second that are enough; None for all."""
    sent: int = 0
    """Items that were sent on."""
    stats: PerformanceStats | None = None
    """The viewer's last report."""
    stats_at: float = 0.0
    """``time.monotonic()`` of the last report."""
    began_at: float = field(default_factory=time.monotonic)
    behind: bool = False
    """Whether pictures were dropped between its last two reports: more come than get through to it."""
    _dropped: int = 0

    def report(self, stats: PerformanceStats) -> None:
        """The viewer says how it is doing."""
        self.stats, self.stats_at = stats, time.monotonic()
        self.behind, self._dropped = self.mailbox.dropped > self._dropped, self.mailbox.dropped

    def settled(self, now: float, seconds: float) -> bool:
        """Whether its last report is no older than that, and the viewer is: a page that opens is busy with itself."""
        return now - self.stats_at < seconds < now - self.began_at


class Pace:
    """Passes on as many frames as are enough for those who want few."""

    def __init__(self) -> None:
        self._due_at = 0.0
        """``time.monotonic()``."""

    def due(self, subscriptions: Collection[Subscription]) -> bool:
        """Whether a frame that comes now is for any of them; it then counts as passed on."""
        rates = [one.fps for one in subscriptions if one.fps is not None]
        if not rates or len(rates) < len(subscriptions):
            return bool(subscriptions)
        now, step = time.monotonic(), 1 / max(rates)
        if now < self._due_at - EARLY * step:
            return False
        self._due_at = max(self._due_at + step, now)
        return True
