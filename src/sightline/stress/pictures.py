"""Frames for the publishers: decoded and encoded before the start, in one file that all of them map."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import accumulate, islice
from pathlib import Path

MOST = 300
"""Maximum number of pictures taken from a source; they are sent over and over."""
MADE = 60
"""Number of made pictures."""
QUALITY = 80


def jpegs(source: str | None) -> list[bytes]:
    """The first pictures of a source as JPEG, or made ones of 640x360. Raises SourceError."""
    # Here, or each publisher would load OpenCV
    from sightline.core.errors import SourceError
    from sightline.media import codecs
    from sightline.sources.base import open_source, shown

    if source is None:
        return made()
    with open_source(source) as shots:
        found = [codecs.encode_jpeg(shot.image, QUALITY) for shot in islice(shots, MOST)]
    if not found:
        raise SourceError(f"{shown(source)} has no picture: expected at least one")
    return found


def made() -> list[bytes]:
    """Synthetic pictures of discs that move over a textured wall, 640x360: 30 to 40 KB, as large as a camera's."""
    import cv2
    import numpy as np

    from sightline.media import codecs

    rng = np.random.default_rng(1)
    wall = cv2.resize(rng.integers(40, 200, (36, 64, 3), np.uint8), (640, 360), interpolation=cv2.INTER_CUBIC)
    pictures = []
    for i in range(MADE):
        image = wall.copy()
        for k, color in enumerate(((60, 200, 240), (230, 160, 70), (120, 220, 120))):
            x, y = 80 + (i * (9 + 3 * k) + 170 * k) % 480, 90 + 90 * k
            cv2.circle(image, (x, y), 40, color, cv2.FILLED)
        pictures.append(codecs.encode_jpeg(image.astype(np.uint8, copy=False), QUALITY))
    return pictures


def pack(pictures: Sequence[bytes], path: Path) -> list[int]:
    """Write the pictures one after the other. Returns the offset at which each ends."""
    path.write_bytes(b"".join(pictures))
    return list(accumulate(map(len, pictures)))


@contextmanager
def packed(path: str, ends: Sequence[int]) -> Iterator[list[bytes]]:
    """Read back the pictures of a file that ``pack`` wrote."""
    with Path(path).open("rb") as file, closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data:
        yield [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
