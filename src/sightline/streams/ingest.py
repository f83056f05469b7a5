"""From a peer's message into its stream, and the notices back: what every transport does with a picture."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import UnsetType

from sightline.core.errors import TooLarge
from sightline.core.metrics import TokenBucket
from sightline.core.types import Frame
from sightline.media import codecs
from sightline.settings.settings import Settings
from sightline.streams.stream import Stream

EPOCH = time.time() - time.monotonic()
"""Added to ``time.monotonic()`` gives ``time.time()`` as it was when the process began."""
PACE_S = 1 / 30
"""A dropped frame's notice comes so long after the frame, and after the notice before it. A camera that waits for
answers would otherwise send as fast as the network can: four of them made the server take 7,000 frames a second, only
to drop them."""
MOST = 16
"""Notices that are said at once."""

T = TypeVar("T")


class Intake:
    """One publisher's way in: limits, clock, header, rate."""

    def __init__(self, stream: Stream, settings: Settings) -> None:
        self.stream = stream
        self._settings = settings
        self._bucket = TokenBucket(settings.max_fps)

    def take(self, seq: int, timestamp: float, offset: float | UnsetType | None, data: bytes) -> None:
        """Put a JPEG into the stream. Raises TooLarge or BadImage, in which case the stream has not counted it.

        ``timestamp``: milliseconds on the publisher's clock. ``offset``: to be added to it for ours, where measured.
        """
        frame = self._frame(seq, timestamp, offset, data)
        if self._bucket.take():
            self.stream.put(frame)
        else:
            self.stream.refuse(frame)

    def begin(self, seq: int, timestamp: float, offset: float | None, data: bytes) -> Frame | None:
        """A JPEG that comes with its result: the stream has to be given that result, or told that it failed.

        None where the frame was dropped, and answered. Raises as ``take`` does.
        """
        frame = self._frame(seq, timestamp, offset, data)
        if not self._bucket.take():
            self.stream.refuse(frame)
            return None
        return frame if self.stream.begin(frame) else None

    def _frame(self, seq: int, timestamp: float, offset: float | UnsetType | None, data: bytes) -> Frame:
        received_at = time.monotonic()
        if len(data) > self._settings.max_message_bytes:
            raise TooLarge(f"picture of {len(data)} bytes: expected at most {self._settings.max_message_bytes}")
        captured_at = timestamp / 1000
        captured_here = None
        if isinstance(offset, float):
            here = captured_at + offset / 1000
            age = received_at + EPOCH - here
            if -0.05 < age < 60:  # a clock that says otherwise was not measured, only guessed
                captured_here = here + min(age, 0)
        image = codecs.check_jpeg(data, max_pixels=self._settings.max_pixels)
        return Frame(self.stream.name, seq, captured_at, received_at, image, captured_here)


class Pacer(Generic[T]):
    """Holds back the notices of one publisher's dropped frames.

    Who sends more than ``max_pending`` doesn't wait for answers: its notices need no pace, and are said several at a
    time. Each write costs the server 30 to 60 us, most of what it spends on a frame that it drops.
    """

    def __init__(self, max_pending: int, say: Callable[[list[T]], None]) -> None:
        self._max_pending = max_pending
        self._say = say
        self._held = 0
        self._due = 0.0
        """When the last notice had its time."""
        self._more: list[T] = []

    def later(self, frame: Frame, notice: T) -> None:
        """Say it when the time has come."""
        now = time.monotonic()
        due = max(frame.received_at, self._due) + PACE_S
        if due <= now:
            self._say([notice])
        elif self._held < self._max_pending:
            self._due = due
            self._held += 1
            asyncio.get_running_loop().call_later(due - now, self._release, notice)
        else:
            self._more.append(notice)
            if len(self._more) == 1:
                asyncio.get_running_loop().call_later(PACE_S, self._release_more)
            elif len(self._more) == MOST:
                self._release_more()

    def _release(self, notice: T) -> None:
        self._held -= 1
        self._say([notice])

    def _release_more(self) -> None:
        more, self._more = self._more, []
        if more:
            self._say(more)
