"""How live pictures keep to their time: paced if they come in bursts, left out if this machine is too slow for all."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream

BEHIND_S = 2.0
"""Lag in seconds above which decoding skips to the next key frame."""
BURST_BEHIND_S = 10.0
"""The same for what comes in bursts: up to this lag every picture is shown, faster than they came."""
LATE_SPAN_S, LATE_SPANS = 10.0, 3
LATE_S = 0.1
"""What comes in bursts is shown that much later from now on as it was late in each of so many spans of seconds, if that
is more than this."""
BACK_S = 1.0
"""Seconds by which a picture may be earlier than the one sent before it. More is a clock that was set back."""
SKIP_S = 10.0
"""Maximum time in seconds to wait for that key frame."""


class Playout:
    """Paces frames that come in bursts by their own times.

    Frames that are late come at once, so a stall is caught up with. If all that comes is late, the clock is set back.
    """

    def __init__(self) -> None:
        self._ahead = -math.inf
        self._at = self._now = self._since = 0.0
        self._worst = 0.0
        """Most seconds that a frame was late since then."""
        self._before: list[float] = []
        """The same of the spans before that."""

    def wait_for(self, at: float) -> None:
        """Wait until ``at``, in the stream's seconds."""
        before, self._now = self._now, time.monotonic()
        self._ahead += (self._now - before) / 1000  # the camera's clock may be fast by that: nothing piles up
        late = self._now - (at - self._ahead)
        if late < -BEHIND_S or at < self._at - BACK_S:
            self._set(at - self._now)
            late = 0.0
        self._at = at
        self._worst = max(self._worst, late)
        if self._now - self._since > LATE_SPAN_S:
            self._before = [*self._before, self._worst][-LATE_SPANS:]
            self._since, self._worst = self._now, 0.0
            if len(self._before) == LATE_SPANS and min(self._before) > LATE_S:
                self._set(self._ahead - min(self._before))
        time.sleep(max(0.0, at - self._ahead - self._now))

    def _set(self, ahead: float) -> None:
        self._ahead, self._since, self._worst, self._before = ahead, self._now, 0.0, []


class Late:
    """Skips packets if this machine decodes more slowly than frames come, so that the lag stays bounded."""

    def __init__(self, *, bursts: bool) -> None:
        """``bursts``: whether packets come in bursts."""
        self._behind_s = BURST_BEHIND_S if bursts else BEHIND_S
        self._least: float | None = None
        self._at = 0.0
        self._now = time.monotonic()
        self._skipping_since: float | None = None

    def skip(self, packet: Packet[VideoStream]) -> bool:
        """True if this packet should not be decoded."""
        if packet.pts is None or packet.time_base is None:
            return False
        before, self._now = self._now, time.monotonic()
        last, self._at = self._at, packet.pts * float(packet.time_base)
        lag = self._now - self._at
        if self._at < last - BACK_S:  # what is late has later times than what came before
            self._least = self._skipping_since = None
        # The camera's clock may be slow by up to a thousandth, and may jump.
        least = lag if self._least is None else min(lag, self._least + (self._now - before) / 1000)
        self._least = lag if lag - least > 2 * SKIP_S else least
        if lag - self._least <= self._behind_s and (self._skipping_since is None or packet.is_keyframe):
            self._skipping_since = None
        elif self._skipping_since is None:
            self._skipping_since = self._now
        elif self._now - self._skipping_since > SKIP_S:
            self._least, self._skipping_since = lag, None
        return self._skipping_since is not None
