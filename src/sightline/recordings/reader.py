"""Reads one recorded file: what its lines say, and the picture of each, whatever its codec."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.core.types import Image
from sightline.recordings import lines
from sightline.recordings.lines import FrameLine
from sightline.sources._packets import LIMITS, pixel_of, upright

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

log = logging.getLogger(__name__)

NEAR = Fraction(1, 1000)
"""Seconds between a line's time and that of its picture, at most: containers round times."""
FORWARD_S = 2
"""Seconds up to which going on is cheaper than going to the key frame before."""


class FileReader:
    """An open file. Pictures are asked for by the number of their line."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises OSError or av.FFmpegError where that fails."""
        self.path = path
        self._size = -1
        self._base = Fraction(1)
        self._container: InputContainer | None = None
        self._decoded: Iterator[VideoFrame] = iter(())
        self._last = Fraction(-1)
        """Time of the newest picture that the decoder gave."""
        self.lines: list[FrameLine] = []
        self.refresh()
        self._open()

    def close(self) -> None:
        """Let go of the file."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def refresh(self) -> bool:
        """Read the lines again. Returns True if there are more, as the file is still being written."""
        path = self.path.with_suffix(".jsonl")
        try:
            size = path.stat().st_size
            if size == self._size:
                return False
            self._base = Fraction(*lines.header_of(path).time_base)
            read = sorted(lines.read(path), key=lambda line: line.pts)
        except (FileNotFoundError, ValueError, ZeroDivisionError):
            return False
        self._size, more = size, len(read) > len(self.lines)
        self.lines = read
        return more

    def picture(self, number: int) -> Image | None:
        """Return the picture of a line; None where the file has none of that time, or it can't be decoded."""
        import av

        wanted = self.lines[number].pts * self._base
        try:
            frame = self._find(wanted)
            if frame is None and self._open():  # the file may have grown, or was closed and written anew
                frame = self._find(wanted)
        except (av.FFmpegError, OSError) as e:
            log.debug("%s: the picture at %s can't be read: %s", self.path, float(wanted), e)
            self._decoded = iter(())
            self._last = Fraction(-1)
            return None
        return None if frame is None else upright(frame, pixel_of(self._stream))

    def _open(self) -> bool:
        """Open the container anew, at its first picture."""
        import av

        self.close()
        self._container = av.open(str(self.path), options=LIMITS)
        self._stream = self._container.streams.video[0]
        self._stream.codec_context.options = LIMITS
        self._stream.thread_type = "SLICE"  # threads for whole frames hold pictures back, and each jump waits for them
        self._decoded, self._last = self._container.decode(self._stream), Fraction(-1)
        return True

    def _find(self, wanted: Fraction) -> VideoFrame | None:
        """Go to the picture of a time: on from here where that is near, else from the key frame before."""
        if self._last < 0 or not 0 < wanted - self._last <= FORWARD_S:
            self._jump(wanted)
        for frame in self._decoded:
            if frame.pts is None or frame.time_base is None:
                continue
            time = frame.pts * frame.time_base
            self._last = time
            if abs(time - wanted) <= NEAR:
                return frame
            if time > wanted:
                return None
        self._last = Fraction(-1)  # at the end, after which nothing comes
        return None

    def _jump(self, wanted: Fraction) -> None:
        """Go to a key frame that is not after ``wanted``: by the container's index, or from the beginning."""
        container, stream = self._container, self._stream
        assert container is not None
        assert stream.time_base is not None
        container.seek(max(0, int((wanted + NEAR) / stream.time_base)), stream=stream, backward=True, any_frame=False)
        frames: Iterator[Any] = container.decode(stream)
        first = next(frames, None)
        if first is None or first.pts is None or first.pts * first.time_base > wanted + NEAR:
            self._open()  # a file whose writer was killed has no index
            return
        self._decoded = chain((first,), frames)
