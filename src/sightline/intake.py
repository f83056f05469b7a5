"""From a peer's message into its stream: what every transport does with a picture that came in."""

from __future__ import annotations

import time

from sightline import codecs
from sightline.config import Settings
from sightline.errors import TooLarge
from sightline.metrics import TokenBucket
from sightline.stream import Stream
from sightline.types import Frame

EPOCH = time.time() - time.monotonic()
"""Added to ``time.monotonic()`` gives ``time.time()`` as it was when the process began."""


class Intake:
    """One publisher's way in: limits, clock, header, rate."""

    def __init__(self, stream: Stream, settings: Settings) -> None:
        self.stream = stream
        self._settings = settings
        self._bucket = TokenBucket(settings.max_fps)

    def take(self, seq: int, timestamp: float, offset: float | None, data: bytes) -> None:
        """Put a JPEG into the stream. Raises TooLarge or BadImage, in which case the stream has not counted it.

        ``timestamp``: milliseconds on the publisher's clock. ``offset``: to be added to it for ours, where measured.
        """
        received_at = time.monotonic()
        if len(data) > self._settings.max_message_bytes:
            raise TooLarge(f"picture of {len(data)} bytes: expected at most {self._settings.max_message_bytes}")
        captured_at = timestamp / 1000
        captured_here = None
        if offset is not None:
            here = captured_at + offset / 1000
            if 0 <= received_at + EPOCH - here < 60:  # a clock that says otherwise was not measured
                captured_here = here
        image = codecs.check_jpeg(data, max_pixels=self._settings.max_pixels)
        frame = Frame(self.stream.name, seq, captured_at, received_at, image, captured_here)
        if self._bucket.take():
            self.stream.put(frame)
        else:
            self.stream.refuse(frame)
