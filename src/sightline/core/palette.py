"""Fixed colours of classes. ``web/lib/palette.js`` gives the same numbers; tests check both against one golden file."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
"""A colour as blue, green, red; each 0 to 255."""

HAND_PICKED = (
    *("22d3ee", "ff9f1c", "3ddc57", "ff4f6d", "b388ff", "ffe14a", "ff5ecb", "4f83ff"),
    *("a3e635", "ff7043", "1de9b6", "d500f9", "c9a26b", "ff1744", "00a86b", "7c4dff"),
    *("ffc400", "9be1ff", "c51162", "0097a7", "f8c8dc", "9e9d24", "2962ff", "e8e8e8"),
)
"""Colours by class id as rrggbb: bright on any picture, neighbours far apart."""


def color(class_id: int) -> Colour:
    """The colour of a class; it never changes."""
    if 0 <= class_id < len(HAND_PICKED):
        value = int(HAND_PICKED[class_id], 16)
        return value & 255, value >> 8 & 255, value >> 16
    return _further(class_id)


def text_color(bgr: Colour) -> Colour:
    """Black or white, whichever has more contrast with ``bgr`` (as in WCAG 2)."""
    b, g, r = (_linear(channel) for channel in bgr)
    luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b
    black_stands_out = (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05)
    return (0, 0, 0) if black_stands_out else (255, 255, 255)


def table() -> NDArray[np.uint8]:
    """The colours of classes 0 to 255 as 256 x 1 x 3, the format of ``cv2.applyColorMap``."""
    return _table().copy()


@cache
def _table() -> NDArray[np.uint8]:
    return np.array([color(i) for i in range(256)], np.uint8).reshape(256, 1, 3)


def _further(class_id: int) -> Colour:
    # Colours go around the wheel in steps of 137 degrees, so neighbours are far apart. Integers only, so that every
    # language gets the same.
    hue = class_id * 137 % 360
    high = (255, 215, 240)[class_id % 3]
    low = (40, 110, 75)[class_id // 3 % 3]
    up = low + (high - low) * (hue % 60) // 60
    down = low + high - up
    r, g, b = (
        (high, up, low),
        (down, high, low),
        (low, high, up),
        (low, down, high),
        (up, low, high),
        (high, low, down),
    )[hue // 60]
    return b, g, r


def _linear(channel: int) -> float:
    share = channel / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)
