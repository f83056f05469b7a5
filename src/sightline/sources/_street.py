"""A drawn street, to be seen without a camera: two walkers, a bus, a car, a kite, a clock, a sign.

The default model takes the walkers for people: docs/cameras.md says how often.
All places are in pixels of a picture of ``SIZE``; colours are BGR.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.types import Image

SIZE = (640, 360)
FPS = 15
FRACTION = 4
"""Bits of a pixel's fraction that OpenCV is given."""
Colour: TypeAlias = tuple[int, int, int]
Points: TypeAlias = Iterable[tuple[float, float]]

DARK: Colour = (30, 32, 34)
GLASS: Colour = (90, 75, 60)
LIGHT: Colour = (242, 244, 245)
SKIN: Colour = (150, 180, 225)
WALKERS = ((40, 330, 150, 42, (70, 120, 60), (110, 70, 40)), (560, 345, 172, -31, (60, 60, 170), (60, 60, 60)))
"""Of each: where it begins, where its feet are, its height, its way in a second, its shirt and its trousers."""


def picture(seconds: float) -> Image:
    """The street at a time. Equal times give equal pictures."""
    image = _background().copy()
    _kite(image, 110 + 14 * np.sin(seconds * 0.9), 52 + 6 * np.sin(seconds * 1.7))
    _bus(image, _across(-240, 900, seconds * 55), 150)
    _car(image, 640 - _across(-60, 1100, seconds * 95), 246)
    for start, feet, height, speed, shirt, trousers in WALKERS:
        x = _across(-60, 760, start + 60 + seconds * speed)
        _walker(image, (x, feet), height, seconds * 5.3 + start, shirt, trousers)
    return image


def _across(start: float, length: float, way: float) -> float:
    """Where something is that goes by again and again."""
    return start + way % length


@functools.cache
def _background() -> Image:
    """What does not move."""
    image: Image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    _shade(image, 0, 184, (225, 180, 130), (240, 225, 205))
    rng, x = np.random.default_rng(3), 0
    while x < SIZE[0]:
        wide, top, grey = (int(rng.integers(*between)) for between in ((60, 110), (30, 110), (110, 190)))
        _box(image, x, top, wide, 222 - top, (grey - 15, grey, min(255, grey + 10)))
        for y in range(top + 10, 194, 22):
            for left in range(x + 8, x + wide - 12, 18):
                _box(image, left, y, 10, 13, GLASS)
        x += wide
    _shade(image, 216, 246, (165, 170, 172), (150, 155, 158))
    _shade(image, 244, 360, (92, 92, 94), (74, 74, 76))
    for x in range(0, SIZE[0], 90):
        _shape(image, [(x, 299), (x + 44, 299), (x + 40, 304), (x - 4, 304)], (225, 225, 225))
    _clock(image, 330, 90, 34)
    _stop_sign(image, 560, 150, 26)
    return image


def _clock(image: Image, x: float, y: float, radius: float) -> None:
    _disc(image, x, y, radius, DARK)
    _disc(image, x, y, radius * 0.9, LIGHT)
    for angle in np.arange(12) * np.pi / 6:
        way = np.array((np.sin(angle), np.cos(angle))) * radius
        _line(image, (x + way[0] * 0.75, y + way[1] * 0.75), (x + way[0] * 0.85, y + way[1] * 0.85), DARK, 2)
    _line(image, (x, y), (x + radius * 0.45, y - radius * 0.25), DARK, 3)
    _line(image, (x, y), (x - radius * 0.1, y - radius * 0.7), DARK, 2)


