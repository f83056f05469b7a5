"""HEIC pictures, which phones make: recognised, to say so. They are not read.

They are grids of H.265 tiles. FFmpeg, through PyAV, gives one tile of the grid without a word. The packages that read
them whole bring libheif (LGPL) and x265 (GPL) in their wheels.
"""

from __future__ import annotations

SUFFIXES = frozenset((".heic", ".heif", ".hif"))
ADVICE = (
    "HEIC pictures are not read: convert them to JPEG, for example with `heif-convert photo.heic photo.jpg`, or have "
    "the phone take JPEGs (iPhone: Settings > Camera > Formats > Most Compatible)"
)
_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))


def is_heic(head: bytes | memoryview) -> bool:
    """True if a file begins like a HEIC picture. 64 bytes are enough. AVIF has other brands."""
    if bytes(head[4:8]) != b"ftyp":
        return False
    brands = bytes(head[8 : min(int.from_bytes(head[:4], "big"), 64)])
    named = {brands[at : at + 4] for at in (0, *range(8, len(brands), 4))}
    return brands[:4] in _BRANDS and b"avif" not in named
