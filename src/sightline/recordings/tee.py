"""Packets of a pulled camera, copied on their way to the decoder."""

from __future__ import annotations

import copy
import io
import logging
import time
from typing import TYPE_CHECKING

from sightline.recordings.mp4 import Copied, Origin
from sightline.recordings.recorder import Recorder
from sightline.recordings.segment import JUMP_S
from sightline.sources._packets import LIMITS

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)

COPIED = frozenset(("h264", "hevc"))
"""Codecs whose packets are copied; of others the pictures are encoded."""

PARAMETERS = {"h264": (0, 0x1F, 7), "hevc": (1, 0x3F, 33)}
"""How to tell the parameter sets that have the picture's size: shift and mask of a unit's first byte, and its type."""

FIRST_S = 1 / 30
"""Seconds from a first packet without a time to the second one."""

EARLY_S = 2.0
"""Seconds at most by which a packet comes before its picture is shown, as those do to which B-frames refer."""


class Tee:
    """Gives a camera's packets to its recorder. In the thread that reads the camera."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._stream: VideoStream | None = None
        self._origin: Origin | None = None
        self._known = b""
        """Parameter sets that the origin has."""
        self._last: tuple[float, float] | None = None
        """When the last packet was to be decoded, by the camera's clock and by ours."""
        self._untimed: tuple[Copied, float] | None = None

    def __call__(self, packet: Packet[VideoStream]) -> bool:
        """Take a packet; return whether it is copied, so that its picture need not be encoded."""
        if packet.stream is not self._stream:
            self._stream, self._origin, self._untimed = packet.stream, self._begun(packet.stream), None
            self._known, self._last = bytes(packet.stream.codec_context.extradata or b""), None
        if self._origin is not None:
            self._origin = self._current(packet, self._origin)
        origin = self._origin
        if origin is None:
            return False
        if self._recorder.on:
            dts = packet.pts if packet.dts is None else packet.dts
            data, key, duration = bytes(packet), packet.is_keyframe, packet.duration or 0
            if packet.pts is None or dts is None:
                self._untimed = (Copied(data, 0, 0, key, duration, origin), round(time.time(), 6))
                return True
            if self._untimed is not None:  # RTSP knows no time before the second packet
                (first, at), self._untimed = self._untimed, None
                earlier = round(FIRST_S / origin.unit_s)
                self._recorder.packet(first._replace(pts=packet.pts - earlier, dts=dts - earlier), at)
            early = min(max((packet.pts - dts) * origin.unit_s, 0.0), EARLY_S)
            self._recorder.packet(Copied(data, packet.pts, dts, key, duration, origin), round(time.time() + early, 6))
        return True

    def _begun(self, stream: VideoStream) -> Origin | None:
        """Return what files need of a new connection; None where its packets can't be copied."""
        import av

        context = stream.codec_context
        if context.name not in COPIED or not context.extradata or not context.width:
            return None
        try:
            return Origin(stream)
        except (av.FFmpegError, ValueError) as e:
            log.warning("packets can't be copied, so their pictures are encoded: %s", e)
            return None

    def _current(self, packet: Packet[VideoStream], origin: Origin) -> Origin:
        """Return the origin, or another one where the camera has changed its pictures or its clock."""
        if self._jumped(packet, origin):
            origin = copy.copy(origin)
        if not packet.is_keyframe or not self._known.startswith(b"\0"):  # files have units with a length before them
            return origin
        shift, mask, wanted = PARAMETERS[origin.codec]
        units = [unit.rstrip(b"\0") for unit in bytes(packet).split(b"\0\0\1")[1:]]
        sets = [unit for unit in units if unit and unit[0] >> shift & mask == wanted]
        if all(one in self._known for one in sets):
            return origin
        self._known = b"\0\0\1".join([b"", *sets])
        return _described(packet, origin)

    def _jumped(self, packet: Packet[VideoStream], origin: Origin) -> bool:
        """Return whether the camera's clock has jumped since the last packet, which would be a hole in a file."""
        dts = packet.pts if packet.dts is None else packet.dts
        if dts is None:
            return False
        last, self._last = self._last, (dts * origin.unit_s, time.monotonic())
        return last is not None and abs((self._last[0] - last[0]) - (self._last[1] - last[1])) > JUMP_S


def _described(packet: Packet[VideoStream], origin: Origin) -> Origin:
    """Return an origin with what a key frame says of the video, or the same one where that can't be read."""
    import av

    try:
        with av.open(io.BytesIO(bytes(packet)), format=origin.codec, options=LIMITS) as container:
            return Origin(container.streams.video[0], origin.time_base)
    except (av.FFmpegError, ValueError, IndexError) as e:
        log.warning("what the camera sends has changed, and its next file can't say so: %s", e)
        return origin
