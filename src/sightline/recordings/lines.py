"""What lies beside the pictures of a segment: one JSON line for each frame. docs/recording.md has it for others."""

from __future__ import annotations

import base64
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sightline.core.types import FrameResult
from sightline.wire.json import result_message

MOST_LINE = 8 << 20
"""Bytes of a line that is read."""
SECONDS = 10
"""Length of the spans of which it is kept what was seen in them."""


class SegmentHeader(Struct, kw_only=True):
    """The first line."""

    sightline: int = 1
    """Version of the format."""
    stream: str
    started_at: float
    """Time of the first frame, seconds since 1970."""
    session: str
    """Differs with each start of the server."""
    time_base: tuple[int, int]
    """Unit of ``pts`` in seconds, as a fraction."""
    codec: str
    width: int
    height: int


class FrameLine(Struct, kw_only=True, omit_defaults=True):
    """One frame of the video, in the order of the file."""

    pts: int
    at: float
    """Seconds since 1970 on the clock of the frames."""
    seq: int | None = None
    """The publisher's number; None where the picture was never decoded."""
    result: Raw | UnsetType = UNSET
    """The result as the JSON wire has it; UNSET where the frame has none."""
    dropped: str = ""
    """Why it has no result."""
    motion: float | None = None
    """Share of the picture that changed since the frame before, 0 to 1; None where nobody looked."""
    mask: str = ""
    """PNG of the mask as base64."""

    @property
    def counts(self) -> dict[str, int]:
        """How many of each class were found."""
        return {} if self.result is UNSET else counted(bytes(self.result))


class Sight(Struct, array_like=True):
    """Most of a class that was seen at once within a span."""

    count: int
    at: float
    """Seconds since 1970."""


class SegmentEnd(Struct, kw_only=True):
    """The last line of a segment that was closed, so that nobody has to read all the others."""

    frames: int
    bytes: int
    ended_at: float
    event: bool = False
    """Something happened in it."""
    motion: dict[int, float] = {}
    """Largest motion by span: seconds since 1970, divided by ten."""
    seen: dict[int, dict[str, Sight]] = {}
    """By span and class."""


class _Last(Struct):
    end: SegmentEnd


class _Name(Struct):
    class_name: str


class _Seen(Struct):
    detections: list[_Name] = []
    segments: list[_Name] = []


_encoder = msgspec.json.Encoder()
_header = msgspec.json.Decoder(SegmentHeader)
_line = msgspec.json.Decoder(FrameLine)
_last = msgspec.json.Decoder(_Last)
_seen = msgspec.json.Decoder(_Seen)


def encode(what: SegmentHeader | FrameLine | SegmentEnd) -> bytes:
    """Write one line."""
    return _encoder.encode(_Last(what) if isinstance(what, SegmentEnd) else what) + b"\n"


def said(result: FrameResult) -> tuple[Raw, str]:
    """Return what a line says of a result: the message, and the mask."""
    mask = "" if result.mask_png is None else base64.b64encode(result.mask_png).decode()
    return Raw(_encoder.encode(result_message(result, mask_follows=result.mask_png is not None))), mask


def counted(result: bytes) -> dict[str, int]:
    """Count the classes in a result's message: objects, or regions where there are no objects."""
    seen = _seen.decode(result)
    counts: dict[str, int] = {}
    for one in seen.detections or seen.segments:
        counts[one.class_name] = counts.get(one.class_name, 0) + 1
    return counts


def header_of(path: Path) -> SegmentHeader:
    """Read the first line. Raises OSError, or ValueError for a file that is none of ours."""
    with path.open("rb") as file:
        header = _header.decode(file.readline(MOST_LINE))
    if header.sightline != 1:
        raise ValueError(f"{path.name}: lines of version {header.sightline}, expected 1")
    return header


def read(path: Path) -> Generator[FrameLine]:
    """Read the lines of all frames; what was cut off while it was written is left out. Raises OSError."""
    with path.open("rb") as file:
        file.readline(MOST_LINE)
        for raw in file:
            if not raw.endswith(b"\n") or raw.startswith(b'{"end"'):
                return
            try:
                yield _line.decode(raw)
            except msgspec.MsgspecError:
                return


def shown_s(read: Sequence[FrameLine]) -> float:
    """Return for how long a picture of these is shown at most: as long as the others were, and half as long again."""
    return 1.0 if len(read) < 2 else 1.5 * (read[-1].at - read[0].at) / (len(read) - 1)


def end_of(path: Path) -> SegmentEnd | None:
    """Read the last line; None where the segment was not closed. Raises OSError."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - (1 << 16)))
        tail = file.read().splitlines(keepends=True)
    if not tail or not tail[-1].startswith(b'{"end"') or not tail[-1].endswith(b"\n"):
        return None
    try:
        return _last.decode(tail[-1]).end
    except msgspec.MsgspecError:
        return None


class Summary:
    """What was seen in a segment, by spans of ten seconds."""

    def __init__(self) -> None:
        self.motion: dict[int, float] = {}
        self.seen: dict[int, dict[str, Sight]] = {}

    def add(self, at: float, motion: float | None, counts: Mapping[str, int]) -> None:
        """Add a frame."""
        span = int(at // SECONDS)
        self.motion[span] = max(self.motion.get(span, 0.0), motion or 0.0)
        if counts:
            self._see(span, {name: Sight(count, round(at, 3)) for name, count in counts.items()})

    def merge(self, more: Summary) -> None:
        """Add what was seen elsewhere."""
        for span, motion in more.motion.items():
            self.motion[span] = max(self.motion.get(span, 0.0), motion)
        for span, sights in more.seen.items():
            self._see(span, sights)

    def _see(self, span: int, sights: Mapping[str, Sight]) -> None:
        seen = self.seen.setdefault(span, {})
        for name, sight in sights.items():
            if name not in seen or sight.count > seen[name].count:
                seen[name] = sight
