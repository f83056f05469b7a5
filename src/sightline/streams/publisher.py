"""Both ends of a stream: its publisher, and its subscribers."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sightline.core.errors import BadImage, TooLarge
from sightline.core.mailbox import Mailbox
from sightline.core.metrics import TokenBucket
from sightline.core.types import Frame, FrameResult
from sightline.wire.messages import Adapt, SettingsMessage, SettingsRefused, Status
from sightline.wire.requests import PerformanceStats

DropReason: TypeAlias = Literal["replaced", "unwatched", "rate", "closed"]
"""replaced: a newer frame came first. unwatched: nobody wants results. rate: above max_fps. closed: the end came.
The ledger knows more, of pictures that never became frames. late: skipped, as this machine could not keep up.
adapted: fewer were asked for. undecodable: lost in decoding. bad_image: no JPEG that is read. too_large: over a limit.
"""

EARLY = 0.3
"""Share of the time between two frames by which one may come early: no camera's clock is exact."""
Kind: TypeAlias = Literal["viewer", "listener", "tile"]


class Publisher:
    """A peer that feeds a stream, as the stream sees it. This base does nothing with what it is told.

    Each picture is answered by exactly one call of ``answer``, ``drop``, ``fail`` and ``refuse``. All calls come on the
    event loop.
    """

    wants_results = False
    """True if the peer itself wants results, so that the stream is inferred though nobody watches."""
    session = ""
    """A secret of the peer's, by which it takes its stream over from its own last connection."""
    hidden = False
    """True while its page is in the background. It sends nothing there, and may be cut off before it comes back."""
    pulled = False
    """True if the server itself reads the source, so that nobody else can be the stream's camera."""

    def answer(self, result: FrameResult) -> None:
        """The frame's result."""

    def drop(self, frame: Frame, reason: DropReason) -> None:
        """The frame was dropped."""

    def refuse(self, seq: int, error: BadImage | TooLarge) -> None:
        """The picture with that number could not be taken. The session goes on."""

    def fail(self, frame: Frame, message: str) -> None:
        """Decoding or the model failed on the frame."""

    def tell(self, status: Status) -> None:
        """The model became ready, or no longer is."""

    def ask(self, message: Adapt) -> None:
        """Send other pictures from now on."""

    def inform(self, message: SettingsMessage | SettingsRefused) -> None:
        """Say what the frames are processed with from now on, or why that did not change."""

    def lost(self) -> bool:
        """True if the peer seems to be gone, though nothing has said so: then it gives way to any other."""
        return False

    def close(self, reason: str) -> None:
        """End the session and tell the peer why."""


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


class StreamLimits:
    """Limits of what a stream takes of the server."""

    def __init__(self, priority: int = 0, max_fps: float | None = None) -> None:
        self.priority, self.max_fps = priority, max_fps
        self._bucket = None if max_fps is None else TokenBucket(max_fps)

    def let_pass(self) -> bool:
        """Count a frame; False where it is one too many."""
        return self._bucket is None or self._bucket.take()
