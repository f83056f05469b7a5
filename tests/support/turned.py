"""Pictures as cameras store them that are held otherwise."""

from __future__ import annotations

import struct

import cv2

from sightline.core.types import Image
from sightline.media import orientation


def stored(image: Image, number: int) -> bytes:
    """The picture as a JPEG of such a camera, marked with how to turn it: EXIF's numbers 1 to 8."""
    back = {6: 8, 8: 6}.get(number, number)
    jpeg = cv2.imencode(".jpg", orientation.upright(image, back))[1].tobytes()
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, number, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
