"""AVIF pictures: recognised, and which way up they are.

OpenCV reads them whole, and leaves them as they are stored. FFmpeg, through PyAV, gives one tile of a picture that is
a grid of tiles, without a word. It reads animations, which are videos.
"""

from __future__ import annotations

from collections.abc import Iterator

from sightline.media import orientation

UNREAD = (
    "an AVIF picture that can't be decoded: it is damaged, or this OpenCV reads none (`pip install -U "
    "opencv-python-headless`)"
)
_MIRRORED = ({1: 4, 8: 5, 3: 2, 6: 7}, {1: 2, 8: 7, 3: 4, 6: 5})
"""What becomes of an orientation by exchanging top and bottom, or left and right."""


def is_still(head: bytes | memoryview) -> bool:
    """True if a file begins like an AVIF that is no animation. 64 bytes are enough."""
    if bytes(head[4:8]) != b"ftyp":
        return False
    brands = bytes(head[8 : min(int.from_bytes(head[:4], "big"), 64)])
    named = {brands[at : at + 4] for at in range(0, len(brands), 4)}
    return b"avif" in named and b"avis" not in named


def orientation_of(data: bytes) -> int:
    """EXIF's number of how to turn what is stored. As in browsers, a file's properties count, and its EXIF does not."""
    turned = orientation.UPRIGHT
    mirror: int | None = None
    for kind, value in _properties(data):
        if kind == b"irot":
            turned = orientation.of_degrees(90 * (value & 3))
        elif kind == b"imir":
            mirror = value & 1
    return turned if mirror is None else _MIRRORED[mirror][turned]


def _properties(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Kind and first byte of each property of the file's main picture."""
    for at, end in _inside(data, b"meta", 0, len(data)):
        primary = _number(data, 0, 0)
        for start, _ in _inside(data, b"pitm", at + 4, end):
            primary = _number(data, start + 4, 4 if data[start : start + 1] > b"\0" else 2)
        for start, stop in _inside(data, b"iprp", at + 4, end):
            known = [
                (kind, _number(data, begins, 1))
                for part, until in _inside(data, b"ipco", start, stop)
                for kind, begins, _ in _boxes(data, part, until)
            ]
            for part, until in _inside(data, b"ipma", start, stop):
                yield from (known[i - 1] for i in _associated(data, part, until, primary) if 0 < i <= len(known))


def _associated(data: bytes, at: int, end: int, item: int) -> Iterator[int]:
    """Numbers of the properties that belong to an item, from 1, out of a box that says which have which."""
    wide, long = data[at : at + 1] > b"\0", _number(data, at + 3, 1) & 1
    at += 8
    while at < end:
        number = _number(data, at, 4 if wide else 2)
        at += 4 if wide else 2
        count = _number(data, at, 1)
        at += 1
        for _ in range(count):
            found = _number(data, at, 2) & 0x7FFF if long else _number(data, at, 1) & 0x7F
            at += 2 if long else 1
            if number == item:
                yield found


def _inside(data: bytes, kind: bytes, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the content of each box of a kind begins and ends."""
    return ((begins, ends) for found, begins, ends in _boxes(data, at, end) if found == kind)


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind of each box between two places, and where its content begins and ends."""
    while at + 8 <= end:
        size, header = _number(data, at, 4), 8
        if size == 1:
            size, header = _number(data, at + 8, 8), 16
        size = size or end - at
        if not header <= size <= end - at:
            return
        yield data[at + 4 : at + 8], at + header, at + size
        at += size


def _number(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "big")
