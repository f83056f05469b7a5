"""What was cut off while it was written, by a kill or a full disk, is made whole: as long as both its files reach."""

from __future__ import annotations

import os
import struct
from contextlib import closing, suppress
from fractions import Fraction
from itertools import accumulate, islice
from pathlib import Path

from sightline.recordings import lines, mp4
from sightline.recordings.files import Root
from sightline.recordings.index import VideoSegment
from sightline.recordings.lines import FrameLine, SegmentHeader, Summary

BOXES = frozenset((b"ftyp", b"free", b"moov", b"moof", b"mdat", b"mfra", b"styp", b"sidx", b"skip", b"wide", b"uuid"))
CUT_OFF = "cut off"
"""Why a frame has no result whose writer died before that was known."""
UNREADABLE = (OSError, ValueError)
"""What reading a damaged recording may raise; av.FFmpegError and msgspec's are among them."""


def facts(root: Root, name: str) -> tuple[VideoSegment, Summary] | None:
    """Return what a segment is by its files, which are mended where they were cut off; None where nothing is in them.

    Raises OSError, or ValueError for files that are none of ours.
    """
    video, beside = root.video(name), root.lines(name)
    end = size = None
    with suppress(FileNotFoundError):
        end, size = lines.end_of(beside), video.stat().st_size
    if end is not None and size == end.bytes:
        header = lines.header_of(beside)
        summary = Summary()
        summary.motion, summary.seen = end.motion, end.seen
        segment = VideoSegment.of(name, header)
        segment.ended_at, segment.frames, segment.bytes = end.ended_at, end.frames, end.bytes
        segment.event, segment.protected = end.event, root.kept(name)
        return segment, summary
    return mended(root, name)


def mended(root: Root, name: str, *, complete: bool = True) -> tuple[VideoSegment, Summary] | None:
    """Cut a segment's files to what is whole in both, and return what is in them; None where that is nothing.

    ``complete``: pictures without a line get one that says so, if there is room. Raises as ``facts`` does.
    """
    video, beside = root.video(name), root.lines(name)
    if not video.exists() or not beside.exists() or not _whole_boxes(video):
        return None
    try:
        header = lines.header_of(beside)
    except ValueError:  # not even its first line was written
        return None
    try:
        times = list(mp4.times(video))
    except UNREADABLE:
        return None
    segment, summary = VideoSegment.of(name, header), Summary()
    with closing(lines.read(beside)) as rest:
        known = list(islice(rest, len(times)))
    _cut_lines(beside, len(known))
    if complete and len(known) < len(times):
        known += _add_lines(beside, header, known[-1] if known else None, times[len(known) :])
    for line in known:
        segment.frames += 1
        segment.ended_at = max(segment.ended_at, line.at)
        summary.add(line.at, line.motion, line.counts)
    if 0 < segment.frames < len(times):
        _whole_boxes(video, segment.frames)
    segment.bytes = video.stat().st_size
    return (segment, summary) if segment.frames else None


def _add_lines(path: Path, header: SegmentHeader, last: FrameLine | None, times: list[int]) -> list[FrameLine]:
    """Write lines for pictures whose results were not known when their writer died; none where there is no room."""
    base = Fraction(*header.time_base)
    pts, at = (times[0], header.started_at) if last is None else (last.pts, last.at)
    moments = accumulate((at + max(0.0, float((one - pts) * base)) for one in times), max)
    added = [FrameLine(pts=one, at=moment, dropped=CUT_OFF) for one, moment in zip(times, moments, strict=True)]
    size = path.stat().st_size
    try:
        with path.open("ab") as file:
            file.write(b"".join(map(lines.encode, added)))
    except OSError:
        os.truncate(path, size)
        return []
    return added


def _whole_boxes(path: Path, most: int | None = None) -> bool:
    """Cut off a last box that is not whole, and frames after the ``most`` first ones.

    False where nothing would be left: a file that nothing describes stays as it is, as part of a copy may.
    """
    size = path.stat().st_size
    at = whole = 0
    described = False
    frames = 1  # the first one is in front of all fragments
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1:
                length = int.from_bytes(file.read(8), "big")
            elif length == 0:  # the rest of the file
                length = size - at
            frames += kind == b"moof"
            described |= kind == b"moov"
            if kind not in BOXES or length < 8 or at + length > size or (most is not None and frames > most):
                break
            at += length
            if kind != b"moof":  # without its pictures it is nothing
                whole = at
    if whole < size and described:
        os.truncate(path, whole)
    return whole > 0 and described


def _cut_lines(path: Path, count: int) -> None:
    """Keep the first line, those of ``count`` frames, and a whole line at the end that says so."""
    with path.open("rb+") as file:
        for _ in range(count + 1):
            file.readline()
        file.truncate(file.tell())
