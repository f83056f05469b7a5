"""Packets of a pulled camera, copied on their way to the decoder."""

from __future__ import annotations

import copy
import io
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

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
"""Seconds from a first packet without a time to the second one, where no packet says how long it lasts."""

MOST_UNTIMED = 16
"""Packets in a row that may lack a time, as the first ones of B-frames do: H.264 and H.265 have as many."""

EARLY_S = 2.0
"""Seconds at most by which a packet comes before its picture is shown, as those do to which B-frames refer."""

KEYLESS_S = 600.0
"""Seconds without a key frame, after which packets are no longer copied: files begin with key frames only."""

NEVER = -(1 << 63)
"""Before all times that a packet can have."""


class _Arrival(NamedTuple):
    """A packet as it came."""

    data: bytes
    pts: int | None
    """When it is shown."""
    dts: int | None
    """When it is decoded."""
    key: bool
    duration: int
    at: float
    """When it came, seconds since 1970."""


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
        self._untimed: list[_Arrival] = []
        """The newest packets, as long as it is not known when they are shown or decoded."""
        self._given = NEVER
        """When the last packet that was given is to be decoded."""
        self._timeless = False
        """The camera's packets do not say when they are shown."""
        self._key_at = 0.0
        """``time.monotonic()`` of the newest key frame."""

    def __call__(self, packet: Packet[VideoStream]) -> bool:
        """Take a packet; return whether it is copied, so that its picture need not be encoded."""
        if packet.stream is not self._stream:
            self._stream, self._origin = packet.stream, self._begun(packet.stream)
            self._known, self._last = bytes(packet.stream.codec_context.extradata or b""), None
            self._untimed, self._given, self._key_at = [], NEVER, time.monotonic()
        if self._origin is not None:
            self._origin = self._current(packet, self._origin)
        if self._origin is not None and self._keyless(packet):
            log.warning("no key frame came for %g s, so pictures are encoded", KEYLESS_S)
            self._origin, self._untimed = None, []
        if self._origin is None:
            return False
        if self._recorder.on:
            data, duration = bytes(packet), packet.duration or 0
            came = _Arrival(data, packet.pts, packet.dts, packet.is_keyframe, duration, time.time())
            if self._untimed or came.pts is None or came.dts is None:
                self._await_times(came)
            else:
                self._give(came, came.pts, came.dts)
        return True

    def _await_times(self, came: _Arrival) -> None:
        """Hold packets until one has both times, by which those of all others are known."""
        self._untimed.append(came)
        if came.pts is not None and came.dts is not None:
            assert self._origin is not None
            for timed in _timed(self._untimed, self._origin):
                self._give(*timed)
            self._untimed = []
        elif len(self._untimed) > MOST_UNTIMED:
            log.warning("packets without times can't be copied, so their pictures are encoded")
            self._timeless, self._origin, self._untimed = True, None, []

    def _give(self, came: _Arrival, pts: int, dts: int) -> None:
        """Give the recorder a packet."""
        assert self._origin is not None
        if dts <= self._given:  # files have to go on, if only by a tick
            if self._given < pts:
                dts = self._given + 1
            else:  # the camera's clock went back
                self._origin = copy.copy(self._origin)
        self._given = dts
        early = min(max((pts - dts) * self._origin.unit_s, 0.0), EARLY_S)
        packet = Copied(came.data, pts, dts, came.key, came.duration, self._origin)
        self._recorder.packet(packet, round(came.at + early, 6))

    def _begun(self, stream: VideoStream) -> Origin | None:
        """Return what files need of a new connection; None where its packets can't be copied."""
        import av

        context = stream.codec_context
        if self._timeless or context.name not in COPIED or not context.extradata or not context.width:
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

    def _keyless(self, packet: Packet[VideoStream]) -> bool:
        """Return whether no key frame has come for so long that a file would never end."""
        now = time.monotonic()
        if packet.is_keyframe:
            self._key_at = now
        return now - self._key_at > KEYLESS_S

    def _jumped(self, packet: Packet[VideoStream], origin: Origin) -> bool:
        """Return whether the camera's clock has jumped since the last packet, which would be a hole in a file."""
        dts = packet.pts if packet.dts is None else packet.dts
        if dts is None:
            return False
        last, self._last = self._last, (dts * origin.unit_s, time.monotonic())
        return last is not None and abs((self._last[0] - last[0]) - (self._last[1] - last[1])) > JUMP_S


def _timed(arrived: list[_Arrival], origin: Origin) -> Iterator[tuple[_Arrival, int, int]]:
    """Yield packets, the last of which has its times, with when each is shown and when it is decoded.

    RTSP knows no time before the second packet, and FFmpeg not when the first ones of B-frames are decoded.
    """
    step = max(one.duration for one in arrived) or round(FIRST_S / origin.unit_s)
    shown = min(one.pts for one in arrived if one.pts is not None)
    decoded, timed = shown + step, []
    for one in reversed(arrived):
        if one.pts is None:
            shown -= step
        pts = shown if one.pts is None else one.pts
        decoded = min(pts, decoded - step if one.dts is None else one.dts)
        timed.append((one, pts, decoded))
    yield from reversed(timed)


def _described(packet: Packet[VideoStream], origin: Origin) -> Origin:
    """Return an origin with what a key frame says of the video, or the same one where that can't be read."""
    import av

    try:
        with av.open(io.BytesIO(bytes(packet)), format=origin.codec, options=LIMITS) as container:
            return Origin(container.streams.video[0], origin.time_base)
    except (av.FFmpegError, ValueError, IndexError) as e:
        log.warning("what the camera sends has changed, and its next file can't say so: %s", e)
        return origin
