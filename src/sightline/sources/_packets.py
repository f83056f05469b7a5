"""Decoding that is skipped while nobody wants pictures and catches up at once when somebody does."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from sightline.sources.base import IDLE_S

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.video.stream import VideoStream

MOST_BYTES = 16 << 20
MOST_PACKETS = 1000
"""Maximum number of packets kept since the last key frame; above it, or above MOST_BYTES, decoding resumes only at the
next key frame."""


class Decoding:
    """Decodes packets; while ``idle`` only key frames, at most one a second.

    Packets after a key frame are kept meanwhile, so that decoding can resume at any packet without waiting for a key
    frame: catching up with 50 packets of 800x450 takes 40 ms.
    """

    def __init__(self) -> None:
        self._kept: list[Packet[VideoStream]] = []
        self._bytes = 0
        self._decoded_at = -IDLE_S
        self._broken = False
        """Whether packets before the next key frame can't be decoded."""

    def decode(self, packet: Packet[VideoStream], *, idle: bool) -> list[VideoFrame]:
        """Decode a packet's frames, none if it is skipped. Raises av.FFmpegError for damaged data.

        A decoder with several threads returns frames late, so that while idle they are those of an earlier key frame.
        """
        import av

        if packet.is_keyframe or not packet.size:  # the empty packet at the end flushes the decoder
            self._keep_none(broken=False)
        if idle and packet.size and (not packet.is_keyframe or time.monotonic() - self._decoded_at < IDLE_S):
            self._keep(packet)
            return []
        self._decoded_at = time.monotonic()
        kept = self._kept
        self._keep_none(broken=self._broken)
        if self._broken:
            return []
        for earlier in kept:
            with contextlib.suppress(av.FFmpegError):
                earlier.decode()  # their frames are too old; only the decoder needs them
        return packet.decode()

    def _keep(self, packet: Packet[VideoStream]) -> None:
        if self._broken:
            return
        self._kept.append(packet)
        self._bytes += packet.size
        if self._bytes > MOST_BYTES or len(self._kept) > MOST_PACKETS:
            self._keep_none(broken=True)

    def _keep_none(self, *, broken: bool) -> None:
        self._kept, self._bytes, self._broken = [], 0, broken
