"""Generated pictures for trials, tests and measurements: moving shapes with known truth, noise, or a drawn street.

Plain ``synthetic:`` means ``synthetic:shapes?size=640x360&fps=30&seed=1``. ``synthetic:noise`` can't be compressed.
``synthetic:street`` has people that models find, at 15 pictures a second. ``frames=N`` ends a source after N pictures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import SourceError
from sightline.core.types import Image
from sightline.sources import _street
from sightline.sources.base import IDLE_S, Lose, Shot, unnoticed

WHAT = "made pictures (synthetic:shapes?size=640x360&fps=30&seed=1, synthetic:noise, synthetic:street)"

SHAPES = 3
KINDS = ("shapes", "noise", "street")
BACKGROUND = 60
COLORS = ((60, 200, 240), (230, 160, 70), (120, 220, 120))
"""Colours of the shapes in BGR."""


def handles(spec: str) -> bool:
    """True for ``synthetic:`` and anything after it."""
    return spec.startswith("synthetic:")


def open(spec: str) -> Synthetic:
    """Open the source that the spec describes. Raises SourceError, which says what was expected."""
    kind, _, query = spec.removeprefix("synthetic:").partition("?")
    kind = kind or "shapes"
    if kind not in KINDS:
        raise SourceError(f"{spec}: expected synthetic:{', synthetic:'.join(KINDS)}")
    given = dict(parse_qsl(query, keep_blank_values=True))
    unknown = given.keys() - {"size", "fps", "seed", "frames"}
    if unknown:
        raise SourceError(f"{spec}: {', '.join(sorted(unknown))} is unknown; expected size, fps, seed or frames")
    width, _, height = given.get("size", "640x360").partition("x")
    return Synthetic(
        kind,
        size=(_number(spec, width, "size", 16, 4096), _number(spec, height, "size", 16, 4096)),
        fps=_number(spec, given.get("fps", str(_street.FPS) if kind == "street" else "30"), "fps", 1, 1000),
        seed=_number(spec, given.get("seed", "1"), "seed", 0, 2**32 - 1),
        frames=_number(spec, given["frames"], "frames", 1, 10**9) if "frames" in given else None,
    )


def _number(spec: str, text: str, what: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        form = "WIDTHxHEIGHT, each" if what == "size" else "a whole number"
        raise SourceError(f"{spec}: {what} {text!r}; expected {form} from {least} to {most}")
    return int(text)


@dataclass(frozen=True, slots=True)
class Truth:
    """A shape in a picture."""

    class_id: int
    """0 is a rectangle, 1 a disc."""
    xyxy: tuple[int, int, int, int]
    """Pixels, excluding the right and lower edges. A shape always lies wholly in the picture."""


class Synthetic:
    """Generated pictures. The source is live if ``frames`` is None, and pictures then come at ``fps``.

    The same seed gives the same pictures.
    """

    images = False
    unreadable = 0

    def __init__(self, kind: str, *, size: tuple[int, int], fps: int, seed: int, frames: int | None) -> None:
        self.name = f"synthetic:{kind}"
        self.total: int | None = frames
        self.fps: float | None = float(fps)
        self.live = frames is None
        self.idle = False
        self.lose: Lose = unnoticed
        self._size = size
        self._seed = seed
        # All random choices are made here, so that any picture can be made without the earlier ones.
        rng = np.random.default_rng(seed)
        least = min(size) // 8
        self._sides = rng.integers(least, 2 * least, (SHAPES, 2), endpoint=True)
        self._begin = rng.integers(0, 1 << 16, (SHAPES, 2))
        self._speed = rng.integers(max(1, least // 8), max(2, least // 3), (SHAPES, 2), endpoint=True)
        makers: dict[str, Callable[[int], Image]] = {
            "shapes": self._shapes,
            "noise": self._noise,
            "street": self._street,
        }
        self._make = makers[kind]

    def __enter__(self) -> Synthetic:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def __iter__(self) -> Iterator[Shot]:
        """Yield the pictures. Live ones that are not taken in time are left out, like those of a camera."""
        assert self.fps is not None
        if self.total is not None:
            for i in range(self.total):
                yield Shot(self._make(i), i / self.fps, self.name)
            return
        began, due = time.monotonic(), 0
        shot: Shot | None = None
        while True:
            late = int((time.monotonic() - began) * self.fps) - due
            if late > 0:
                self.lose("late", late)
                due += late
            time.sleep(max(0.0, began + due / self.fps - time.monotonic()))
            if self.idle and shot is not None and time.time() - shot.timestamp < IDLE_S:
                yield replace(shot, fresh=False)
            else:
                shot = Shot(self._make(due), time.time(), self.name)
                yield shot
            due += 1

    def picture(self, index: int) -> Image:
        """The picture with this number, counted from 0."""
        return self._make(index)

    def truth(self, index: int) -> list[Truth]:
        """The shapes in the picture with this number; later ones lie over earlier ones."""
        room = np.array(self._size) - self._sides
        # Shapes move back and forth, up to ``room`` and down again.
        way = (self._begin + index * self._speed) % (2 * room)
        corners = np.minimum(way, 2 * room - way).tolist()
        sides = self._sides.tolist()
        return [
            Truth(i % 2, (x, y, x + width, y + height))
            for i, ((x, y), (width, height)) in enumerate(zip(corners, sides, strict=True))
        ]

    def _shapes(self, index: int) -> Image:
        image: NDArray[np.uint8] = np.full((self._size[1], self._size[0], 3), BACKGROUND, np.uint8)
        for shape, color in zip(self.truth(index), COLORS, strict=True):
            x1, y1, x2, y2 = shape.xyxy
            if shape.class_id == 0:
                image[y1:y2, x1:x2] = color
            else:
                center, axes = ((x1 + x2 - 1) / 2, (y1 + y2 - 1) / 2), (x2 - x1 - 1, y2 - y1 - 1)
                cv2.ellipse(image, (center, axes, 0.0), color, cv2.FILLED)
        return image

    def _noise(self, index: int) -> Image:
        rng = np.random.default_rng((self._seed, index))
        return rng.integers(0, 256, (self._size[1], self._size[0], 3), np.uint8)

    def _street(self, index: int) -> Image:
        assert self.fps is not None
        image = _street.picture(index / self.fps + self._seed)
        if self._size == _street.SIZE:
            return image
        return cv2.resize(image, self._size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
