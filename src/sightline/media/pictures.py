"""Picture files of people's own: any kind that OpenCV reads, upright, with a limit that the header is held to."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sightline.core.errors import BadImage, ProtocolError, TooLarge
from sightline.core.types import Image
from sightline.media import codecs

MAX_PIXELS = 1 << 28
"""Most pixels of a picture file: width times height. The largest phone cameras have 200 million."""
PNG = b"\x89PNG\r\n\x1a\n"


def read_picture(path: Path) -> Image:
    """Read a file as H x W x 3 BGR pixels, turned as its EXIF data asks.

    Raises BadImage for a file that is no picture, is cut off, or can't be opened; TooLarge above ``MAX_PIXELS``. A JPEG
    or PNG that lies about its size is refused by its header: 690 bytes can cost 16 s and 5 GB, 91 bytes 4 GB.
    """
    try:
        data = np.fromfile(path, np.uint8)  # cv2.imread can't open every name on Windows
    except OSError as e:
        raise BadImage(f"{path} can't be read as a picture: {e.strerror or e}") from None
    try:
        return decode_picture(data.tobytes())
    except ProtocolError as e:
        raise type(e)(f"{path} can't be read as a picture: {e.message}") from None


def decode_picture(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode a picture file's content as ``read_picture`` does. Raises BadImage, or TooLarge above ``max_pixels``."""
    _check_header(data, max_pixels)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error as e:
        raise BadImage(f"it can't be decoded: {e.err}") from None
    if image is None:
        raise BadImage("its content is of no kind that is known, or damaged")
    return np.asarray(image, np.uint8)


def _check_header(data: bytes, max_pixels: int) -> None:
    if data[:3] == b"\xff\xd8\xff":
        _check_size(*codecs.jpeg_size(data), max_pixels)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        _check_size(*_webp_size(data), max_pixels)
    elif data[:8] == PNG and len(data) >= 24:
        _check_size(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"), max_pixels)
        at = len(PNG)
        while at < len(data):  # OpenCV makes room for what a chunk claims to have
            length = int.from_bytes(data[at : at + 4], "big")
            at += 12 + length
            if at > len(data):
                raise BadImage(f"PNG cut off: a chunk of {length} bytes in a file of {len(data)}")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from a WebP's header; of an animation, those of its canvas."""
    kind, numbers = data[12:16], data[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        return int.from_bytes(numbers[4:7], "little") + 1, int.from_bytes(numbers[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(numbers[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(numbers[6:8], "little") & 0x3FFF, int.from_bytes(numbers[8:10], "little") & 0x3FFF


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise TooLarge(f"picture of {width}x{height} = {width * height} pixels: expected at most {max_pixels}")
