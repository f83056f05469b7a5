"""Cameras and files on the network: RTSP, HLS, HTTP and SRT, through PyAV.

Data must be read as fast as it comes, so iterate in a thread that does nothing else.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import numpy as np

from sightline.core.errors import SourceError
from sightline.sources import _gate
from sightline.sources._packets import Decoding
from sightline.sources.base import Shot, shown

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

WHAT = "an address (rtsp://, rtsps://, http://, https://, srt://)"

SCHEMES = ("rtsp", "rtsps", "http", "https", "srt")
OPEN_S = 10.0
"""Timeout in seconds for opening a connection."""
READ_S = 10.0
"""Seconds without data after which a connection is dead."""
PLAYLIST_READ_S = 30.0
"""Seconds without data after which an HLS connection, which brings seconds of video at a time, is dead."""
PICTURE_EVERY = ("rtsp", "mpjpeg", "jpeg_pipe", "mjpeg")
"""Formats whose frames arrive as they are taken. Frames of others arrive in bursts and are paced by their own clock."""
BEHIND_S = 2.0
"""Lag in seconds above which decoding skips to the next key frame."""
SKIP_S = 10.0
"""Maximum time in seconds to wait for that key frame."""

log = logging.getLogger(__name__)


def handles(spec: str) -> bool:
    """True for addresses."""
    return spec.partition("://")[0].lower() in SCHEMES and "://" in spec


def open(spec: str) -> NetworkSource:
    """Connect. RTSP goes over TCP; ``#udp`` at the end of the address asks for UDP. Raises SourceError."""
    import av

    url, mark, transport = spec.rpartition("#")
    if not mark or transport not in ("tcp", "udp"):
        url, transport = spec, "tcp"
    playlist = url.partition("?")[0].lower().endswith((".m3u8", ".m3u"))
    options = {
        "rtsp_transport": transport,
        "flags": "low_delay",
        "analyzeduration": "1000000",  # microseconds; used up by a camera that doesn't tell its size
        # Playlists and redirections must never lead to files of this machine, nor to others' than the operator named.
        "protocol_whitelist": "rtsp,rtsps,rtp,srtp,udp,tcp,tls,srt",
    }
    if url.lower().startswith("http"):
        options["protocol_whitelist"] = "http,https,httpproxy,tcp,tls,crypto,data"
        options["http_proxy"] = _gate.proxy_for(url)
    if url.lower().startswith("rtsp"):
        options["fpsprobesize"] = "0"  # else FFmpeg holds back 20 frames to measure the frame rate
    name = shown(spec)
    patience = PLAYLIST_READ_S if playlist else READ_S
    began = time.monotonic()
    try:
        container = av.open(url, timeout=(OPEN_S, patience), options=options)
    except (av.FFmpegError, OSError) as e:
        if time.monotonic() - began >= OPEN_S:  # RTSP reports a timeout as invalid data
            raise SourceError(f"{name}: nothing came for {OPEN_S:g} s") from None
        unreached = _gate.error_of(url) if url.lower().startswith("http") else None
        raise SourceError(f"{name}: {_unknown(url) or _reason(unreached or e, OPEN_S)}") from None
    stream = next((s for s in container.streams.video if s.codec_context is not None), None)
    if stream is None:
        container.close()
        raise SourceError(f"{name}: it sends no video that can be decoded")
    return NetworkSource(name, container, stream, patience)


