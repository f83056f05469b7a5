"""An MP4 that goes on for ever: each picture of H.264 video is a fragment of its own."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

from sightline.transports._encoding import CLOCK, Picture

OPTIONS = {"movflags": "empty_moov+default_base_moof+frag_every_frame", "flush_packets": "1"}


class _Written(io.RawIOBase):
    """What FFmpeg has written since it was taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Any) -> int:
        """Keep a part."""
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return all parts, and forget them."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


class Fragments:
    """The MP4 of one viewer. A picture's fragment comes with the next picture, as it says how long the first lasts."""

    def __init__(self, first: Picture[bytes]) -> None:
        """``first``: a key frame, whose parameters hold for all. Takes some milliseconds. Raises av.FFmpegError."""
        import av

        self._began_at = first.at
        self._written = _Written()
        self._file = av.open(self._written, "w", format="mp4", options=OPTIONS)
        with av.open(io.BytesIO(first.data), format="h264") as read:
            self._stream = self._file.add_stream_from_template(read.streams.video[0])
        self._stream.time_base = Fraction(1, CLOCK)

    def add(self, picture: Picture[bytes]) -> bytes:
        """Add a picture, and return what is to be sent; the first brings the head. Raises av.FFmpegError."""
        import av

        packet = av.Packet(picture.data)
        packet.pts = packet.dts = picture.at - self._began_at
        packet.time_base, packet.is_keyframe, packet.stream = Fraction(1, CLOCK), picture.key, self._stream
        self._file.mux(packet)
        return self._written.take()

    def close(self) -> None:
        """Let go of it. What FFmpeg still writes is nobody's."""
        self._file.close()
