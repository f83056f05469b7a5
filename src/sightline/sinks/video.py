"""Annotated video: H.264 in MP4, which every browser plays, or VP9 in WebM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sightline.core.errors import SinkError
from sightline.core.types import Image
from sightline.sinks.base import Entry, writable_file

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import OutputContainer
    from av.video.stream import VideoStream

CLOCK = Fraction(1, 60_000)
"""Time base, fine enough for the times of any source, and the finest that mpeg4 can take."""
ENCODERS: tuple[tuple[str, Mapping[str, str]], ...] = (
    # B-frames are off, as with them the file's times begin 2 frames late until it is closed. That costs 20 % in size.
    ("libx264", {"preset": "veryfast", "crf": "23", "bf": "0"}),
    ("libopenh264", {}),
    ("h264_videotoolbox", {}),
    ("h264_mf", {}),
    ("mpeg4", {}),
)
"""Encoders and their options; the first one that this build of FFmpeg has is used. All but the last are H.264."""
VP9 = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "lag-in-frames": "0", "crf": "32"}
WEBM_ENCODERS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("libvpx-vp9", VP9),
    ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
)
FRAGMENTS = {"movflags": "hybrid_fragmented+frag_every_frame", "flush_packets": "1"}
OPTIONS = {".mp4": FRAGMENTS, ".webm": {}}
"""Of the container, by the ending of a file."""
THREADS = 4
"""Encoder threads. Each further one holds back another frame, which is lost if the process is killed."""
KEY_EVERY = 60
"""Distance of key frames in frames; players can seek only to key frames."""


def open(target: str) -> VideoSink:
    """Open an .mp4 or .webm file. An existing one is overwritten only when the first frame comes. Raises SinkError."""
    if Path(target).suffix.lower() not in OPTIONS:
        raise SinkError(f"{target}: expected a name that ends in .mp4 or .webm (or .jpg for one picture, or a folder)")
    existed = Path(target).exists()
    return VideoSink(target, writable_file(target), fresh=not existed)


class VideoSink:
    """Writes frames with the source's own times, so that uneven ones stay in step.

    While it grows, the file consists of fragments of one frame each, so that it plays even if the process is killed.
    Closing turns it into a plain file, in which seeking is fast.
    """

    wants_drawn = True

    def __init__(self, target: str, path: Path, *, fresh: bool) -> None:
        self.target = target
        self._path = path
        self._fresh = fresh
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._size = (0, 0)
        self._began = 0.0
        self._last = -1
        self._shown_for = round(1 / CLOCK / 25)

    def write(self, entry: Entry) -> None:
        """Add an entry's picture at its frame's time. Raises SinkError."""
        self.add(entry.image if entry.drawn is None else entry.drawn, entry.result.frame.captured_at)

    def add(self, picture: Image, captured_at: float) -> None:
        """Add a picture at its time. The first sets the video's size; others are fitted into it. Raises SinkError."""
        import av

        try:
            if self._stream is None:
                self._begin(picture, captured_at)
            frame = self._frame(picture)
            at = max(round((captured_at - self._began) / CLOCK), self._last + 1)
            if self._last >= 0:
                self._shown_for = at - self._last
            frame.pts, frame.time_base, self._last = at, CLOCK, at
            self._mux(frame)
        except (av.FFmpegError, OSError) as e:
            raise self._error(e) from e

    def close(self) -> None:
        """Write the frames that the encoder still holds and turn the file into a plain one. Raises SinkError."""
        import av

        if self._fresh:
            self._path.unlink(missing_ok=True)
        if self._container is None:
            return
        try:
            with self._container:
                self._mux(None)
        except (av.FFmpegError, OSError) as e:
            raise self._error(e) from e
        finally:
            self._container = self._stream = None

    def _mux(self, frame: VideoFrame | None) -> None:
        assert self._stream is not None
        assert self._container is not None
        for packet in self._stream.encode(frame):
            packet.duration = self._shown_for  # matters only for the last frame: the others last until the next
            self._container.mux(packet)

    def _begin(self, picture: Image, captured_at: float) -> None:
        import av

        self._fresh = False
        self._began = captured_at
        height, width = picture.shape[:2]
        # Chroma is stored at half size, so sides must be even.
        self._size = (width + width % 2, height + height % 2)
        ending = self._path.suffix.lower()
        container = av.open(str(self._path), "w", format=ending[1:], options=dict(OPTIONS[ending]))
        self._stream = self._encoder(container, ENCODERS if ending == ".mp4" else WEBM_ENCODERS)
        self._container = container

    def _encoder(self, container: OutputContainer, encoders: Sequence[tuple[str, Mapping[str, str]]]) -> VideoStream:
        import av
        from av.video.stream import VideoStream

        for name, options in encoders:
            try:
                av.Codec(name, "w")
            except av.codec.codec.UnknownCodecError:
                continue
            stream = container.add_stream(name, rate=30, options=dict(options))
            assert isinstance(stream, VideoStream)
            stream.width, stream.height = self._size
            stream.pix_fmt = "yuv420p"
            codec = stream.codec_context
            codec.time_base = CLOCK
            codec.gop_size = KEY_EVERY
            codec.thread_count = THREADS
            codec.bit_rate = 0 if "crf" in options else max(500_000, self._size[0] * self._size[1] * 4)
            # OpenCV makes BT.601 colours of limited range. Unless the file says so, players take HD for BT.709.
            codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc = 1, 6, 6, 6
            return stream
        raise SinkError(
            f"{self.target}: this build of PyAV has no encoder for it; run: pip install --force-reinstall av"
        )

    def _frame(self, picture: Image) -> VideoFrame:
        import av

        planes = cv2.cvtColor(_fitted(picture, self._size), cv2.COLOR_BGR2YUV_I420)
        return av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")

    def _error(self, error: Exception) -> SinkError:
        return SinkError(f"{self.target}: can't be written: {getattr(error, 'strerror', None) or error}")


def _fitted(picture: Image, size: tuple[int, int]) -> Image:
    """Fit a picture into ``size`` (width, height): an odd side gets its last row or column repeated, other sizes are
    scaled and get black bars."""
    height, width = picture.shape[:2]
    right, below = size[0] - width, size[1] - height
    if right in (0, 1) and below in (0, 1):
        if right == below == 0:
            return picture
        return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    fitted = np.zeros((size[1], size[0], 3), np.uint8)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    fitted[top : top + inner[1], left : left + inner[0]] = cv2.resize(picture, inner, interpolation=shrink)
    return fitted
