"""One segment that is being written: its video, its lines, and what was seen in it. For one thread at a time."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import deque
from contextlib import suppress
from functools import partial
from typing import BinaryIO

from sightline.core.errors import FAULTS
from sightline.core.types import Encoded
from sightline.recordings import lines
from sightline.recordings.files import Root, stream_of
from sightline.recordings.index import VideoSegment
from sightline.recordings.lines import FrameLine, SegmentEnd, SegmentHeader, Summary
from sightline.recordings.mp4 import PictureFrames, Video
from sightline.recordings.take import Take

SECONDS = 60.0
"""Length of a segment. It ends at the first key frame after that."""
MOST_REORDERED = 32
"""Pictures that may be shown before one that came earlier; H.264 and H.265 let 16."""
JUMP_S = 10.0
"""Seconds without a picture, after which another segment begins: a part of a minute may be missing, no more.

Of a camera that is as slow as that it is longer."""


class OpenSegment:
    """A segment's two files. Any error leaves them as they are: ``mend`` sees what can be kept."""

    def __init__(self, root: Root, name: str, first: Take, session: str, kept_at: float) -> None:
        """Make the files for a first take. Raises OSError, SightlineError or av.FFmpegError."""
        origin = None if first.packet is None else first.packet.origin
        jpeg = isinstance(first.image, Encoded)
        self.size, self.jpeg = first.size, jpeg
        self.origin = origin
        self.video = Video(root.video(name), first.size, origin, jpeg=jpeg)
        self._path = root.video(name)
        try:
            self._lines: BinaryIO = root.lines(name).open("xb", buffering=0)
        except BaseException:
            self.video.abandon()
            raise
        self._awaited: deque[tuple[Take, FrameLine]] = deque()
        self._unwritten: list[bytes] = []
        self._shown: list[tuple[int, float]] = []
        """The newest packets, in the order in which they are shown, and when."""
        self.summary = Summary()
        """What was seen in it, as far as the index was told."""
        self.latest = Summary()
        """What was seen since the index was told."""
        video = self.video
        header = SegmentHeader(
            stream=stream_of(name),
            started_at=first.at,
            session=session,
            time_base=(video.time_base.numerator, video.time_base.denominator),
            codec=video.codec,
            width=video.width,
            height=video.height,
        )
        self.row = VideoSegment.of(name, header)
        self.row.kept_at, self.row.open = kept_at, True
        try:
            self._write(lines.encode(header))
        except BaseException:
            self.abandon()
            raise

    def takes(self, take: Take, patience_s: float = JUMP_S) -> bool:
        """Return False for a frame that belongs into another segment. ``patience_s``: how late it may be."""
        row = self.row
        if take.at < row.ended_at - JUMP_S or take.at > row.ended_at + max(JUMP_S, patience_s):
            return False
        if take.packet is not None:
            whole = take.at - row.started_at < SECONDS or not take.packet.key
            return take.packet.origin is self.origin and whole
        same = self.origin is None and take.size == self.size and isinstance(take.image, Encoded) == self.jpeg
        return same and take.at - row.started_at < SECONDS

    def add(self, take: Take, pictures: PictureFrames) -> None:
        """Write a frame; its line follows when it is known what became of it.

        Raises BadImage for a picture that can't be read; what else is raised ends the segment.
        """
        motion = None
        if take.packet is not None:
            if take.image is not None and not isinstance(take.image, Encoded):
                motion = pictures.motion(take.image)
            pts = self.video.copy(take.packet)
            at = self._shown_at(pts, take.at)
        else:
            assert take.image is not None
            at = max(take.at, self.row.ended_at)
            frame, motion = pictures.frame(take.image)
            pts = self.video.encode(frame, at - self.row.started_at)
        take.image = None
        self._awaited.append((take, FrameLine(pts=pts, at=at, motion=motion)))
        self.row.frames += 1
        self.row.ended_at = max(self.row.ended_at, at)
        self.row.event |= take.event

    def _shown_at(self, pts: int, at: float) -> float:
        """Return when the picture of a packet was taken: no earlier than what is shown before it, no later than after.

        Packets come in the order in which they are decoded, and of B-frames what is shown later comes first.
        """
        place = bisect_left(self._shown, (pts,))
        if place:
            at = max(at, self._shown[place - 1][1])
        if place < len(self._shown):
            at = min(at, self._shown[place][1])
        self._shown.insert(place, (pts, at))
        del self._shown[:-MOST_REORDERED]
        return at

    @property
    def awaits(self) -> bool:
        """Whether lines are missing."""
        return bool(self._awaited)

    def flush(self, *, last: bool = False) -> None:
        """Write what was added, and its lines as far as results are known. ``last``: all of them. Raises OSError."""
        self.video.flush()
        while self._awaited and (last or self._awaited[0][0].settled):
            take, line = self._awaited.popleft()
            take.say()
            line.seq, line.dropped = take.seq, take.dropped
            line.result, line.mask = take.said
            self._unwritten.append(lines.encode(line))
            self.latest.add(line.at, line.motion, take.counts)
        if self._unwritten:
            self._write(b"".join(self._unwritten))
            self._unwritten.clear()

    def progress(self) -> tuple[VideoSegment, Summary]:
        """Return what the index is to be told by now."""
        latest, self.latest = self.latest, Summary()
        self.summary.merge(latest)
        with suppress(OSError):
            self.row.bytes = self._path.stat().st_size
        return self.row, latest

    def close(self) -> tuple[VideoSegment, Summary]:
        """Make it whole. Raises OSError or av.FFmpegError."""
        self.flush(last=True)
        self.video.close()
        latest = self.progress()
        self.row.bytes = self._path.stat().st_size
        row, seen = self.row, self.summary
        facts = SegmentEnd(frames=row.frames, bytes=row.bytes, ended_at=row.ended_at, event=row.event)
        facts.motion, facts.seen = seen.motion, seen.seen
        self._write(lines.encode(facts))
        self._lines.close()
        row.open = False
        return latest

    def abandon(self) -> None:
        """Let go of the files as they are."""
        for work in (partial(self.flush, last=True), self.video.abandon, self._lines.close):
            with suppress(*FAULTS):
                work()

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._lines.fileno(), left) :]
