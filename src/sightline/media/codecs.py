"""JPEG and PNG, through OpenCV. Headers are checked first: a 690-byte file can claim 30000x30000 pixels.

Decoding such a file takes 16 s and 5 GB; reading its header takes about a microsecond.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import BadImage, TooLarge
from sightline.core.types import Encoded, Image
from sightline.media import heif, orientation

MAX_SEGMENTS = 1024
"""Maximum number of JPEG segments before the pixels.

Cameras write about ten; a large colour profile and a preview come to a few hundred.
"""
MAX_SCANS = 100
"""Maximum number of scans in a JPEG. Progressive files have about ten.

Each scan costs a pass over the whole picture: 10,000 empty ones (140 KB) take 2.3 s.
"""
MAX_MASK_PIXELS = 1 << 26
_PNG_PIXELS = 33
"""Offset at which a PNG's signature and header end."""
_PNG_END = 12
"""Size of a PNG's last chunk."""
_ALPHA = b"alPH"
"""Name of a PNG's chunk with an alpha. Its capitals say: may be skipped, private, not to be copied without its mask."""
_LEVELS = np.rint(np.rint(np.arange(256) * 63 / 255) * 255 / 63).astype(np.uint8)

_SOF = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended, progressive
_REFUSED = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "lossless"),
    **dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "hierarchical"),
    **dict.fromkeys((0xC9, 0xCA), "arithmetic"),
}
_APP1 = 0xE1
_SOS = 0xDA
DENSEST = 1024
"""Pixels of a JPEG for each of its bytes, at most: every 8 x 8 of them take a bit or more, so twice what can be."""
SMALL = 1 << 20
"""Pixels up to which a picture may be cut off anywhere, as it costs little."""
_EOI = b"\xff\xd9"
_SOS_MARKER = re.compile(b"\xff\xda")

# Masks are flat areas: run lengths alone, unfiltered, are 6 times as fast as OpenCV's default, and smaller.
_MASK_PARAMS = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # OpenCV 4.11 and later
    _MASK_PARAMS += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]

_REDUCED = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))


def work_alone() -> None:
    """Limit OpenCV to the calling thread from now on.

    Its own threads spin while they wait for each other: with several streams they took up to half a core for a few more
    results, and other programs on the machine delayed results.
    """
    cv2.setNumThreads(1)


class Header(NamedTuple):
    """What a JPEG's header says."""

    size: tuple[int, int]
    """Width and height as they are stored."""
    orientation: int
    """EXIF's number of how to turn what is stored: see ``media.orientation``."""
    pixels_at: int
    """Where the pixels begin."""
    alone: bool
    """Whether it says all: a file of several scans has more between the pixels."""


def jpeg_header(data: bytes | memoryview) -> Header:
    """Read a JPEG's header, without decoding or copying.

    Raises BadImage for data that OpenCV could not read (not a JPEG, cut off before its pixels, lossless, arithmetic or
    12-bit coding) and for files made to be slow (thousands of segments or scans).
    """
    if data[:3] != b"\xff\xd8\xff":
        if heif.is_heic(data[:64]):
            raise BadImage(f"not a JPEG: {heif.ADVICE}")
        raise BadImage(f"not a JPEG: expected it to begin with ff d8 ff, got {bytes(data[:3]).hex(' ') or 'nothing'}")
    size: tuple[int, int] | None = None
    components = 0
    progressive = False
    turned: int | None = None
    for marker, at, length in _segments(data):
        if marker in _SOF:
            if size is not None:
                raise BadImage("broken JPEG: two frame headers")
            size, components = _frame_header(data, at, length)
            progressive = marker == 0xC2
        elif marker in _REFUSED:
            raise BadImage(f"{_REFUSED[marker]} JPEG: expected baseline or progressive")
        elif marker == _SOS:
            if size is None:
                raise BadImage("broken JPEG: pixels before the frame header")
            if length < 6 or length != 6 + 2 * data[at + 4]:
                raise BadImage(f"broken JPEG: a scan header of {length} bytes")
            alone = not progressive and data[at + 4] == components
            if not alone:
                _check_scans(data)
            return Header(size, turned or orientation.UPRIGHT, at + 2 + length, alone)
        elif marker == _APP1 and turned is None and data[at + 4 : at + 10] == orientation.EXIF:
            turned = orientation.of_exif(bytes(data[at + 10 : at + 2 + length]))
    raise BadImage(f"JPEG with more than {MAX_SEGMENTS} segments before its pixels")


