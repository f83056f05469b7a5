"""Decoding that is spared while nobody wants pictures, and yet is up to date at once when somebody does."""

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
"""Kept since the last key frame; over that the next key frame has to be waited for."""


class Decoding:
    """Decodes packets, while ``idle`` key frames alone, and of these one a second.

    What comes after a key frame is kept meanwhile, so that decoding can go on from any packet: 50 packets of
    800x450 take 40 ms to catch up with, and no key frame has to be waited for.
    """

    def __init__(self) -> None:
        self._kept: list[Packet[VideoStream]] = []
        self._bytes = 0
        self._decoded_at = -IDLE_S
        self._broken = False
        """What comes before the next key frame can't be decoded."""

    def decode(self, packet: Packet[VideoStream], *, idle: bool) -> list[VideoFrame]:
        """The packet's frames, none if it is spared. Raises av.FFmpegError for what is damaged.

        With several threads a decoder gives frames out late: while idle they are those of an earlier key frame.
        """
        import av

        if packet.is_keyframe or not packet.size:  # the empty one at the end brings what the decoder still holds
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
                earlier.decode()  # old by now: only the decoder has to see them
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
