"""Figures of a stream in one minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

from msgspec import Struct

from sightline.core.types import FrameResult

N = TypeVar("N", int, float)


class Minute(Struct, array_like=True):
    """What became of a stream's frames in a minute, or in a part of one."""

    at: int = 0
    """When it began, in seconds since 1970."""
    seconds: float = 0.0
    """How much of it frames came whose results somebody wanted."""
    delivered: int = 0
    lost: int = 0
    """Frames without the result that somebody wanted."""
    latency_ms: float = 0.0
    """Of all delivered frames together."""
    objects: dict[str, int] = {}
    """Most objects of each class that were in one picture; none of a class that the stream does not show."""
    shares: dict[str, float] = {}
    """Largest share of a picture that each class had, for a segmentation."""

    @property
    def counted(self) -> int:
        """Frames whose results somebody wanted."""
        return self.delivered + self.lost

    def see(self, result: FrameResult, latency_ms: float) -> None:
        """Count a delivered frame."""
        self.delivered += 1
        self.latency_ms += latency_ms
        if result.detections:
            _raise(self.objects, Counter(found.class_name for found in result.detections))
        if result.segments:
            _raise(self.shares, {one.class_name: one.share for one in result.segments})

    def add(self, part: Minute) -> None:
        """Count what is in a part of it too."""
        self.seconds += part.seconds
        self.delivered += part.delivered
        self.lost += part.lost
        self.latency_ms += part.latency_ms
        _raise(self.objects, part.objects)
        _raise(self.shares, part.shares)


def _raise(most: dict[str, N], found: Mapping[str, N]) -> None:
    for name, amount in found.items():
        if name not in most or amount > most[name]:
            most[name] = amount
