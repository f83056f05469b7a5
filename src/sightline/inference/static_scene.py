"""Static scenes: a frame that looks like the last one that was inferred needs no inference of its own.

The test is a picture of one grey value for every 8 x 8 pixels, which a JPEG gives away for 0.1 to 0.25 ms (640 to 800
pixels wide): the largest difference of any cell decides. It is always taken to the frame that was inferred, not to
the one before, so that slow movement adds up until it counts.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.types import Encoded, Frame, FrameResult
from sightline.media import codecs

LEVELS = 8
"""Grey levels of 255 by which one cell may differ. Sensor noise of a standard deviation of 6 levels makes 4 to 8 at
JPEG quality 50 (``bench/static.py``). A square of 16 pixels that is 20 levels brighter than its background makes 10
once it has moved by 8."""
MAX_STREAMS = 4096
"""Streams that are remembered; the one inferred longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class _Seen:
    received_at: float
    size: tuple[int, int]
    jpeg: bytes | None
    thumbnail: NDArray[np.uint8]


class StaticScenes:
    """Looks of each stream when it was last inferred. Kept where the model is."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def same(self, frame: Frame, last: float | None) -> bool:
        """Return whether a frame looks like the last one of its stream that was inferred; else remember its looks.

        ``last``: when that one came; None where its result is not to be used again. Raises BadImage.
        """
        seen = self._seen.get(frame.stream)
        if last is None or seen is None or (seen.received_at, seen.size) != (last, frame.size):
            seen = None
        jpeg = frame.image.data if isinstance(frame.image, Encoded) else None
        if seen is not None and jpeg is not None and seen.jpeg == jpeg:
            return True
        now = thumbnail(frame)
        if seen is not None and difference(seen.thumbnail, now) <= LEVELS:
            return True
        self._seen[frame.stream] = _Seen(frame.received_at, frame.size, jpeg, now)
        self._seen.move_to_end(frame.stream)
        if len(self._seen) > MAX_STREAMS:
            self._seen.popitem(last=False)
        return False

    def forget(self, stream: str) -> None:
        """Forget a stream whose camera left."""
        self._seen.pop(stream, None)


class LastResults:
    """The last result of each stream that was inferred. Kept where results are made."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[FrameResult, Any]] = OrderedDict()

    def of(self, frame: Frame, asked: Any) -> FrameResult | None:
        """Return the result that a frame may use again if it looks the same; None where other things were asked."""
        result, then = self._kept.get(frame.stream, (None, None))
        return result if result is not None and then == asked and result.frame.size == frame.size else None

    def keep(self, result: FrameResult, asked: Any) -> None:
        """Keep the result of a frame that was inferred."""
        self._kept[result.frame.stream] = result, asked
        self._kept.move_to_end(result.frame.stream)
        if len(self._kept) > MAX_STREAMS:
            self._kept.popitem(last=False)

    def forget(self, stream: str) -> None:
        """Forget a stream whose camera left."""
        self._kept.pop(stream, None)


def thumbnail(frame: Frame) -> NDArray[np.uint8]:
    """Return one grey value for every 8 x 8 pixels. Raises BadImage."""
    if isinstance(frame.image, Encoded):
        return codecs.thumbnail(frame.image)
    width, height = frame.size
    small = cv2.resize(frame.image, (-(-width // 8), -(-height // 8)), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    """Return the largest difference of any cell. Both must have one shape."""
    return int(cv2.absdiff(a, b).max())
