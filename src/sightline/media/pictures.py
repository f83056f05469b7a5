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
        _check_header(data.tobytes())
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except ProtocolError as e:
        raise type(e)(f"{path} can't be read as a picture: {e.message}") from None
    except cv2.error as e:
        raise BadImage(f"{path} can't be read as a picture: {e.err}") from None
    if image is None:
        raise BadImage(f"{path} can't be read as a picture: its content is of no kind that is known, or damaged")
    return np.asarray(image, np.uint8)


def _check_header(data: bytes) -> None:
    if data[:3] == b"\xff\xd8\xff":
        _check_size(*codecs.jpeg_size(data))
    elif data[:8] == PNG and len(data) >= 24:
        _check_size(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))
        at = len(PNG)
        while at < len(data):  # OpenCV makes room for what a chunk claims to have
            length = int.from_bytes(data[at : at + 4], "big")
            at += 12 + length
            if at > len(data):
                raise BadImage(f"PNG cut off: a chunk of {length} bytes in a file of {len(data)}")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise TooLarge(f"picture of {width}x{height} = {width * height} pixels: expected at most {MAX_PIXELS}")
