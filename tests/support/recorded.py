"""What lies in a folder of recordings, read as anybody would read it: with PyAV and a JSON reader alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av


@dataclass
class Piece:
    """One segment."""

    path: Path
    header: dict[str, Any]
    lines: list[dict[str, Any]]
    times: list[Fraction]
    """Of the frames as they are shown, in seconds."""
    ended: bool
    """Its last line says that it is whole."""

    @property
    def line_times(self) -> list[Fraction]:
        base = Fraction(*self.header["time_base"])
        return sorted(line["pts"] * base for line in self.lines)


def pieces(folder: Path, stream: str = "*") -> list[Piece]:
    """All segments, in the order of their names. Every one of them is decoded from its start to its end."""
    return [piece(path) for path in sorted(folder.glob(f"{stream}/*/*.mp4"))]


def piece(path: Path, *, cut: bool = False) -> Piece:
    """Read a segment. ``cut``: its writer was killed, so that its last lines may be of no frame, or no lines."""
    said = path.with_suffix(".jsonl").read_bytes().splitlines(keepends=True)
    rows = [json.loads(line) for line in said if line.endswith(b"\n") or not cut]
    ended = "end" in rows[-1]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        times = [frame.pts * stream.time_base for frame in container.decode(stream) if frame.pts is not None]
    lines = rows[1 : -1 if ended else None]
    return Piece(path, rows[0], lines[: len(times)] if cut else lines, times, ended)
