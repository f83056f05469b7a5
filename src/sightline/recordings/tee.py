"""Packets of a pulled camera, copied on their way to the decoder."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from sightline.recordings.mp4 import Copied, Origin
from sightline.recordings.recorder import Recorder

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)

COPIED = frozenset(("h264", "hevc"))
"""Codecs whose packets are copied; of others the pictures are encoded."""

FIRST_S = 1 / 30
"""Seconds from a first packet without a time to the second one."""


class Tee:
    """Gives a camera's packets to its recorder. In the thread that reads the camera."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._stream: VideoStream | None = None
        self._origin: Origin | None = None
        self._untimed: tuple[Copied, float] | None = None

    def __call__(self, packet: Packet[VideoStream]) -> bool:
        """Take a packet; return whether it is copied, so that its picture need not be encoded."""
        if packet.stream is not self._stream:
            self._stream, self._origin, self._untimed = packet.stream, self._begun(packet.stream), None
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
                earlier = round(FIRST_S / origin.time_base)
                self._recorder.packet(first._replace(pts=packet.pts - earlier, dts=dts - earlier), at)
            self._recorder.packet(Copied(data, packet.pts, dts, key, duration, origin), round(time.time(), 6))
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
