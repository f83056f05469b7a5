"""Picture files: a single one, or all of a folder in natural order."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sightline.core.errors import ProtocolError, SourceError
from sightline.media import heif
from sightline.media.pictures import open_picture
from sightline.sources.base import PICTURES, Lose, Shot, is_picture, printable, unnoticed

WHAT = "a picture (photo.jpg), a folder of pictures (photos/)"

ANIMATED = (
    "make a video of it to have all, for example with `ffmpeg -i FILE out.mp4`, or with `magick FILE out.mp4` for WebP"
)
PAGES = "take them apart to have all, for example with `magick FILE page-%d.png`"

log = logging.getLogger(__name__)


def handles(spec: str) -> bool:
    """True for a folder and for a name with a picture's suffix."""
    path = Path(spec)
    return path.is_dir() or ("://" not in spec and is_picture(path))


def open(spec: str) -> Images:
    """Open one picture, or those in a folder (not in its subfolders). Raises SourceError if there is none."""
    path = Path(spec)
    if path.is_dir():
        return _folder(spec, path)
    if not path.is_file():
        raise SourceError(f"{printable(spec)}: no such file; expected a picture")
    return Images(path.name, [path])


def _folder(spec: str, path: Path) -> Images:
    inside = [f for f in path.iterdir() if f.is_file() and not f.name.startswith(".")]
    files = sorted(filter(is_picture, inside), key=_natural)
    left_out = Counter(f.suffix.lower() or "without an ending" for f in set(inside).difference(files))
    told = ", ".join(f"{n} {printable(kind)}" for kind, n in sorted(left_out.items()))
    advice = f"; {heif.ADVICE}" if heif.SUFFIXES & left_out.keys() else ""
    if not files:
        only = f", only {told}" if told else ""
        raise SourceError(
            f"{printable(spec)}: no pictures in this folder{only}; expected files ending in {_endings()}{advice}"
        )
    if told:
        log.warning("%s: left out what is not read as a picture: %s%s", printable(path.resolve().name), told, advice)
    return Images(path.resolve().name, files)


class Images:
    """Picture files, each read when its turn comes. A file that can't be read is logged, counted and left out."""

    fps: float | None = 1.0
    """Shots per second; each picture stands for one second."""
    live = False
    images = True

    def __init__(self, name: str, files: list[Path]) -> None:
        self.name = printable(name)
        self.total: int | None = len(files)
        self.unreadable = 0
        self.idle = False
        self.lose: Lose = unnoticed
        self._files = files

    def __enter__(self) -> Images:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def __iter__(self) -> Iterator[Shot]:
        """Yield the pictures that can be read, rotated as their EXIF data says. Raises SourceError if none can."""
        for i, file in enumerate(self._files):
            try:
                image, damaged, pictures = open_picture(file)
            except ProtocolError as e:
                self.unreadable += 1
                self.lose("undecodable", 1)
                log.warning("%s: left out", printable(e.message))
                continue
            name = printable(file.name)
            if damaged:
                log.warning("%s: its end is missing, so a part of it may be grey", name)
            if pictures > 1:
                all_ = PAGES if file.suffix.lower() in (".tif", ".tiff") else ANIMATED
                log.warning("%s: only the first of its %d pictures is read; %s", name, pictures, all_)
            yield Shot(image, float(i), name, damaged=damaged)
        if self.unreadable == len(self._files):
            alone = len(self._files) == 1
            what = printable(str(self._files[0])) if alone else f"all {len(self._files)} files of {self.name}"
            raise SourceError(f"{what}: can't be read as a picture; expected {_endings()} content")


def _natural(file: Path) -> list[Any]:
    """Sort key of alternating text and numbers, which puts 2.jpg before 10.jpg."""
    parts = re.split(r"([0-9]+)", file.name.lower())  # every second one is a number; ² and ٣ are none here
    return [int(part) if i % 2 else part for i, part in enumerate(parts)] + [file.name]


def _endings() -> str:
    return ", ".join(sorted(PICTURES | {".avif"}))
