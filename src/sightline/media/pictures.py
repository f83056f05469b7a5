"""Picture files of people's own: any kind that OpenCV reads, upright, with a limit that the header is held to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np

from sightline.core.errors import BadImage, ProtocolError, TooLarge
from sightline.core.types import Image
from sightline.media import avif, codecs, heif, orientation

MAX_PIXELS = 1 << 28
"""Most pixels of a picture file: width times height. The largest phone cameras have 200 million."""
DENSEST = 1 << 14
"""Pixels of a PNG or GIF for each of its bytes, at most: deflate makes 1,032 bytes of one, each of 8 pixels."""
DENSEST_WEBP = 1 << 15
"""Pixels of a WebP for each of its bytes, at most: libwebp itself writes up to 25,000, for one colour without loss."""
PNG = b"\x89PNG\r\n\x1a\n"
TIFF: Mapping[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
GIF_PICTURE = re.compile(rb"\x00\x21\xf9\x04.{4}\x00[\x2c\x21]", re.S)
"""What stands before each picture of an animation."""
MOST_PAGES = 1000
"""Pages of a TIFF that are counted."""


class PictureFile(NamedTuple):
    """A picture file's content."""

    image: Image
    """H x W x 3 BGR pixels, upright."""
    damaged: bool = False
    """True if its end is missing, so that a part may be grey."""
    pictures: int = 1
    """Number of pictures that the file has. Of an animation only the first is read."""


def read_picture(path: Path) -> Image:
    """The upright pixels of a file, H x W x 3 BGR. Raises as ``open_picture`` does."""
    return open_picture(path).image


def open_picture(path: Path) -> PictureFile:
    """Read a picture file.

    Raises BadImage for a file that is no picture, is cut off, or can't be opened; TooLarge above ``MAX_PIXELS``. A JPEG
    or PNG that lies about its size is refused by its header: 690 bytes can cost 16 s and 5 GB, 91 bytes 4 GB.
    """
    try:
        return decode_picture(path.read_bytes())  # cv2.imread can't open every name on Windows
    except OSError as e:
        raise BadImage(f"{path} can't be read as a picture: {e.strerror or e}") from None
    except ProtocolError as e:
        raise type(e)(f"{path} can't be read as a picture: {e.message}") from None


def decode_picture(data: bytes, *, max_pixels: int = MAX_PIXELS) -> PictureFile:
    """Decode a picture file's content. Raises as ``open_picture`` does, with ``max_pixels`` as the limit."""
    if data[:3] == b"\xff\xd8\xff":
        jpeg = codecs.check_jpeg(data, max_pixels=max_pixels)
        return PictureFile(codecs.decode(jpeg), jpeg.damaged)
    if heif.is_heic(data[:64]):
        raise BadImage(heif.ADVICE)
    turned, pictures, flags = orientation.UPRIGHT, 1, cv2.IMREAD_COLOR
    if data[:3] == b"GIF":  # OpenCV makes room for the whole of what its header claims: 500 bytes cost 1.7 GB
        width, height = (int.from_bytes(data[at : at + 2], "little") for at in (6, 8))
        _check_size(width, height, max_pixels, len(data))
    if data[:8] == PNG or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        chunks = list(_png_chunks(data, max_pixels) if data[:8] == PNG else _webp_chunks(data, max_pixels))
        turned = next((orientation.of_exif(body) for kind, body in chunks if kind in (b"eXIf", b"EXIF")), turned)
        frames = sum(kind in (b"fcTL", b"ANMF") for kind, _ in chunks)
        pictures = max(1, frames)
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    elif data[:3] == b"GIF":
        pictures = max(1, len(GIF_PICTURE.findall(data)))
    elif data[:4] in TIFF:
        pictures = sum(1 for _ in _tiff_pages(data))
    elif avif.is_still(data[:64]):
        turned = avif.orientation_of(data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as e:
        raise BadImage(e.err) from None
    if image is None:
        unknown = "its content is of no kind that is known, or damaged"
        raise BadImage(avif.UNREAD if avif.is_still(data[:64]) else unknown)
    return PictureFile(orientation.upright(np.asarray(image, np.uint8), turned), pictures=pictures)


def _png_chunks(data: bytes, max_pixels: int) -> Iterator[tuple[bytes, bytes]]:
    """Kind and beginning of each chunk. Raises TooLarge or BadImage for what would cost OpenCV too much."""
    if len(data) >= 24:
        width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
        _check_size(width, height, max_pixels, len(data))
    at = len(PNG)
    while at < len(data):  # OpenCV makes room for what a chunk claims to have
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            raise BadImage(f"PNG cut off: a chunk of {length} bytes in a file of {len(data)}")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + min(length, 1 << 16)]
        at += 12 + length


def _tiff_pages(data: bytes) -> Iterator[int]:
    """Where each page's directory is."""
    order, at = TIFF[data[:4]], 4
    for _ in range(MOST_PAGES):
        at = int.from_bytes(data[at : at + 4], order)
        if not 8 <= at < len(data):
            return
        yield at
        at += 2 + 12 * int.from_bytes(data[at : at + 2], order)


def _webp_chunks(data: bytes, max_pixels: int) -> Iterator[tuple[bytes, bytes]]:
    """Kind and beginning of each chunk. Raises TooLarge or BadImage for what would cost OpenCV too much."""
    _check_size(*_webp_size(data), max_pixels, len(data), DENSEST_WEBP)
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + min(length, 1 << 16)].removeprefix(orientation.EXIF)
        at += 8 + length + length % 2


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from a WebP's header; of an animation, those of its canvas. Raises BadImage."""
    kind, numbers = data[12:16], data[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        return int.from_bytes(numbers[4:7], "little") + 1, int.from_bytes(numbers[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(numbers[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind != b"VP8 ":
        raise BadImage(f"WebP that begins with {kind!r}: expected VP8, VP8L or VP8X")
    return int.from_bytes(numbers[6:8], "little") & 0x3FFF, int.from_bytes(numbers[8:10], "little") & 0x3FFF


def _check_size(width: int, height: int, max_pixels: int, size: int, densest: int = DENSEST) -> None:
    """Raise TooLarge, or BadImage for more pixels than a file of that size can have."""
    if width * height > max_pixels:
        raise TooLarge(f"picture of {width}x{height} = {width * height} pixels: expected at most {max_pixels}")
    if width * height > max(codecs.SMALL, densest * size):
        raise BadImage(f"picture of {width}x{height} pixels in {size} bytes: expected more data")
