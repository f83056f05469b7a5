"""One JSON object a line, one line a frame."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from sightline.core.types import Detection, Segment
from sightline.sinks.base import Entry, writable_file, writing

STDOUT = 1


class Line(msgspec.Struct, omit_defaults=True):
    """What a line says."""

    stream: str
    seq: int
    timestamp: float
    """Seconds: from the start of a file, since 1970 for a camera."""
    source: str
    """The file's name, or the camera's."""
    width: int
    height: int
    model: str
    detections: tuple[Detection, ...]
    processing_time_ms: float
    stages: Mapping[str, float]
    segments: tuple[Segment, ...] | msgspec.UnsetType = msgspec.UNSET
    """Of models that give every pixel a class."""


def open(target: str) -> Jsonl:
    """Begin a file anew; ``-`` is standard output."""
    if target == "-":
        return Jsonl(target, io.FileIO(STDOUT, "wb", closefd=False))
    path = writable_file(target)
    with writing(target):
        return Jsonl(target, io.FileIO(path, "wb"))


class Jsonl:
    """Lines go out one by one, unbuffered, so that a process that dies leaves whole lines."""

    wants_drawn = False

    def __init__(self, target: str, file: io.FileIO) -> None:
        self.target = target
        self._file = file
        self._encoder = msgspec.json.Encoder()

    def write(self, entry: Entry) -> None:
        """Write one line."""
        result = entry.result
        self.write_line(
            Line(
                stream=result.frame.stream,
                seq=result.frame.seq,
                timestamp=round(result.frame.captured_at, 6),
                source=entry.source,
                width=entry.image.shape[1],
                height=entry.image.shape[0],
                model=result.card.name,
                detections=result.detections,
                processing_time_ms=result.processing_time_ms,
                stages=result.stages,
                segments=result.segments if result.card.task == "segment" else msgspec.UNSET,
            )
        )

    def write_line(self, line: Line) -> None:
        """Write one line, whoever made it."""
        with writing(self.target):
            self._append(self._encoder.encode(line) + b"\n")

    def close(self) -> None:
        """Close the file."""
        with writing(self.target):
            self._file.close()

    def _append(self, data: bytes) -> None:
        """Write all of it, or nothing where the file can be cut back: a full disk must not leave half a line."""
        start = self._file.tell() if self._file.seekable() else None
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except OSError:
            if start is not None:
                with suppress(OSError):  # devices such as /dev/full can't be cut
                    self._file.truncate(start)
            raise
