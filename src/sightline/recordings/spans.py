"""A span of recordings: the packets of its files, and the pictures with what was found in them, over all segments."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sightline.core.errors import NotFound
from sightline.core.types import Image
from sightline.recordings import folders, lines
from sightline.recordings.lines import FrameLine
from sightline.sources._packets import LIMITS, pixel_of, upright

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.video.stream import VideoStream

NEAR_S = 0.001
"""Seconds between a line's time and that of its picture, at most: containers round times."""
ROUNDED_S = 0.0005
"""Names of files tell milliseconds."""
JOINED_S = 3.0
"""A longer time without a recording is left out of a clip, unless the camera is as slow as that."""

Step = Callable[[float], None]
"""Told how far the work is, as a time of the recording. Raises where it is to stop."""


class Unjoinable(Exception):
    """The video is of another kind from one segment to the next, so that one file can't have the packets of both."""


class RecordedFile:
    """A recorded file with its lines, by their times in it."""

    def __init__(self, path: Path) -> None:
        """Read the lines. Raises OSError, or ValueError for a file that is none of ours."""
        self.path = path
        said = path.with_suffix(".jsonl")
        base = Fraction(*lines.header_of(said).time_base)
        self.lines = sorted(lines.read(said), key=lambda line: line.pts)
        self._times = [float(line.pts * base) for line in self.lines]
        self.joined_s = max(JOINED_S, lines.shown_s(self.lines))
        """Seconds to the next picture from which nothing was recorded between."""

    @property
    def stream(self) -> str:
        """Name of its stream: the folder of its day is in that of the stream."""
        return self.path.parent.parent.name

    def line(self, seconds: float) -> FrameLine | None:
        """Return the line of the picture at that time of the file."""
        number = bisect_left(self._times, seconds - NEAR_S)
        return self.lines[number] if number < len(self.lines) and self._times[number] <= seconds + NEAR_S else None

    def at(self, seconds: float) -> float:
        """Return when a picture was taken: seconds since 1970."""
        line = self.line(seconds)
        return self.lines[0].at + seconds - self._times[0] if line is None else line.at


class RecordedPicture(NamedTuple):
    """A picture of a span."""

    at: float
    image: Image
    line: FrameLine | None
    segment: RecordedFile


def segments(paths: Sequence[Path]) -> Iterator[RecordedFile]:
    """Read the segments that are still there and have lines."""
    for path in paths:
        with suppress(OSError, ValueError, ZeroDivisionError):
            segment = RecordedFile(path)
            if segment.lines:
                yield segment


def _videos(paths: Sequence[Path]) -> Iterator[tuple[RecordedFile, InputContainer]]:
    """Open the videos of the segments. There may be nothing in one yet that has just begun."""
    import av

    for segment in segments(paths):
        try:
            source = av.open(str(segment.path), options=LIMITS)
        except (av.error.InvalidDataError, FileNotFoundError):
            continue
        with source:
            yield segment, source


def lines_around(segment: RecordedFile, seconds: float) -> list[FrameLine]:
    """Return the lines of a segment, and those of its neighbours at most so long before and after it."""
    first, last = segment.lines[0].at - seconds, max(line.at for line in segment.lines) + seconds
    found = list(segment.lines)
    folder, began = segment.path.parents[1], folders.begun_at(segment.path)
    if began is not None:
        beside = folders.before(folder, began - ROUNDED_S), folders.after(folder, began)
        for neighbour in segments([path for path in beside if path is not None]):
            found += (line for line in neighbour.lines if first <= line.at <= last)
    return found


def copy(paths: Sequence[Path], start: float, end: float, target: Path, step: Step, *, inside: bool = False) -> str:
    """Write a span as one MP4 file without encoding: from the key frame before its start to the one after its end.

    ``inside``: from the first key frame within it to its end, so that nothing else is in the file.
    Returns the codec of its video, as FFmpeg calls it. Raises Unjoinable, NotFound, OSError, or av.FFmpegError.
    """
    import av

    with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as out:
        track: VideoStream | None = None
        kind: object = None
        last = last_at = duration = Fraction(0)
        for segment, source in _videos(paths):
            stream = source.streams.video[0]
            if track is None:
                track, kind = out.add_stream_from_template(stream), _kind(stream)
                track.time_base = stream.time_base
            if _kind(stream) != kind:
                raise Unjoinable
            begun, shift = False, 0
            for packet in _packets(segment, source, start, end, inside=inside):
                assert packet.dts is not None
                assert packet.pts is not None
                base, at = packet.time_base, Fraction(segment.at(float(packet.pts * packet.time_base)))
                if not begun:
                    begun, away = True, at - last_at
                    begin = last + (away if duration < away < segment.joined_s else duration)
                    shift = round(begin / base) - packet.dts
                packet.dts, packet.pts, packet.stream = packet.dts + shift, packet.pts + shift, track
                last, last_at, duration = packet.dts * base, at, (packet.duration or 1) * base
                out.mux(packet)
                step(float(at))
        if track is None or not last_at:
            raise NotFound("nothing is recorded of this time")
        return str(track.codec_context.codec.canonical_name)


def pictures(paths: Sequence[Path], start: float, end: float) -> Iterator[RecordedPicture]:
    """Decode a span. Raises OSError or av.FFmpegError."""
    import av

    for segment, source in _videos(paths):
        stream = source.streams.video[0]
        stream.codec_context.options = LIMITS
        pixel = pixel_of(stream)
        for packet in chain(_packets(segment, source, start, end), (None,)):
            with suppress(av.error.InvalidDataError):  # a damaged packet costs its own pictures
                for frame in stream.decode(packet):
                    if frame.pts is None or frame.time_base is None:
                        continue
                    seconds = float(frame.pts * frame.time_base)
                    at = segment.at(seconds)
                    if start <= at <= end:
                        yield RecordedPicture(at, upright(frame, pixel), segment.line(seconds), segment)


def _packets(
    segment: RecordedFile, source: InputContainer, start: float, end: float, *, inside: bool = False
) -> Iterator[Packet[Any]]:
    """Return the packets of a span, from a key frame to before a key frame, or only those within it."""
    keys = list(_keys(segment))
    first = max((at for at in keys if at <= start), default=min(keys, default=start))
    if inside:
        first = min((at for at in keys if at >= start), default=float("inf"))
    past = min((at for at in keys if at > end), default=float("inf"))
    begun = False
    for packet in source.demux(source.streams.video[0]):
        if not packet.size or packet.pts is None or packet.dts is None:
            continue
        at = segment.at(float(packet.pts * packet.time_base))
        if packet.is_keyframe and at >= past:
            return
        begun = begun or (packet.is_keyframe and at >= first)
        if begun and (not inside or start <= at <= end):
            yield packet


def _keys(segment: RecordedFile) -> Iterator[float]:
    """Find when the key frames of a file were taken."""
    import av

    with av.open(str(segment.path), options=LIMITS) as source:
        for packet in source.demux(source.streams.video[0]):
            if packet.size and packet.is_keyframe and packet.pts is not None:
                yield segment.at(float(packet.pts * packet.time_base))


def _kind(stream: VideoStream) -> object:
    context = stream.codec_context
    return context.name, context.width, context.height, bytes(context.extradata or b"")
