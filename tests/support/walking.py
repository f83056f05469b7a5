"""Objects that walk over made paths, for what counts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sightline.analytics._happenings import Happening
from sightline.analytics.zones.counter import ZoneCounter
from sightline.analytics.zones.objects import Sighting

SIZE = (1600, 900)
HEIGHT = 0.2
"""Height of every object's box, in heights of the picture."""


@dataclass(frozen=True)
class Sight:
    """One object in one frame: where its feet are, from 0 to 1."""

    track: int
    x: float
    y: float = 0.6
    class_name: str = "person"
    width: float = 0.05
    height: float = HEIGHT


def sighting(*sights: Sight, size: tuple[int, int] = SIZE) -> Sighting:
    """What a tracker says of a frame."""
    boxes = [(s.x - s.width / 2, s.y - s.height, s.x + s.width / 2, s.y) for s in sights]
    pixels = np.array(boxes, np.float64).reshape(-1, 4) * (size * 2)
    return Sighting([s.track for s in sights], [s.class_name for s in sights], pixels, size)


def walk(
    counter: ZoneCounter, frames: Iterable[Sequence[Sight]], *, fps: float = 10.0, every: int = 1, start: float = 1000.0
) -> list[Happening]:
    """Have a counter see frames; with ``every`` only one of so many comes."""
    happened = []
    for n, sights in enumerate(frames):
        if n % every == 0:
            happened += counter.update(start + n / fps, sighting(*sights))
    return happened


def line(*xs: float, track: int = 1, y: float = 0.6) -> list[list[Sight]]:
    """One object, a frame for each x."""
    return [[Sight(track, x, y)] for x in xs]


def empty(seconds: float, fps: float = 10.0) -> list[list[Sight]]:
    """Frames without objects."""
    return [[] for _ in range(round(seconds * fps))]
