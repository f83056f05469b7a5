"""Picture files: a single one, or all of a folder in natural order."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sightline.core.errors import ProtocolError, SourceError
from sightline.media.pictures import read_picture
from sightline.sources.base import PICTURES, Shot

WHAT = "a picture (photo.jpg), a folder of pictures (photos/)"

log = logging.getLogger(__name__)


def handles(spec: str) -> bool:
    """True for a folder and for a name with a picture's suffix."""
    path = Path(spec)
    return path.is_dir() or ("://" not in spec and path.suffix.lower() in PICTURES)


def open(spec: str) -> Images:
    """Open one picture, or those in a folder (not in its subfolders). Raises SourceError if there is none."""
    path = Path(spec)
    if path.is_dir():
        files = sorted((f for f in path.iterdir() if _is_picture(f)), key=_natural)
        if not files:
            raise SourceError(f"{spec}: no pictures in this folder; expected files ending in {_endings()}")
        return Images(path.resolve().name, files)
    if not path.is_file():
        raise SourceError(f"{spec}: no such file; expected a picture")
    return Images(path.name, [path])


class Images:
    """Picture files, each read when its turn comes. A file that can't be read is logged, counted and left out."""

    fps: float | None = 1.0
    """Shots per second; each picture stands for one second."""
    live = False
    images = True

    def __init__(self, name: str, files: list[Path]) -> None:
        self.name = name
        self.total: int | None = len(files)
        self.unreadable = 0
        self.idle = False
        self._files = files

    def __enter__(self) -> Images:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def __iter__(self) -> Iterator[Shot]:
        """Yield the pictures that can be read, rotated as their EXIF data says. Raises SourceError if none can."""
        for i, file in enumerate(self._files):
            try:
                image = read_picture(file)
            except ProtocolError as e:
                self.unreadable += 1
                log.warning("%s: left out", e.message)
                continue
            yield Shot(image, float(i), file.name)
        if self.unreadable == len(self._files):
            what = str(self._files[0]) if len(self._files) == 1 else f"all {len(self._files)} files of {self.name}"
            raise SourceError(f"{what}: can't be read as a picture; expected {_endings()} content")


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURES and not file.name.startswith(".") and file.is_file()


def _natural(file: Path) -> list[Any]:
    """Sort key of alternating text and numbers, which puts 2.jpg before 10.jpg."""
    return [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", file.name.lower())] + [file.name]


def _endings() -> str:
    return ", ".join(sorted(PICTURES))
