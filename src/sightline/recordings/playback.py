"""A place in a stream's recordings that goes forth and back, frame by frame, over all files."""

from __future__ import annotations

import base64
import binascii
import logging
from bisect import bisect_right
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import msgspec

from sightline.core import allocator
from sightline.core.errors import NotFound
from sightline.core.types import Image
from sightline.media import codecs
from sightline.recordings import folders
from sightline.recordings.lines import FrameLine, shown_s
from sightline.recordings.reader import FileReader

log = logging.getLogger(__name__)

LARGEST = 1920
"""Pixels of the longer side of a picture, at most. Boxes stay in those of the frame that was inferred."""
QUALITY = 80
"""Of the JPEGs that are shown."""
PATIENCE_S = 1.0
"""Seconds without a result after which frames are played without one."""
MOST_MISSING = 300
"""Lines without pictures that are passed over at a time."""


class Shown(NamedTuple):
    """A recorded frame, ready for a viewer."""

    at: float
    """Seconds since 1970 on the frame's clock."""
    seq: int
    message: bytes
    """The viewer's own announcement as JSON, with ``at``."""
    data: bytes
    """The JPEG, then the mask where there is one."""
    next_at: float | None
    """When the next one is; None at the end of what is recorded."""
    usual_s: float = 0.0
    """Seconds for which a picture of this recording is shown at most."""


class Playback:
    """A place among a stream's recordings, at first before all of them.

    For one thread at a time: where several may come, each holds ``lock``. FFmpeg does not survive two.
    """

    def __init__(self, root: Path, stream: str) -> None:
        """``root``: the folder of all recordings."""
        self._stream, self._folder = stream, root / stream
        self._file: FileReader | None = None
        self._number = -1
        """Of the line at which we are."""
        self._closed = False
        self.lock = Lock()

    def close(self) -> None:
        """Let go of the file, for good."""
        self._closed = True
        self._let_go()

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            allocator.trim()  # it leaves holes between small pieces: heaps would grow by 5 MB in 100 files

    def seek(self, at: float) -> Shown | None:
        """Show what was to be seen at a moment; where nothing was recorded, what came next, or the last there is."""
        image = self.find(at)
        return None if image is None else self._shown(image)

    def find(self, at: float) -> Image | None:
        """Go to a moment, as ``seek`` does. Returns the picture alone; None where nothing is recorded at all."""
        file = folders.before(self._folder, at)
        if file is not None and self._enter(file):
            lines = self._lines
            if lines and at <= lines[-1].at + shown_s(lines):
                self._number = max(0, bisect_right(lines, at, key=lambda line: line.at) - 1)
                image = self._picture_here(1)
                return self._picture_here(-1) if image is None else image
        later = self._begin_after(at)
        if later is not None:
            return later
        if file is None or not self._enter(file):
            return None
        self._number = len(self._lines) - 1
        return self._picture_here(-1)

    def advance(self, until: float) -> Shown | None:
        """Show the newest frame that is not after ``until``, or else the next one; None at the end.

        Those between are left out: who looks at more than real time can't see them all. So are frames without a result
        among others that have one, as viewers did not get them either, and boxes would flicker.
        """
        following = self._following()
        if following is None:
            return None
        lines = self._lines
        last = bisect_right(lines, until, key=lambda line: line.at) - 1
        self._number = number = self._played(following)
        if last > number:
            plain = number if lines[number].result else last
            self._number = next((n for n in range(last, number, -1) if lines[n].result), plain)
        image = self._picture_here(1)
        return None if image is None else self._shown(image)

    def step(self, frames: int) -> Shown | None:
        """Show the frame so many further on, or back; the first or the last one where there are not so many."""
        way = 1 if frames > 0 else -1
        image = None
        for _ in range(abs(frames)):
            if (self._following() if way > 0 else self._preceding()) is None:
                break
            self._number += way
            here = self._picture_here(way)
            image = image if here is None else here
        return None if image is None else self._shown(image)

    @property
    def _lines(self) -> list[FrameLine]:
        return [] if self._file is None else self._file.lines

    def _enter(self, path: Path) -> bool:
        """Open a file. Returns False for one that is gone or can't be read."""
        import av

        if self._closed:
            return False
        if self._file is not None and self._file.path == path:
            self._file.refresh()
            return True
        try:
            file = FileReader(path)
        except (av.FFmpegError, OSError, IndexError) as e:
            log.debug("%s can't be played: %s", path, e)
            return False
        self._let_go()
        self._file = file
        return True

    def _begin_after(self, at: float) -> Image | None:
        """Go to the first frame of the next file that can be read."""
        while (file := folders.after(self._folder, at)) is not None:
            at = folders.begun_at(file) or at
            if self._enter(file):
                self._number = 0
                image = self._picture_here(1)
                if image is not None:
                    return image
        return None

    def _following(self) -> int | None:
        """Return the number of the next line, if need be in the next file, of which it is then the one before 0."""
        if self._file is None:
            return None
        if self._goes_on(self._file):
            return self._number + 1
        at = folders.begun_at(self._file.path)
        while at is not None and (file := folders.after(self._folder, at)) is not None:
            at = folders.begun_at(file)
            if self._enter(file) and self._lines:
                self._number = -1
                return 0
        return None

    def _played(self, following: int) -> int:
        """Return the number of the line that is played next: the following, or a later one that has a result."""
        lines = self._lines
        for number in range(following, len(lines)):
            if lines[number].at > lines[following].at + PATIENCE_S:
                break
            if lines[number].result:
                return number
        return following

    def _goes_on(self, file: FileReader) -> bool:
        """True if another line follows in this file, which may still be written."""
        return self._number + 1 < len(file.lines) or (file.refresh() and self._number + 1 < len(file.lines))

    def _preceding(self) -> int | None:
        """Return the number of the line before, if need be in the file before, of which we are then past the end."""
        if self._file is None:
            return None
        if self._number > 0:
            return self._number - 1
        at = folders.begun_at(self._file.path)
        while at is not None and (file := folders.before(self._folder, at - 0.0005)) is not None:
            at = folders.begun_at(file)
            if self._enter(file) and self._lines:
                self._number = len(self._lines)
                return self._number - 1
        return None

    def _picture_here(self, way: int) -> Image | None:
        """Return the picture at which we are. Lines without one are passed over, in this file and that way."""
        for _ in range(MOST_MISSING):
            if self._file is None or not 0 <= self._number < len(self._lines):
                break
            image = self._file.picture(self._number)
            if image is not None:
                return image
            self._number += way
        self._number = max(0, min(self._number, len(self._lines) - 1))
        return None

    def _shown(self, image: Image) -> Shown:
        line = self._lines[self._number]
        jpeg = codecs.encode_jpeg(codecs.shrink(image, LARGEST), QUALITY)
        mask = b""
        with suppress(binascii.Error):
            mask = base64.b64decode(line.mask)
        seq = self._number if line.seq is None else line.seq
        usual_s = shown_s(self._lines)  # ``_next_at`` may read more of them
        message = _message(self._stream, line, image, len(jpeg), len(mask)) | {"frameNumber": seq}
        return Shown(line.at, seq, msgspec.json.encode(message), jpeg + mask, self._next_at(), usual_s)

    def _next_at(self) -> float | None:
        if self._file is None:
            return None
        if self._goes_on(self._file):
            return self._lines[self._played(self._number + 1)].at
        file = folders.after(self._folder, folders.begun_at(self._file.path) or 0.0)
        return None if file is None else folders.begun_at(file)


