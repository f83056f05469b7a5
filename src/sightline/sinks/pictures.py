"""Annotated pictures: one file, or a folder with a file per picture or frame."""

from __future__ import annotations

from pathlib import Path

import cv2

from sightline.core.errors import SinkError
from sightline.sinks.base import Entry, Names, writable_file, write_whole, writing

ENDINGS = frozenset((".jpg", ".jpeg", ".png", ".webp"))
QUALITY = 90
"""Quality of JPEG and WebP, 0 to 100."""
SETTINGS: dict[str, list[int]] = {".png": [], ".webp": [cv2.IMWRITE_WEBP_QUALITY, QUALITY]}


def open(target: str) -> Pictures:
    """Open a file if it is named like a picture, else a folder, which is made if it does not exist."""
    path = Path(target)
    if path.suffix.lower() in ENDINGS and not path.is_dir():
        existed = path.exists()
        writable_file(target)
        return Pictures(target, path, single=True, fresh=not existed)
    with writing(target):
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".sightline"
        probe.touch()
        probe.unlink()
    return Pictures(target, path, single=False, fresh=False)


class Pictures:
    """Writes JPEGs named after the pictures, or by the frames' numbers. A single file has the format of its suffix."""

    wants_drawn = True

    def __init__(self, target: str, path: Path, *, single: bool, fresh: bool) -> None:
        """``fresh`` says that the file was only made to test whether it can be, and is removed if no picture comes."""
        self.target = target
        self._path = path
        self._single = single
        self._fresh = fresh
        self._written = 0
        self._names = Names(".jpg")

    def write(self, entry: Entry) -> None:
        """Write one picture atomically. Raises SinkError, also for a second picture if the target is one file."""
        if self._single and self._written:
            raise SinkError(f"{self.target} is one picture, and there are more: expected a folder, or an .mp4 file")
        path = self._path if self._single else self._path / self._names.of(entry)
        picture = entry.image if entry.drawn is None else entry.drawn
        kind = path.suffix.lower()
        _, data = cv2.imencode(kind, picture, SETTINGS.get(kind, [cv2.IMWRITE_JPEG_QUALITY, QUALITY]))
        write_whole(path, data.tobytes())
        self._written += 1

    def close(self) -> None:
        """Remove the empty file if no picture came."""
        if self._fresh and not self._written:
            self._path.unlink(missing_ok=True)
