"""From packets to pictures: decoding that is skipped while nobody wants pictures, that catches up at once when somebody
does, and that accounts for every picture that is lost on the way."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sightline.core.types import Image
from sightline.media import orientation
from sightline.sources.base import IDLE_S, UNTIMED, Lose, unnoticed

if TYPE_CHECKING:
    from fractions import Fraction

    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

MOST_BYTES = 16 << 20
MOST_PACKETS = 1000
"""Maximum number of packets kept since the last key frame; above it, or above MOST_BYTES, decoding resumes only at the
next key frame."""
MOST_AWAITED = 64
"""Maximum number of packets whose pictures may still come. Decoders hold back one for each thread and B-frame."""
HIDING = frozenset(("vp8", "vp9", "av1"))
"""Codecs whose packets may hold pictures that are not to be shown, so that missing ones can't be told from these."""
LIMITS = {"max_pixels": str(1 << 26)}
"""Options of every container and decoder, so that FFmpeg itself refuses what claims to be larger than any video: 8192 x
8192, twice 8K. A file of 500 bytes can claim 268 million pixels, which cost 1.7 GB, or 0.6 GB for opening it alone."""
SQUEEZED = 4
"""Ratio of a pixel's sides above which it is not believed."""
UNSAID = 2
"""Colour space of a frame that names none."""
HD = 720
"""Height from which such a frame has the colours of BT.709, as for browsers and players; below it those of BT.601."""


log = logging.getLogger(__name__)


class Decoded(NamedTuple):
    """What came of a packet."""

    time: float | None
    """Seconds on the stream's clock."""
    frame: VideoFrame | None
    """None if decoding was skipped."""
    fresh: bool
    pts: int | None = None
    """Time of the packet."""
    damaged: bool = False

    def of(self, *, copied: bool) -> Decoded:
        """Return the same with a time only where its packet is copied: see ``Shot.pts``."""
        return self._replace(pts=(UNTIMED if self.pts is None else self.pts) if copied else None)


class Awaited:
    """Pictures that a decoder has been given and has not given back yet, by their times."""

    def __init__(self, lose: Lose) -> None:
        """``lose`` is told of each that is lost."""
        self._lose = lose
        self._times: dict[int, None] = {}

    def sent(self, pts: int) -> None:
        """The decoder gets a picture."""
        self._times[pts] = None
        if len(self._times) > MOST_AWAITED:
            del self._times[next(iter(self._times))]
            self._lose("undecodable", 1)

    def came(self, pts: int | None) -> None:
        """The decoder gives a picture. They come in the order of their times: earlier ones are lost."""
        if pts is None or pts not in self._times:
            return
        gone = [earlier for earlier in self._times if earlier <= pts]
        for earlier in gone:
            del self._times[earlier]
        if len(gone) > 1:
            self._lose("undecodable", len(gone) - 1)

    def forget(self, pts: int | None) -> None:
        """The decoder gives a picture that has counted already."""
        if pts is not None:
            self._times.pop(pts, None)

    def end(self) -> None:
        """No more pictures come."""
        if self._times:
            self._lose("undecodable", len(self._times))
            self._times.clear()


