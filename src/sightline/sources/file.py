"""Video files: all frames in order, each with its own time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.core.errors import SourceError
from sightline.media import heif
from sightline.sources._packets import LIMITS, Decoded, Decoding, pixel_of, upright, video_of
from sightline.sources._times import MAY_JUMP, Times
from sightline.sources.base import Lose, Shot, Tee, is_picture, printable, unnoticed

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

WHAT = "a video file (clip.mp4)"

FOREIGN = {"format_whitelist": "mov,matroska,avi,mpegts,mpeg,ogg,flv", "protocol_whitelist": "file"}
"""Options for strangers' files: formats that hold their own content, so no playlists."""

log = logging.getLogger(__name__)


def handles(spec: str) -> bool:
    """True for any file that is not named like a picture."""
    path = Path(spec)
    return path.is_file() and not is_picture(path)


def open(spec: str) -> VideoSource:
    """Open a video. Raises SourceError if the file is missing or contains no video that can be decoded."""
    return _opened(Path(spec), spec, LIMITS)


def open_foreign(spec: str | Path) -> VideoSource:
    """Open a video that a stranger made: none whose content names other files. Raises SourceError as ``open`` does."""
    path = Path(spec)
    return _opened(path, path.name, LIMITS | FOREIGN)


def _opened(path: Path, spec: str, options: dict[str, str]) -> VideoSource:
    import av

    if not path.is_file():
        raise SourceError(f"{printable(spec)}: no such file; expected a video")
    try:
        with path.open("rb") as file:
            if heif.is_heic(file.read(64)):
                raise SourceError(f"{printable(spec)}: {heif.ADVICE}")
        container = av.open(str(path), options=options)
    except (av.FFmpegError, OSError) as e:
        raise SourceError(f"{printable(spec)}: can't be read as a video ({_reason(e)})") from None
    stream = video_of(container, printable(path.name))
    if stream is None:
        kinds = ", ".join(sorted({s.type.replace("video", "a cover") for s in container.streams})) or "nothing"
        container.close()
        raise SourceError(f"{printable(spec)}: no video in this file that can be decoded, only {kinds}")
    return VideoSource(path, container, stream)


class VideoSource:
    """A video file that is decoded during iteration; only the decoder's own frames are held."""

    live = False
    images = False

    def __init__(self, path: Path, container: InputContainer, stream: VideoStream) -> None:
        self.name = printable(path.name)
        self.fps: float | None = float(stream.average_rate) if stream.average_rate else None
        self.unreadable = 0
        self.idle = False
        self.lose: Lose = unnoticed
        self.tee: Tee | None = None
        self._container = container
        self._stream = stream
        stream.thread_type = "AUTO"
        stream.codec_context.options = LIMITS
        self.total: int | None = stream.frames or self._from_duration()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Shot]:
        """Yield the frames, upright. Times count from the file's own start and always increase.

        Raises SourceError if no frame can be decoded.
        """
        times = Times(self.start, self.fps, may_jump=bool(self._container.format.flags & MAY_JUMP))
        shot: Shot | None = None
        for time, frame, fresh, pts, damaged in self._frames():
            at = times.of(time)
            if frame is not None:
                image = upright(frame, pixel_of(self._stream))
                shot = Shot(image, at, self.name, fresh, damaged, pts)
                yield shot
            elif shot is not None:
                yield replace(shot, timestamp=at, fresh=False, pts=pts)
        if shot is None:
            raise SourceError(f"{self.name}: not one frame of this video can be decoded")

    def _frames(self) -> Iterator[Decoded]:
        """Yield what comes of all packets that can be decoded."""
        import av

        decoding = Decoding(self.lose)
        packets = self._container.demux(self._stream)
        copied = come = False
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as e:
                self._skip(e)  # nothing more can be read, but earlier frames count
                packet = None
            if packet is None:
                decoding.end()
                return
            if packet.size:
                copied = self.tee is not None and self.tee(packet)
            try:
                # Until the first frame, which a decoder with several threads gives late, there is nothing to idle with.
                for one in decoding.pictures(packet, idle=self.idle and come):
                    come = come or one.frame is not None
                    yield one.of(copied=copied)
            except av.FFmpegError as e:
                self._skip(e)

    def _skip(self, error: Exception) -> None:
        self.unreadable += 1
        if self.unreadable == 1:
            log.warning("%s is damaged: what can't be decoded is left out (%s)", self.name, _reason(error))

    @property
    def start(self) -> float:
        """Start time of the file in seconds; recorded broadcasts don't start at 0."""
        if self._stream.start_time is None or self._stream.time_base is None:
            return 0.0
        return float(self._stream.start_time * self._stream.time_base)

    def _from_duration(self) -> int | None:
        if not self.fps or not self._container.duration:
            return None
        return round(self._container.duration / 1_000_000 * self.fps)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
