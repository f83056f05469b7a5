"""Which way up a picture is. The one rule: pictures are upright, and boxes are in the upright picture's pixels.

Cameras and phones store pictures as the sensor saw them, and mark how to turn them: EXIF in pictures, a display matrix
in videos. Browsers, players and this server all follow the mark. Both kinds become EXIF's numbers, 1 to 8.
"""

from __future__ import annotations

import cv2
import numpy as np

from sightline.core.types import Image

UPRIGHT = 1
EXIF = b"Exif\0\0"
MAX_ENTRIES = 256
"""Entries of an EXIF directory that are read. Cameras write about fifteen."""

_ORIENTATION, _SHORT = 0x0112, 3
_AXES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""Where the stored picture's axes point once it is upright: x and y of its right, x and y of its down."""
_QUARTERS = (UPRIGHT, 8, 3, 6)
"""By quarters counterclockwise."""


def of_exif(data: bytes) -> int:
    """The orientation that EXIF data (a TIFF header and its directory) states, 1 where it states none."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return UPRIGHT
    little = data[:1] == b"I"

    def number(at: int, length: int) -> int:
        return int.from_bytes(data[at : at + length], "little" if little else "big")

    directory = number(4, 4)
    for i in range(min(number(directory, 2), MAX_ENTRIES)):
        at = directory + 2 + 12 * i
        if number(at, 2) == _ORIENTATION:
            value = number(at + 8, 2)
            return value if number(at + 2, 2) == _SHORT and value in _AXES else UPRIGHT
    return UPRIGHT


def of_matrix(matrix: bytes) -> int:
    """The orientation nearest to a display matrix of nine 32-bit numbers in this machine's order, as FFmpeg has it."""
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    return max(_AXES, key=lambda orientation: sum(np.multiply(_AXES[orientation], (a, b, c, d)).tolist()))


def of_degrees(counterclockwise: float) -> int:
    """The orientation of a picture that is to be turned so far, by the nearest quarter."""
    return _QUARTERS[round(counterclockwise / 90) % 4]


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Width and height of the upright picture."""
    return (height, width) if orientation >= 5 else (width, height)


def upright(image: Image, orientation: int) -> Image:
    """The stored picture, turned and mirrored so that it is upright; the same object if it is so already."""
    if orientation >= 5:
        image = np.asarray(cv2.transpose(image), np.uint8)
    right, down = _AXES[orientation][0::2], _AXES[orientation][1::2]
    mirrored, flipped = sum(right) < 0, sum(down) < 0
    if not (mirrored or flipped):
        return image
    return np.asarray(cv2.flip(image, -1 if mirrored and flipped else int(mirrored)), np.uint8)