def _segments(data: bytes | memoryview) -> Iterator[tuple[int, int, int]]:
    """Yield marker, place and length of each segment of a header, at most MAX_SEGMENTS. Raises BadImage."""
    end = len(data) - 4
    at = 2
    for _ in range(MAX_SEGMENTS):
        if at > end:
            raise BadImage(f"JPEG cut off in its header, after {len(data)} bytes")
        if data[at] != 0xFF:
            raise BadImage(f"broken JPEG: expected a marker at byte {at}, got {data[at]:02x}")
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker < 0xC0 or 0xD0 <= marker <= 0xD9:
            raise BadImage(f"broken JPEG: marker {marker:02x} at byte {at} has no place in a header")
        length = data[at + 2] << 8 | data[at + 3]
        if length < 2 or at + length > end + 2:
            raise BadImage(f"JPEG cut off in its header: a segment of {length} bytes at byte {at} of {len(data)}")
        yield marker, at, length
        at += 2 + length


def _frame_header(data: bytes | memoryview, at: int, length: int) -> tuple[tuple[int, int], int]:
    components = data[at + 9] if length >= 8 else 0
    if components not in (1, 3, 4) or length != 8 + 3 * components:
        raise BadImage(f"broken JPEG: a frame header of {length} bytes for {components} colour components")
    if data[at + 4] != 8:
        raise BadImage(f"JPEG of {data[at + 4]} bits per sample: expected 8")
    height = data[at + 5] << 8 | data[at + 6]
    width = data[at + 7] << 8 | data[at + 8]
    if not width or not height:
        raise BadImage(f"JPEG of {width}x{height} pixels: expected at least 1x1")
    return (width, height), components


def _check_scans(data: bytes | memoryview) -> None:
    for scans, _ in enumerate(_SOS_MARKER.finditer(data), 1):
        if scans > MAX_SCANS:
            raise BadImage(f"JPEG with more than {MAX_SCANS} scans")


def check_jpeg(data: bytes, *, max_pixels: int, header: Header | None = None) -> Encoded:
    """Check that a JPEG is safe to decode later. Raises BadImage, or TooLarge above ``max_pixels``.

    ``header``: what ``jpeg_header`` read of it, where that is known.
    """
    (width, height), turned, pixels_at, _ = header or jpeg_header(data)
    if width * height > max_pixels:
        raise TooLarge(f"JPEG of {width}x{height} = {width * height} pixels: expected at most {max_pixels}")
    if width * height > max(SMALL, DENSEST * len(data)):
        raise BadImage(f"JPEG of {width}x{height} pixels in {len(data)} bytes: expected more data")
    size = orientation.upright_size(width, height, turned)
    return Encoded(data, *size, orientation=turned, damaged=data.rfind(_EOI, pixels_at) < 0)


