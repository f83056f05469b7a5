"""Figures of streams over the last day by the minute, in memory of a bounded size. On the event loop only."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TypeVar

import msgspec

from sightline.streams.hub import Hub
from sightline.streams.minute import Minute

MINUTE_S = 60
DAY_S = 86_400
LOOK_S = 5.0
"""Time between two looks at what the streams have counted."""
MOST_CLASSES = 8
"""Classes of a minute: those of which most was seen."""


class Day:
    """One stream's minutes in which frames came, oldest first. Those that are over are packed: about 50 bytes each."""

    def __init__(self) -> None:
        self._over: deque[bytes] = deque(maxlen=DAY_S // MINUTE_S)
        self._last = Minute()

    def add(self, part: Minute, now: float) -> None:
        """Count a part that ends now, in seconds since 1970."""
        at = int(now) // MINUTE_S * MINUTE_S
        if at != self._last.at:
            self._pack()
            self._last = Minute(at)
        self._last.add(part)

    def minutes(self, now: float) -> list[Minute]:
        """Return those of the last day, the one that is not over yet among them."""
        over = [_decoder.decode(one) for one in self._over]
        return [one for one in [*over, self._last] if one.at > now - DAY_S and one.counted]

    def _pack(self) -> None:
        last = self._last
        if last.counted:
            last.objects, last.shares = _largest(last.objects), _largest(last.shares)
            self._over.append(msgspec.msgpack.encode(last))


class Histories:
    """The histories of streams, live or not: of as many as a server may have streams, those that counted last."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._kept: dict[str, Day] = {}

    async def run(self) -> None:
        """Look at the streams until cancelled."""
        while True:
            self.look(time.time())
            await asyncio.sleep(LOOK_S)

    def look(self, now: float) -> None:
        """Take what streams have counted since the last look. ``now``: seconds since 1970."""
        for stream in list(self._hub.streams.values()):
            part = stream.meters.take()
            if part.counted:
                day = self._kept.pop(stream.name, None) or Day()
                day.add(part, now)
                self._kept[stream.name] = day
        while len(self._kept) > self._hub.settings.max_streams:
            del self._kept[next(iter(self._kept))]

    def minutes(self, name: str, now: float) -> list[Minute]:
        """Return a stream's minutes of the last day, oldest first, up to now."""
        self.look(now)
        day = self._kept.get(name)
        return [] if day is None else day.minutes(now)

    def forget(self, name: str) -> None:
        """Know nothing of a stream: another camera may come under its name."""
        self._kept.pop(name, None)


N = TypeVar("N", int, float)
_decoder = msgspec.msgpack.Decoder(Minute)


def _largest(most: dict[str, N]) -> dict[str, N]:
    return dict(sorted(most.items(), key=lambda one: -one[1])[:MOST_CLASSES])
