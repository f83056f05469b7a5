"""Tells when a stream that somebody minds is lost, and when it is back. On the event loop only."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sightline.core.events import Event
from sightline.streams.stream import Stream

LOST_S = 10.0
"""Time without a picture after which a stream is lost. Who reloads a page or changes the network is back sooner."""
SLOW = 3.0
"""A camera that sends seldom is lost after so many times the gap between its pictures."""
UNKNOWN_S = 60.0
"""The same where only one picture came, and its camera is still connected: it may be one that sends seldom."""
NO_CAMERA, NO_PICTURE, NOT_MINDED = "the camera is gone", "no picture comes", "nobody minds it any more"


@dataclass(slots=True)
class _Watched:
    """A stream that somebody minds: its newest picture, and its loss while it is lost."""

    came: float
    """When the newest picture came, or was first expected: ``time.monotonic()``."""
    at: float
    """Time of that picture on its camera's clock, and below its number."""
    seq: int
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=3))
    """Seconds between the newest pictures that were looked at."""
    loss: Event | None = None
    """Start of the event that lasts."""


class LostStreams:
    """Watches over the streams of a server. A stream counts once it had a picture, or from the beginning if the server
    itself reads its source."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        """``emit``: takes the events."""
        self._emit = emit
        self._watched: dict[str, _Watched] = {}
        self._prefix, self._number = secrets.token_hex(8), 0

    def expect(self, name: str, now: float | None = None) -> None:
        """The server reads the source of a stream from now on, so that pictures have to come."""
        self._watched[name] = _Watched(time.monotonic() if now is None else now, time.time(), 0)

    def look(self, streams: Mapping[str, Stream], minds: Callable[[str], bool], now: float | None = None) -> None:
        """Tell what has changed. ``minds``: whether somebody minds a stream of that name."""
        now = time.monotonic() if now is None else now
        for name in {*self._watched, *streams}:
            if minds(name):
                self._look(name, streams.get(name), now)
            elif (watched := self._watched.pop(name, None)) is not None:
                self._give_up(watched, now, NOT_MINDED)

    def close(self, reason: str, now: float | None = None) -> None:
        """The server stops: end what lasts."""
        for watched in self._watched.values():
            self._give_up(watched, time.monotonic() if now is None else now, reason)
        self._watched.clear()

    def _look(self, name: str, stream: Stream | None, now: float) -> None:
        watched, latest = self._watched.get(name), None if stream is None else stream.meters.latest
        if watched is None and latest is not None:
            watched = self._watched[name] = _Watched(latest.received_at, latest.captured_at, latest.seq)
        elif watched is not None and latest is not None and latest.received_at > watched.came:
            gap, watched.came = latest.received_at - watched.came, latest.received_at
            watched.at, watched.seq = latest.captured_at, latest.seq
            watched.gaps.append(gap)
            self._end(watched, gap)
        if watched is not None and watched.loss is None and (why := _lost(watched, stream, now)):
            self._number += 1
            event_id = f"{self._prefix}-{self._number}"
            watched.loss = Event(
                id=event_id, stream=name, phase="start", kind="stream", at=watched.at, seq=watched.seq, reason=why
            )
            self._emit(watched.loss)

    def _give_up(self, watched: _Watched, now: float, reason: str) -> None:
        lasted = max(0.0, now - watched.came)
        watched.at += lasted
        self._end(watched, lasted, reason)

    def _end(self, watched: _Watched, lasted: float, reason: str = "") -> None:
        if (loss := watched.loss) is not None:
            watched.loss = None
            self._emit(loss.ended(watched.at, watched.seq, round(lasted, 3), reason))


def _lost(watched: _Watched, stream: Stream | None, now: float) -> str:
    """Return why a stream is lost; empty if it is not."""
    silent = now - watched.came
    gone = NO_CAMERA if stream is None or stream.publisher is None else ""
    why = gone if stream is None or stream.paused is None else stream.paused
    if why:
        return why if silent > LOST_S else ""
    patience = max(LOST_S, SLOW * min(watched.gaps)) if watched.gaps else UNKNOWN_S
    return NO_PICTURE if silent > patience else ""
