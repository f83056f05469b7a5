"""Recordings without a server: a folder with segments of a few frames, at any time that a test likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightline.core import age_clock
from sightline.core.types import Encoded
from sightline.recordings.index import VideoSegment
from sightline.recordings.keeper import Keeper
from sightline.recordings.mp4 import PictureFrames
from sightline.recordings.shelf import Shelf
from sightline.recordings.take import Take
from support.serving import picture

DAY = 86400.0
NOW = 1_796_000_000.0
JPEGS = [picture(seq, 64, 48) for seq in range(8)]


class Time:
    """The clocks of the machine, which a test turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now: float = NOW) -> None:
        self.now, self.ran = now, 0.0
        monkeypatch.setattr(age_clock, "time", self)

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.ran

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.ran += seconds

    def jump(self, seconds: float) -> None:
        """Turn the machine's clock."""
        self.now += seconds


def take(at: float, seq: int = 0, **more: object) -> Take:
    """A frame that is to be recorded, which shows a dog."""
    jpeg = JPEGS[seq % len(JPEGS)]
    made = Take(at, Encoded(jpeg, 64, 48), seq=seq, settled=True, keep=True, counts={"dog": 1})
    for key, value in more.items():
        setattr(made, key, value)
    return made


def record(shelf: Shelf, stream: str, at: float, *, frames: int = 3, event: bool = False) -> VideoSegment:
    """Record a segment of some frames, a second apart."""
    segment = shelf.begin(stream, take(at))
    pictures = PictureFrames()
    for seq in range(frames):
        segment.add(take(at + seq, seq, event=event), pictures)
    row, seen = segment.close()
    shelf.index.update(row, seen)
    return row


def shelf_in(folder: Path) -> Shelf:
    """Open a folder of recordings, which is made."""
    folder.mkdir(exist_ok=True)
    return Shelf(folder)


def keeper(shelf: Shelf, stream: str = "door", before_s: float = 5.0) -> Keeper:
    """What records a stream."""
    return Keeper(stream, shelf, before_s)