def decode(image: Encoded | Image, *, at_least: int | None = None) -> Image:
    """H x W x 3 BGR pixels; a picture that is already decoded is returned unchanged.

    With ``at_least``, the result may have 1/2, 1/4 or 1/8 of the size (which is faster), as long as its longer side has
    at least that many pixels. The picture is turned upright, as EXIF asks. Raises BadImage if OpenCV can't decode it.
    A picture whose pixels are damaged or cut off comes out with grey parts, as in a browser.
    """
    if not isinstance(image, Encoded):
        return image
    flag = cv2.IMREAD_COLOR
    if at_least is not None:
        longer = max(image.width, image.height)
        flag = next((f for factor, f in _REDUCED if -(-longer // factor) >= at_least), flag)
    return _upright(image, flag)


def whole(image: Encoded) -> bytes:
    """The JPEG, with an end where its own is missing: OpenCV and ``createImageBitmap`` refuse one without."""
    return image.data + _EOI if image.damaged else image.data


def thumbnail(image: Encoded) -> NDArray[np.uint8]:
    """One grey value for every 8 x 8 pixels: ceil(h / 8) x ceil(w / 8). Raises BadImage if OpenCV can't decode it."""
    return _upright(image, cv2.IMREAD_REDUCED_GRAYSCALE_8)


def _upright(image: Encoded, flag: int) -> NDArray[np.uint8]:
    # Turned here and not by OpenCV, so that the pixels always have the size that the header gave.
    pixels = _imdecode(whole(image), flag | cv2.IMREAD_IGNORE_ORIENTATION, f"a {image.width}x{image.height} JPEG")
    return orientation.upright(pixels, image.orientation)


def shrink(image: Image, longest: int | None) -> Image:
    """The picture with a longer side of at most ``longest`` pixels; the same object if it is no larger."""
    height, width = image.shape[:2]
    if longest is None or max(width, height) <= longest:
        return image
    scale = longest / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def encode_jpeg(image: Image, quality: int = 80) -> bytes:
    """Encode H x W x 3 BGR pixels as JPEG; quality 1 to 100."""
    return _imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])


def encode_overlay(image: NDArray[np.uint8], size: tuple[int, int]) -> bytes:
    """Encode h x w x 4 BGR and opacity as PNG, enlarged smoothly to a width and a height."""
    return _imencode(".png", cv2.resize(image, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8), [])


def encode_mask(mask: NDArray[np.uint8], alpha: NDArray[np.uint8] | None = None) -> bytes:
    """Encode h x w ids as an 8-bit greyscale PNG.

    ``alpha``, shares of 255 at any size, goes with it as a PNG in a chunk that other readers skip, in 64 levels:
    nobody sees the difference, and it takes a third less.
    """
    png = _imencode(".png", mask, _MASK_PARAMS)
    if alpha is None:
        return png
    body = _ALPHA + encode_mask(np.asarray(cv2.LUT(alpha, _LEVELS), np.uint8))
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return png[:-_PNG_END] + chunk + png[-_PNG_END:]


def decode_mask(data: bytes, *, max_pixels: int = MAX_MASK_PIXELS) -> NDArray[np.uint8]:
    """The h x w ids of an 8-bit greyscale PNG. Raises BadImage for anything else."""
    if data[:16] != b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" or len(data) < _PNG_PIXELS:
        raise BadImage(f"not a PNG: it begins with {data[:8].hex(' ') or 'nothing'}")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[24] != 8 or data[25] != 0:
        raise BadImage(f"PNG of {data[24]} bits, colour type {data[25]}: expected 8 bits, greyscale (0)")
    if not 0 < width * height <= max_pixels:
        raise BadImage(f"PNG of {width}x{height} pixels: expected 1 to {max_pixels}")
    return _imdecode(_plain_png(data), cv2.IMREAD_GRAYSCALE, f"a {width}x{height} PNG")


def decode_alpha(data: bytes, *, max_pixels: int = MAX_MASK_PIXELS) -> NDArray[np.uint8] | None:
    """The alpha that goes with a mask's PNG, h x w shares of 255; None without. Raises BadImage for anything else."""
    found = [chunk[8:-4] for chunk in _chunks(data) if chunk[4:8] == _ALPHA]
    return decode_mask(found[0], max_pixels=max_pixels) if found else None


def _plain_png(data: bytes) -> bytes:
    """A PNG reduced to header and pixels: OpenCV allocates what a chunk claims to need, 4 GB for 100 bytes."""
    return data[:_PNG_PIXELS] + b"".join(chunk for chunk in _chunks(data) if chunk[4:8] in (b"IDAT", b"IEND"))


def _chunks(data: bytes) -> Iterator[bytes]:
    """The chunks of a PNG after its header: length, name, content and checksum. Raises BadImage for one cut off."""
    at = _PNG_PIXELS
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            raise BadImage(f"PNG cut off: a chunk of {end - at} bytes at byte {at} of {len(data)}")
        yield data[at:end]
        at = end


def _imdecode(data: bytes, flags: int, what: str) -> NDArray[np.uint8]:
    pixels: Any
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as e:
        raise BadImage(f"{what} that can't be decoded: {e.err}") from e
    if pixels is None:
        raise BadImage(f"{what} that can't be decoded: its data is damaged or cut off")
    return pixels  # type: ignore[no-any-return]


def _imencode(extension: str, image: NDArray[np.uint8], params: list[int]) -> bytes:
    try:
        done, data = cv2.imencode(extension, image, params)
    except cv2.error as e:
        raise BadImage(f"a {image.dtype} picture of shape {image.shape} can't be encoded: {e.err}") from e
    if not done:
        raise BadImage(f"a {image.dtype} picture of shape {image.shape} can't be encoded")
    return data.tobytes()
