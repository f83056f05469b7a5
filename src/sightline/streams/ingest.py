"""From a publisher's picture to a frame of its stream, the same for every transport, and the notices back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from sightline.core.errors import BadImage, TooLarge
from sightline.core.metrics import TokenBucket
from sightline.core.types import Encoded, Frame, Image
from sightline.media import codecs
from sightline.settings.settings import Settings
from sightline.streams.stream import Stream

EPOCH = time.time() - time.monotonic()
"""Seconds between ``time.monotonic()`` and ``time.time()``, as it was when the process began."""
PACE_S = 1 / 30
"""Time from a dropped frame, and from the notice before, to the frame's notice. A camera that waits for answers would
otherwise send as fast as the network can: four of them made the server take 7,000 frames a second, only to drop them.
"""
MOST = 16
"""Notices that are sent at once."""

T = TypeVar("T")


class Ingest:
    """One publisher's way in: limits, header, clock, rate. JPEGs come with their header checked, undecoded."""

    def __init__(self, stream: Stream, settings: Settings) -> None:
        self.stream = stream
        self._settings = settings
        self._bucket = TokenBucket(settings.max_fps)
        self._head = b""
        self._header: codecs.Header | None = None
        """What the last header said: cameras write the same bytes before each picture."""

    def put_jpeg(self, seq: int, captured_at: float, clock_offset: float | None, data: bytes) -> None:
        """Put a JPEG into the stream. One that can't be taken is counted and its publisher told why.

        ``captured_at``: seconds on the publisher's clock. ``clock_offset``: seconds to be added to it for this
        machine's clock, where the publisher measured them.
        """
        frame = self._jpeg(seq, captured_at, clock_offset, data)
        if frame is not None:
            self._put(frame)

    def put_image(
        self,
        seq: int,
        captured_at: float | None,
        clock_offset: float | None,
        image: Encoded | Image,
        *,
        quality: int = 80,
        damaged: bool = False,
        pts: int | None = None,
    ) -> None:
        """Put a decoded picture into the stream, H x W x 3 BGR, or a JPEG that was checked.

        ``captured_at`` and ``clock_offset`` as for a JPEG; without ``captured_at`` the picture counts as of now, on
        an unknown clock. ``quality``: of the JPEG that viewers get. ``pts``: see ``Frame.pts``.
        """
        now = time.monotonic()
        height, width = (image.height, image.width) if isinstance(image, Encoded) else image.shape[:2]
        if width * height > self._settings.max_pixels:
            most = self._settings.max_pixels
            self.stream.turn_away(seq, TooLarge(f"picture of {width}x{height} pixels: expected at most {most}"))
            return
        if captured_at is None:
            captured_at, clock_offset = now + EPOCH, None
        here = _on_our_clock(captured_at, clock_offset, now)
        self._put(Frame(self.stream.name, seq, captured_at, now, image, here, quality, damaged, pts))

    def begin_jpeg(self, seq: int, captured_at: float, clock_offset: float | None, data: bytes) -> Frame | None:
        """Take a JPEG that comes with its result: the stream has to be given that result, or told that it failed.

        None where the frame was dropped, or can't be taken, and answered.
        """
        frame = self._jpeg(seq, captured_at, clock_offset, data)
        if frame is None:
            return None
        if not self._bucket.take():
            self.stream.refuse(frame)
            return None
        return frame if self.stream.begin(frame) else None

    def _put(self, frame: Frame) -> None:
        if self._bucket.take():
            self.stream.put(frame)
        else:
            self.stream.refuse(frame)

    def _jpeg(self, seq: int, captured_at: float, clock_offset: float | None, data: bytes) -> Frame | None:
        now = time.monotonic()
        try:
            if len(data) > self._settings.max_message_bytes:
                raise TooLarge(f"picture of {len(data)} bytes: expected at most {self._settings.max_message_bytes}")
            image = codecs.check_jpeg(data, max_pixels=self._settings.max_pixels, header=self._read(data))
        except (BadImage, TooLarge) as e:
            self.stream.turn_away(seq, e)
            return None
        here = _on_our_clock(captured_at, clock_offset, now)
        return Frame(self.stream.name, seq, captured_at, now, image, here, damaged=image.damaged)

    def _read(self, data: bytes) -> codecs.Header:
        """Read a picture's header, unless it is the last one's. Raises BadImage."""
        if self._header is not None and data.startswith(self._head):
            return self._header
        header = codecs.jpeg_header(data)
        if header.alone:
            self._head, self._header = data[: header.pixels_at], header
        return header


def _on_our_clock(captured_at: float, clock_offset: float | None, received_at: float) -> float | None:
    """Return when a picture was taken, on this machine's clock; None where that is not known.

    An offset that puts it in the future, or a minute back, was not measured, only guessed.
    """
    if clock_offset is None:
        return None
    here = captured_at + clock_offset
    age = received_at + EPOCH - here
    return here + min(age, 0) if -0.05 < age < 60 else None


class Pacer(Generic[T]):
    """Holds back the notices of one publisher's dropped frames.

    A publisher that sends more than ``max_pending`` frames does not wait for answers: its notices need no pace, and
    go out several at a time. Each write costs the server 30 to 60 us, most of what it spends on a dropped frame.
    """

    def __init__(self, max_pending: int, say: Callable[[list[T]], None]) -> None:
        self._max_pending = max_pending
        self._say = say
        self._held = 0
        self._due = 0.0
        """Time of the last notice."""
        self._more: list[T] = []

    def later(self, received_at: float, notice: T) -> None:
        """Send a notice of a frame, which came then on ``time.monotonic()``, when its time has come."""
        now = time.monotonic()
        due = max(received_at, self._due) + PACE_S
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
