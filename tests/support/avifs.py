"""Made AVIF pictures, also such as are grids of tiles, which no library here writes."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from sightline.core.types import Image


def avif(picture: Image, orientation: int = 1) -> bytes:
    """One picture, with EXIF's number as the properties that AVIF has for it."""
    image: Any = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    exif = image.Exif()
    exif[0x112] = orientation
    try:
        image.fromarray(np.ascontiguousarray(picture[:, :, ::-1])).save(file, "AVIF", quality=90, exif=exif.tobytes())
    except (KeyError, OSError):
        pytest.skip("this Pillow makes no AVIF")
    return file.getvalue()


def grid_avif(picture: Image, *, quarters: int = 0) -> bytes:
    """Four tiles, two by two, to be turned by quarters counterclockwise."""
    height, width = (side // 2 for side in picture.shape[:2])
    tiles = [avif(picture[y : y + height, x : x + width]) for y in (0, height) for x in (0, width)]
    meta = dict(_boxes(dict(_boxes(tiles[0]))[b"meta"][4:]))
    one = dict(_boxes(dict(_boxes(meta[b"iprp"]))[b"ipco"]))
    sizes = [_full(b"ispe", struct.pack(">II", *size)) for size in ((2 * width, 2 * height), (width, height))]
    properties = [
        *sizes,
        *(_box(kind, one[kind]) for kind in (b"pixi", b"av1C", b"colr")),
        _box(b"irot", bytes([quarters])),
    ]
    coded = [dict(_boxes(tile))[b"mdat"] for tile in tiles]
    items = [struct.pack(">BBBBHH", 0, 0, 1, 1, 2 * width, 2 * height), *coded]
    has = [(1, 3, 5, 0x86), *[(2, 3, 0x84, 5)] * 4]

    def head(at: int) -> bytes:
        places = b""
        for number, item in enumerate(items, 1):
            places += struct.pack(">HHHII", number, 0, 1, at, len(item))
            at += len(item)
        kinds = [b"grid", *[b"av01"] * 4]
        named = [_full(b"infe", struct.pack(">HH", i, 0), kind, b"\0", version=2) for i, kind in enumerate(kinds, 1)]
        return _box(b"ftyp", b"avif", bytes(4), b"avifmif1miafMA1B") + _full(
            b"meta",
            _full(b"hdlr", bytes(4), b"pict", bytes(13)),
            _full(b"pitm", struct.pack(">H", 1)),
            _full(b"iloc", b"\x44\0", struct.pack(">H", len(items)), places),
            _full(b"iinf", struct.pack(">H", len(items)), *named),
            _full(b"iref", _box(b"dimg", struct.pack(">HH4H", 1, 4, 2, 3, 4, 5))),
            _box(b"iprp", _box(b"ipco", *properties), _full(b"ipma", struct.pack(">I", len(items)), *_of_items(has))),
        )

    return head(len(head(0)) + 8) + _box(b"mdat", *items)


def _of_items(has: Sequence[tuple[int, ...]]) -> Iterator[bytes]:
    return (struct.pack(">HB", number, len(which)) + bytes(which) for number, which in enumerate(has, 1))


def _box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + kind + body


def _full(kind: bytes, *content: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]), *content)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size
