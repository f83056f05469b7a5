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
    result: FrameResult
    thumbnail: NDArray[np.uint8]
    settings: tuple[Any, ...]


class StaticScenes:
    """Looks of each stream when it was last inferred. Instances of a model share it: a stream is with one of
    them at a time."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._new: dict[str, NDArray[np.uint8]] = {}

    def reuse(self, frame: Frame, settings: tuple[Any, ...]) -> FrameResult | None:
        """Return the last result if nothing moved since, and the model and its settings are the same; else None.

        The result is that of its own frame: see ``result.reuse_result``. Raises BadImage.
        """
        seen = self._seen.get(frame.stream)
        if (
            seen is not None
            and seen.settings == settings
            and isinstance(frame.image, Encoded)
            and isinstance(seen.result.frame.image, Encoded)
            and seen.result.frame.image.data == frame.image.data
        ):
            return seen.result
        now = self._new[frame.stream] = thumbnail(frame)
        if seen is None or seen.settings != settings or seen.result.frame.size != frame.size:
            return None
        return seen.result if difference(seen.thumbnail, now) <= LEVELS else None

    def remember(self, result: FrameResult, settings: tuple[Any, ...]) -> None:
        """Remember the result of a frame for which ``reuse`` had none."""
        stream = result.frame.stream
        now = self._new.pop(stream, None)
        if now is not None:
            self._seen[stream] = _Seen(result, now, settings)
            self._seen.move_to_end(stream)
            if len(self._seen) > MAX_STREAMS:
                self._seen.popitem(last=False)

    def forget(self, stream: str) -> None:
        """Forget a stream whose camera left."""
        self._seen.pop(stream, None)
        self._new.pop(stream, None)


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
