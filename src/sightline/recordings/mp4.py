"""Pictures in an MP4 file that plays however its writer ended: encoded here, or packets copied as they came."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from sightline.core.errors import SinkError
from sightline.core.types import Encoded, Image
from sightline.media import codecs
from sightline.sinks.video import ENCODERS

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import OutputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

CLOCK = Fraction(1, 90_000)
"""Time base of what is encoded here."""
KEY_EVERY = 30
"""Frames from one key frame to the next: two seconds of a usual camera, so that seeking is fast."""
FLAGS = {"movflags": "hybrid_fragmented+frag_every_frame", "flush_packets": "1"}
"""A fragment for each frame, so that all but the newest plays after a kill; a plain file once it is closed."""
FASTER = {"preset": "ultrafast", "tune": "zerolatency"}
MOST_WAITING = 1 << 18
"""Bytes that wait to be handed to the disk together."""
MOTION_SIZE = 32, 18
"""Size to which pictures are reduced to see how much of them changed."""
CHANGED = 12
"""Levels of grey by which a part of the picture has to differ to count as changed."""


class Copied(NamedTuple):
    """A packet as the camera sent it."""

    data: bytes
    pts: int
    dts: int
    key: bool
    duration: int
    origin: Origin


class Origin:
    """A connection to a camera whose packets are copied: what a file says of its video."""

    def __init__(self, stream: VideoStream, time_base: Fraction | None = None) -> None:
        """Take what is needed of an open connection's stream, which may then be closed. Raises av.FFmpegError.

        ``time_base``: that of the packets, if it is not the stream's.
        """
        import av

        # A stream dies with its container; this one is never written, and lives as long as the packets.
        self._holder: OutputContainer = av.open(io.BytesIO(), "w", format="mp4")
        self.template = self._holder.add_stream_from_template(stream)
        self.time_base: Fraction = time_base or stream.time_base or CLOCK
        self.unit_s = float(self.time_base)
        """The same in seconds, for what is calculated of each packet: fractions take many times as long."""
        context = stream.codec_context
        self.codec, self.width, self.height = context.name, context.width, context.height


class VideoFile(io.RawIOBase):
    """A file that is written as FFmpeg likes. All writing of pictures goes through here.

    What FFmpeg writes waits for ``flush``: one large piece costs the system half as much as a piece a picture.
    """

    def __init__(self, path: Path) -> None:
        """Make the file; one that exists is an error. Raises OSError."""
        self._file = path.open("xb", buffering=0)
        self._waiting: list[bytes] = []
        self._bytes = 0

    def writable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def write(self, data: Any) -> int:
        """Take what is to be written. Raises OSError."""
        self._waiting.append(data)
        self._bytes += len(data)
        if self._bytes > MOST_WAITING:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Hand what waits to the disk. Raises OSError; then it is lost, but for its beginning."""
        if self._waiting:
            waiting, self._waiting, self._bytes = self._waiting, [], 0
            self.put(waiting[0] if len(waiting) == 1 else b"".join(waiting))

    def put(self, data: bytes) -> None:
        """Write all of it. Raises OSError."""
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go elsewhere. Raises OSError."""
        self.flush()
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return where we are."""
        return self._file.tell() + self._bytes

    def close(self) -> None:
        """Let go of the file. Raises OSError where something can't be written."""
        try:
            self.flush()
        finally:
            self._file.close()
            super().close()


