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


class Tee:
    """Gives a camera's packets to its recorder. In the thread that reads the camera."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._stream: VideoStream | None = None
        self._origin: Origin | None = None

    def __call__(self, packet: Packet[VideoStream]) -> int | None:
        """Take a packet; return its time, by which the frame that is decoded from it is known, if it was copied."""
        if packet.stream is not self._stream:
            self._stream, self._origin = packet.stream, self._begun(packet.stream)
        origin = self._origin
        if origin is None or packet.pts is None or not packet.size:
            return None
        if self._recorder.on:
            dts = packet.pts if packet.dts is None else packet.dts
            copied = Copied(bytes(packet), packet.pts, dts, packet.is_keyframe, packet.duration or 0, origin)
            self._recorder.packet(copied, round(time.time(), 6))
        return packet.pts

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
