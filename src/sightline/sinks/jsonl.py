"""JSON Lines: one JSON object per line, one line per frame."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress

from sightline.core.events import Event
from sightline.sinks.base import Entry, writable_file, writing
from sightline.wire.lines import Line, encode, line_of

STDOUT = 1


def open(target: str) -> Jsonl:
    """Open a file, which is overwritten; ``-`` is standard output."""
    if target == "-":
        return Jsonl(target, io.FileIO(STDOUT, "wb", closefd=False))
    path = writable_file(target)
    with writing(target):
        return Jsonl(target, io.FileIO(path, "wb"))


class Jsonl:
    """Writes lines one by one, unbuffered, so that a process that dies leaves whole lines."""

    wants_drawn = False

    def __init__(self, target: str, file: io.FileIO) -> None:
        self.target = target
        self._file = file

    def write(self, entry: Entry) -> None:
        """Write an entry's line, and one for each event of its frame."""
        self.write_line(line_of(entry.result, entry.source))
        self.tell(entry.result.events)

    def tell(self, events: Sequence[Event]) -> None:
        """Write a line for each event, as peers get it: with ``"type":"event"``. Raises SinkError."""
        for event in events:
            self._write(encode(event))

    def write_line(self, line: Line) -> None:
        """Write one line. Raises SinkError."""
        self._write(encode(line))

    def _write(self, data: bytes) -> None:
        with writing(self.target):
            self._append(data + b"\n")

    def close(self) -> None:
        """Close the file."""
        with writing(self.target):
            self._file.close()

    def _append(self, data: bytes) -> None:
        """Write all data, or none if the file can be truncated, so that a full disk leaves no partial line."""
        start = self._file.tell() if self._file.seekable() else None
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except OSError:
            if start is not None:
                with suppress(OSError):  # devices such as /dev/full can't be truncated
                    self._file.truncate(start)
            raise