class Video:
    """An MP4 file that is being written: of copied packets with an ``origin``, else of what is encoded here."""

    def __init__(self, path: Path, size: tuple[int, int], origin: Origin | None, *, jpeg: bool) -> None:
        """``size``: width and height. ``jpeg``: pictures come as JPEGs. Raises OSError or SinkError."""
        import av

        self._file = VideoFile(path)
        self._packet = av.Packet
        self._first: int | None = None
        self._last = -1
        self._jpeg = jpeg
        try:
            self._container: OutputContainer = av.open(self._file, "w", format="mp4", options=FLAGS)
            if origin is None:
                self.time_base, self.codec = CLOCK, "h264"
                self.width, self.height = (side + side % 2 for side in size)
                self._stream = self._encoder()
            else:
                self.time_base, self.codec = origin.time_base, origin.codec
                self.width, self.height = origin.width, origin.height
                self._stream = self._container.add_stream_from_template(origin.template)
                self._stream.time_base = origin.time_base
        except BaseException:
            self._file.close()
            raise

    def copy(self, packet: Copied) -> int:
        """Add a packet, and return its time in the file. Raises OSError or av.FFmpegError."""
        first = self._first = packet.dts if self._first is None else self._first
        copy = self._packet(packet.data)
        copy.pts, copy.dts, copy.time_base = packet.pts - first, packet.dts - first, self.time_base
        copy.duration, copy.is_keyframe, copy.stream = packet.duration, packet.key, self._stream
        self._container.mux(copy)
        return packet.pts - first

    def encode(self, frame: VideoFrame, seconds: float) -> int:
        """Add a picture so long after the first one, and return its time in the file. Raises as ``copy`` does."""
        pts = max(round(seconds / CLOCK), self._last + 1)
        self._last = pts
        frame.pts, frame.time_base = pts, CLOCK
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
        return pts

    def flush(self) -> None:
        """Hand what was added to the disk. Raises OSError."""
        self._file.flush()

    def close(self) -> None:
        """Make it a plain file. Raises OSError or av.FFmpegError."""
        with self._file, self._container:
            if self._stream.codec_context is not None and self.codec == "h264" and self._first is None:
                for packet in self._stream.encode(None):
                    self._container.mux(packet)

    def abandon(self) -> None:
        """Let go of the file as it is."""
        self._file.close()

    def _encoder(self) -> VideoStream:
        import av
        from av.video.stream import VideoStream

        for name, options in ENCODERS:
            try:
                av.Codec(name, "w")
            except av.codec.codec.UnknownCodecError:
                continue
            options = {**options, **FASTER} if name == "libx264" else dict(options)
            stream = self._container.add_stream(name, rate=30, options=options)
            assert isinstance(stream, VideoStream)
            self.codec = "mpeg4" if name == "mpeg4" else "h264"
            stream.width, stream.height, stream.pix_fmt = self.width, self.height, "yuv420p"
            context = stream.codec_context
            context.time_base, context.gop_size, context.thread_count = CLOCK, KEY_EVERY, 1
            if "crf" not in options:
                context.bit_rate = max(500_000, self.width * self.height * 4)
            # JPEGs use the whole range of values, which is kept; OpenCV makes limited ones. Both are BT.601.
            context.color_range = 2 if self._jpeg else 1
            context.colorspace, context.color_primaries, context.color_trc = 6, 6, 6
            return stream
        raise SinkError("this build of PyAV has no H.264 encoder; run: pip install --force-reinstall av")


class PictureFrames:
    """Makes frames for the encoder of the pictures of one stream, and sees how much of them changed."""

    def __init__(self) -> None:
        self._decoder: VideoCodecContext | None = None
        self._before: Image | None = None

    def frame(self, image: Encoded | Image) -> tuple[VideoFrame, float | None]:
        """Return a picture as a frame, and the share of it that changed. Raises BadImage."""
        import av

        if isinstance(image, Encoded) and (frame := self._as_it_is(image)) is not None:
            height, line = frame.height, frame.planes[0].line_size
            grey = np.frombuffer(memoryview(frame.planes[0]), np.uint8)[: height * line].reshape(height, line)[
                :, : frame.width
            ]
            return frame, self.motion(grey)
        pixels = codecs.decode(image) if isinstance(image, Encoded) else image
        height, width = pixels.shape[:2]
        if height % 2 or width % 2:
            padded = cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
            pixels = np.asarray(padded, np.uint8)
        planes = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        if isinstance(image, Encoded):  # a file of JPEGs says that it has the whole range
            frame = frame.reformat(format="yuvj420p")
        return frame, self.motion(planes[: pixels.shape[0]])

    def _as_it_is(self, image: Encoded) -> VideoFrame | None:
        """Decode a JPEG to what encoders take, without a detour by colours; None where that can't be done."""
        import av
        from av.video.codeccontext import VideoCodecContext

        if image.orientation != 1 or image.damaged or image.width % 2 or image.height % 2:
            return None
        if self._decoder is None:
            decoder = av.CodecContext.create("mjpeg", "r")
            assert isinstance(decoder, VideoCodecContext)
            decoder.thread_count = 1
            self._decoder = decoder
        try:
            frame = next(iter(self._decoder.decode(av.Packet(image.data))), None)
        except av.FFmpegError:
            self._decoder = None
            return None
        if frame is None or (frame.width, frame.height) != (image.width, image.height) or frame.is_corrupt:
            return None
        return frame if frame.format.name == "yuvj420p" else frame.reformat(format="yuvj420p")

    def motion(self, image: Image) -> float | None:
        """Return the share of a picture that changed since the one before; None for the first."""
        grey = image if image.ndim == 2 else image[:, :, 1]
        step = max(1, grey.shape[1] // 160)
        small = np.asarray(cv2.resize(grey[::step, ::step], MOTION_SIZE, interpolation=cv2.INTER_AREA), np.uint8)
        before, self._before = self._before, small
        if before is None:
            return None
        return round(float((cv2.absdiff(small, before) > CHANGED).mean()), 3)


def times(path: Path) -> Iterator[int]:
    """Read the times of all frames of a file, in its order. Raises av.FFmpegError or OSError."""
    import av

    with av.open(str(path)) as container:
        packets: Iterator[Packet[Any]] = container.demux(container.streams.video[0])
        for packet in packets:
            if packet.size and packet.pts is not None:
                yield packet.pts


def decoded(path: Path) -> int:
    """Count the frames of a file that can be shown. Raises as ``times`` does."""
    import av

    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))