class NetworkSource:
    """A connection. It is ``live`` unless it is a file, which has an end. If it breaks off, the iteration raises."""

    images = False

    def __init__(self, name: str, container: InputContainer, stream: VideoStream, patience: float) -> None:
        """``patience`` is the number of seconds without video after which the connection is dead."""
        self.name = name
        self.unreadable = 0
        self.idle = False
        self.live = container.format.name == "rtsp" or container.duration is None
        self.fps: float | None = float(stream.average_rate) if stream.average_rate else None
        self.total: int | None = None if self.live else stream.frames or None
        self._container = container
        self._stream = stream
        self._patience = patience
        self._bursts = self.live and container.format.name not in PICTURE_EVERY
        # Decoding several frames at a time would delay as many.
        stream.thread_type = "SLICE" if self.live else "AUTO"

    def __enter__(self) -> NetworkSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Shot]:
        """Yield pictures as they come. Raises SourceError if the connection breaks off or a live one ends."""
        clock = _Clock()
        start = None
        shot: Shot | None = None
        for at, frame, fresh in self._frames():
            if self._bursts:
                clock.wait_for(at)
            start = at if start is None else start
            shown_at = time.time() if self.live else at - start
            if frame is not None:
                # The resolution may change: each frame is converted to BGR at its own size.
                image = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                shot = Shot(image, shown_at, self.name, fresh)
                yield shot
            elif shot is not None:
                yield replace(shot, timestamp=shown_at, fresh=False)
        if self.live:
            raise SourceError(f"{self.name}: the other side ended the stream")
        if shot is None:
            raise SourceError(f"{self.name}: not one frame of this video can be decoded")

    def _frames(self) -> Iterator[tuple[float, VideoFrame | None, bool]]:
        """Time, frame and freshness for all packets that can be decoded; the frame is None if decoding was skipped."""
        import av

        decoding = Decoding()
        late = _Late() if self.live and not self._bursts else None
        # Sound is read too, because a camera that sends sound but no pictures must count as dead.
        packets = cast("Iterator[Packet[VideoStream]]", self._container.demux())
        waited = 0.0  # seconds of waiting for a picture, without the time for handling pictures
        while True:
            began = time.monotonic()
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as e:
                raise SourceError(f"{self.name}: {_reason(e, self._patience)}") from None
            if packet is None:
                return
            if packet.stream_index != self._stream.index:
                waited += time.monotonic() - began
                if self.live and waited > self._patience:
                    raise SourceError(f"{self.name}: no picture came for {self._patience:g} s, only other data")
                continue
            waited = 0.0
            if late is not None and late.skip(packet):
                continue
            spared = self.idle
            try:
                frames = decoding.decode(packet, idle=spared)
            except av.FFmpegError as e:  # packets were lost
                self.unreadable += 1
                if self.unreadable == 1:
                    log.warning("%s: what can't be decoded is left out (%s)", self.name, e.strerror)
                continue
            if spared and not frames and packet.pts is not None and packet.time_base is not None:
                yield float(packet.pts * packet.time_base), None, False
            for frame in frames:
                yield frame.time or 0.0, frame, not spared


class _Clock:
    """Paces frames that come in bursts by their own times. It restarts after a jump or a delay."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def wait_for(self, at: float) -> None:
        """Wait until ``at``, in the stream's seconds."""
        now = time.monotonic()
        if self._ahead is None or not -1 < at - self._ahead - now < PLAYLIST_READ_S:
            self._ahead = at - now
        time.sleep(max(0.0, at - self._ahead - now))


class _Late:
    """Skips packets if this machine decodes more slowly than frames come, so that the lag stays bounded."""

    def __init__(self) -> None:
        self._least: float | None = None
        self._now = time.monotonic()
        self._skipping_since: float | None = None

    def skip(self, packet: Packet[VideoStream]) -> bool:
        """True if this packet should not be decoded."""
        if packet.pts is None or packet.time_base is None:
            return False
        before, self._now = self._now, time.monotonic()
        lag = self._now - float(packet.pts * packet.time_base)
        # The camera's clock may be slow by up to a thousandth, and may jump.
        least = lag if self._least is None else min(lag, self._least + (self._now - before) / 1000)
        self._least = lag if lag - least > 2 * SKIP_S else least
        if lag - self._least <= BEHIND_S and (self._skipping_since is None or packet.is_keyframe):
            self._skipping_since = None
        elif self._skipping_since is None:
            self._skipping_since = self._now
        elif self._now - self._skipping_since > SKIP_S:
            self._least, self._skipping_since = lag, None
        return self._skipping_since is not None


def _unknown(url: str) -> str | None:
    """Message if the host's name can't be resolved, which FFmpeg reports as an input/output error; else None."""
    try:
        socket.getaddrinfo(urlsplit(url).hostname, None)
    except (socket.gaierror, UnicodeError):
        return "no machine of that name is known here; check the name, and that this machine is on the network"
    except ValueError:
        return None
    return None


def _reason(error: Exception, seconds: float) -> str:
    """Message for FFmpeg's error, without the address. ``seconds`` is the timeout."""
    import av

    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return f"nothing came for {seconds:g} s"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return (
            "the installed PyAV can't speak this; it needs an FFmpeg built with it (SRT: --enable-libsrt), or the "
            "ffmpeg program to pass it on, as docs/sources.md shows"
        )
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return "it refuses the user or the password"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    reason = getattr(error, "strerror", None)
    return f"can't be read ({reason})" if reason else "can't be read"