class Decoding:
    """Decodes packets; while ``idle`` only key frames, at most one a second.

    Packets after a key frame are kept meanwhile, so that decoding can resume at any packet without waiting for a key
    frame: catching up with 50 packets of 800x450 takes 40 ms.
    """

    def __init__(self, lose: Lose = unnoticed) -> None:
        """``lose`` is told of each packet of which no picture came."""
        self._lose = lose
        self._kept: list[Packet[VideoStream]] = []
        self._bytes = 0
        self._decoded_at = -IDLE_S
        self._now: float | None = None
        """Time of the newest packet."""
        self._since: int | None = None
        """Time of the newest key frame, if packets before it were left out: no earlier frame is wanted any more."""
        self._broken = False
        """Whether packets before the next key frame can't be decoded."""
        self._awaited = Awaited(lose)
        self._cut: set[int] = set()
        """Times of packets of which a part is missing, as their container says."""

    def pictures(self, packet: Packet[VideoStream], *, idle: bool) -> Iterator[Decoded]:
        """Yield what comes of a packet: while idle, something for each, at its time. Raises as ``decode`` does."""
        frames = self.decode(packet, idle=idle)
        if packet.pts is not None and packet.time_base is not None:
            self._now = packet.pts * float(packet.time_base)
            if idle and not frames:
                yield Decoded(self._now, None, False, packet.pts)
        for frame in frames:
            cut = frame.pts in self._cut
            self._cut = {pts for pts in self._cut if frame.pts is None or pts > frame.pts}
            at = self._now if idle else frame.time  # while idle it may be an earlier key frame
            yield Decoded(at, frame, not idle, frame.pts, frame.is_corrupt or cut)

    def decode(self, packet: Packet[VideoStream], *, idle: bool) -> list[VideoFrame]:
        """Decode a packet's frames, none if it is skipped. Raises av.FFmpegError for damaged data.

        A decoder with several threads returns frames late, so that while idle they are those of an earlier key frame.
        """
        import av

        if packet.is_keyframe:
            self._since = packet.pts if idle or self._kept or self._broken else None
        if packet.is_keyframe or not packet.size:  # the empty packet at the end flushes the decoder
            self._keep_none(broken=False)
        if idle and packet.size and (not packet.is_keyframe or time.monotonic() - self._decoded_at < IDLE_S):
            self._keep(packet)
            return []
        self._decoded_at = time.monotonic()
        kept = self._kept
        self._keep_none(broken=self._broken)
        if self._broken:
            if not idle:
                self._lose("undecodable", 1)
            return []
        for earlier in kept:
            with contextlib.suppress(av.FFmpegError):
                # Their frames are too old; only the decoder needs them. Each such packet has counted already.
                for frame in earlier.decode():
                    self._awaited.forget(frame.pts)
        if not idle:
            self._await(packet)
        if packet.is_corrupt and packet.pts is not None and len(self._cut) < MOST_AWAITED:
            self._cut.add(packet.pts)
        frames = packet.decode()
        for frame in frames:
            self._awaited.came(frame.pts)
        return frames if idle else [frame for frame in frames if not self._is_over(frame)]

    def _is_over(self, frame: VideoFrame) -> bool:
        return self._since is not None and frame.pts is not None and frame.pts < self._since

    def end(self) -> None:
        """Count the packets of which no picture will come any more."""
        self._awaited.end()

    def _await(self, packet: Packet[VideoStream]) -> None:
        if packet.pts is None or not packet.size or packet.is_discard:
            return
        if packet.stream.codec_context.name not in HIDING:
            self._awaited.sent(packet.pts)

    def _keep(self, packet: Packet[VideoStream]) -> None:
        if self._broken:
            return
        self._kept.append(packet)
        self._bytes += packet.size
        if self._bytes > MOST_BYTES or len(self._kept) > MOST_PACKETS:
            self._keep_none(broken=True)

    def _keep_none(self, *, broken: bool) -> None:
        self._kept, self._bytes, self._broken = [], 0, broken


def upright(frame: VideoFrame, pixel: Fraction | None) -> Image:
    """A frame as H x W x 3 BGR, upright as its display matrix says, with square pixels.

    ``pixel`` is the width of the stored pixels by their height, None if unknown. The frame is never made smaller.
    """
    width, height = frame.width, frame.height
    if pixel and pixel != 1 and 1 / SQUEEZED <= pixel <= SQUEEZED:
        width, height = (round(width * pixel), height) if pixel > 1 else (width, round(height / pixel))
    # The resolution and the matrix may change in mid-stream: each frame is converted by its own.
    hd = frame.colorspace == UNSAID and frame.height >= HD and not frame.format.is_rgb
    colours = "ITU709" if hd else None
    made = frame.to_ndarray(format="bgr24", width=width, height=height, src_colorspace=colours)
    image = np.asarray(made, np.uint8)
    return orientation.upright(image, _turned(frame))


def _turned(frame: VideoFrame) -> int:
    from av.sidedata.sidedata import SideDataContainer

    try:  # not frame.side_data, by which a frame holds itself: its pixels would stay until Python looks for such rings
        matrix: Any = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]
    except ValueError:  # there is something of a kind that PyAV does not know: EXIF, the views of a spatial video
        return orientation.of_degrees(frame.rotation)
    return orientation.UPRIGHT if matrix is None else orientation.of_matrix(bytes(matrix))


def video_of(container: InputContainer, name: str) -> VideoStream | None:
    """The first video that can be decoded; None if there is none. The cover of a song or a film is no video.

    Of an animated AVIF it is the animation. ``name``: of the file, for the log, which says if there are more.
    """
    from av.stream import Disposition

    found = [
        one
        for one in container.streams.video
        if one.codec_context is not None and not one.disposition & Disposition.attached_pic
    ]
    moving = [one for one in found if one.frames != 1] or found[:1]
    if len(moving) > 1:
        log.warning("%s: the first of its %d videos is read", name, len(moving))
    return moving[0] if moving else None


def pixel_of(stream: VideoStream) -> Fraction | None:
    """Width of a stream's pixels by their height, as its container says, or its codec."""
    return stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