def _message(stream: str, line: FrameLine, image: Image, jpeg_bytes: int, mask_bytes: int) -> dict[str, Any]:
    """Make the announcement that a viewer would have got of this frame. Its times are those of the frame's clock."""
    height, width = image.shape[:2]
    millis = round(line.at * 1000, 3)
    said: dict[str, Any] = {
        **{"timestamp": millis, "width": width, "height": height, "model": "", "detections": []},
        **{"processing_time_ms": 0.0, "stages": {}},
    }
    if line.result:
        said |= msgspec.json.decode(line.result)
    times = dict.fromkeys(("captured_at", "received_at", "processed_at"), millis)
    own = {"type": "frame_metadata", "stream": stream, "format": "jpeg", "at": line.at}
    said |= times | own | {"jpeg_bytes": jpeg_bytes, "mask_bytes": mask_bytes}
    return said if line.result else said | {"not_inferred": line.dropped or "unknown"}


def thumbnail(root: Path, stream: str, at: float, width: int) -> bytes:
    """Return what was to be seen at a moment as a small JPEG. Raises NotFound where nothing is recorded."""
    with closing(Playback(root, stream)) as place:
        image = place.find(at)
    if image is None:
        raise NotFound(f"nothing is recorded of the stream {stream!r}")
    height = image.shape[0] * width // image.shape[1]
    return codecs.encode_jpeg(codecs.shrink(image, max(width, height)), 75)