def _stop_sign(image: Image, x: int, y: int, radius: int) -> None:
    _box(image, x - 2, y, 4, radius * 3.4, (120, 125, 125))
    for size, colour in ((radius, LIGHT), (radius * 0.92, (40, 32, 190))):
        corners = np.arange(8) * np.pi / 4 + np.pi / 8
        _shape(image, zip(x + size * np.cos(corners), y + size * np.sin(corners), strict=True), colour)
    (wide, high), _ = cv2.getTextSize("STOP", cv2.FONT_HERSHEY_DUPLEX, 0.6, 1)
    cv2.putText(image, "STOP", (x - wide // 2, y + high // 2), cv2.FONT_HERSHEY_DUPLEX, 0.6, LIGHT, 1, cv2.LINE_AA)


def _kite(image: Image, x: float, y: float) -> None:
    top, right, bottom, left = (x, y - 26), (x + 17, y), (x, y + 31), (x - 17, y)
    _shape(image, [top, right, bottom, left], (60, 60, 230))
    _shape(image, [top, right, (x, y)], (60, 200, 250))
    _shape(image, [(x, y), bottom, left], (200, 120, 40))


def _bus(image: Image, x: float, y: float) -> None:
    _disc(image, x + 115, y + 112, 120, (70, 70, 72), flat=0.05)
    _shape(
        image, [(x, y + 9), (x + 7, y), (x + 223, y), (x + 230, y + 11), (x + 230, y + 99), (x, y + 99)], (40, 120, 220)
    )
    _box(image, x, y + 68, 230, 7, LIGHT)
    for window in range(6):
        _box(image, x + 7 + window * 32, y + 15, 28, 40, GLASS)
    _box(image, x + 202, y + 15, 28, 44, GLASS)
    _box(image, x + 69, y + 3, 69, 9, DARK)
    _wheels(image, (x + 46, x + 179), y + 99, 16)


def _car(image: Image, x: float, y: float) -> None:
    """One that goes to the left."""
    _disc(image, x + 70, y + 51, 74, (70, 70, 72), flat=0.06)
    _shape(image, [(x + 24, y + 22), (x + 46, y + 3), (x + 94, y + 3), (x + 112, y + 22)], (120, 48, 32))
    _shape(image, [(x + 31, y + 21), (x + 48, y + 6), (x + 68, y + 6), (x + 68, y + 21)], GLASS)
    _shape(image, [(x + 72, y + 21), (x + 72, y + 6), (x + 92, y + 6), (x + 106, y + 21)], GLASS)
    body = [(x, y + 43), (x + 3, y + 26), (x + 24, y + 20), (x + 132, y + 22), (x + 140, y + 26), (x + 140, y + 43)]
    _shape(image, body, (150, 60, 40))
    _wheels(image, (x + 28, x + 112), y + 43, 10)


def _wheels(image: Image, places: Iterable[float], y: float, radius: float) -> None:
    for x in places:
        _disc(image, x, y, radius, DARK)
        _disc(image, x, y, radius * 0.55, (165, 165, 165))


def _walker(
    image: Image, feet: tuple[float, float], height: float, step: float, shirt: Colour, trousers: Colour
) -> None:
    x, ground = feet
    unit, swing = height / 100, float(np.sin(step))

    def at(right: float, up: float) -> tuple[float, float]:
        return x + right * unit, ground - up * unit

    def limb(start: tuple[float, float], end: tuple[float, float], thick: float, colour: Colour) -> None:
        _line(image, start, end, colour, max(1, round(thick * unit)))

    shade: Colour = tuple(int(part * 0.8) for part in shirt)  # type: ignore[assignment]
    _disc(image, x, ground, 16 * unit, (80, 80, 82), flat=0.2)
    for side in (-swing, swing):
        knee, ankle = at(side * 9 + 2, 25), at(side * 17, 3)
        limb(at(0, 48), knee, 11, trousers)
        limb(knee, ankle, 9, trousers)
        _disc(image, ankle[0] + 3 * unit, ground, 6 * unit, DARK, flat=0.45)
    limb(at(0, 80), at(-swing * 10 - 2, 62), 7, shade)
    _shape(image, [at(-8, 83), at(8, 83), at(9, 46), at(-9, 46)], shirt)
    _disc(image, *at(-5, 80), 5 * unit, shirt)
    _disc(image, *at(5, 80), 5 * unit, shirt)
    elbow, hand = at(swing * 10, 63), at(swing * 16 + 4, 52)
    limb(at(0, 79), elbow, 7, shade)
    limb(elbow, hand, 5, SKIN)
    _disc(image, *hand, 3 * unit, SKIN)
    limb(at(0, 88), at(0, 82), 5, SKIN)
    _disc(image, *at(-0.5, 95.5), 6.6 * unit, (30, 40, 60))
    _disc(image, *at(0.5, 92), 5.8 * unit, SKIN, flat=1.1)


def _shade(image: Image, top: int, bottom: int, above: Colour, below: Colour) -> None:
    part = np.linspace(0, 1, bottom - top)[:, None, None]
    image[top:bottom] = (np.array(above) * (1 - part) + np.array(below) * part).astype(np.uint8)


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.round(np.array(list(points)) * (1 << FRACTION)).astype(np.int32)


def _shape(image: Image, corners: Points, colour: Colour) -> None:
    cv2.fillPoly(image, [_fixed(corners)], colour, cv2.LINE_AA, FRACTION)


def _box(image: Image, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
    _shape(image, [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)], colour)


def _line(image: Image, start: tuple[float, float], end: tuple[float, float], colour: Colour, thick: int) -> None:
    (x1, y1), (x2, y2) = _fixed([start, end]).tolist()
    cv2.line(image, (x1, y1), (x2, y2), colour, thick, cv2.LINE_AA, FRACTION)


def _disc(image: Image, x: float, y: float, radius: float, colour: Colour, *, flat: float = 1.0) -> None:
    """``flat``: its height as a part of its width."""
    (place, axes) = _fixed([(x, y), (radius, radius * flat)]).tolist()
    cv2.ellipse(image, tuple(place), tuple(axes), 0, 0, 360, colour, cv2.FILLED, cv2.LINE_AA, FRACTION)
