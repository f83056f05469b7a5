"""Cameras and files on the network: RTSP, HLS, HTTP and SRT, through PyAV.

Data must be read as fast as it comes, so iterate in a thread that does nothing else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from sightline.core.errors import SourceError, SourceRefused
from sightline.media import heif
from sightline.sources import _challenge, _foreign, _gate
from sightline.sources._ffmpeg import source_error, unescaped
from sightline.sources._http import JPEG, WHOLE_S, HttpBytes
from sightline.sources._mjpeg import MotionJpeg
from sightline.sources._pacing import Late, Playout
from sightline.sources._packets import LIMITS, Decoded, Decoding, pixel_of, upright, video_of
from sightline.sources._snapshot import Snapshot
from sightline.sources._times import MAY_JUMP, Times
from sightline.sources.base import Lose, Shot, Source, Tee, shown, unnoticed

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.video.stream import VideoStream

WHAT = "an address (rtsp://, rtsps://, http://, https://, srt://)"

SCHEMES = ("rtsp", "rtsps", "http", "https", "srt")
PORTS = _gate.PORTS | {"rtsp": 554, "rtsps": 322}
OPEN_S = 10.0
"""Timeout in seconds for opening a connection."""
READ_S = 10.0
"""Seconds without data after which a connection is dead."""
PLAYLIST_READ_S = 30.0
"""Seconds without data after which an HLS connection, which brings seconds of video at a time, is dead."""
NO_TIMES = 0x80
"""Flag of FFmpeg's formats that have no times, such as bare H.264. FFmpeg makes some up, 25 pictures a second. Their
pictures are shown when they come; those of other formats than RTSP come in bursts and are paced by their own clock."""
POLL_S = 1.0
"""Seconds between two pictures of a camera that gives one at a time, unless asked for otherwise."""
MIN_FPS, MAX_FPS = 0.001, 60.0
UNMEASURED = {"fpsprobesize": "0"}
"""Else FFmpeg holds back 20 frames to measure the frame rate: a camera of 1 fps would never open."""

log = logging.getLogger(__name__)


def handles(spec: str) -> bool:
    """True for addresses."""
    return spec.partition("://")[0].lower() in SCHEMES and "://" in spec


def open(spec: str) -> Source:
    """Connect. RTSP goes over TCP; ``#udp`` at the end of the address asks for UDP. Raises SourceError.

    ``#fps=N`` asks a camera that gives one picture at a time for N a second.
    """
    return _opened(spec, foreign=False)


def open_foreign(spec: str) -> Source:
    """Open what a client has named: never a machine that ``_foreign`` forbids. Raises SourceError as ``open`` does."""
    return _opened(spec, foreign=True)


def _opened(spec: str, *, foreign: bool) -> Source:
    url, option = _option(spec)
    name = shown(spec)
    wrong = unescaped(url)
    if wrong is not None:
        raise SourceError(f"{name}: {wrong}")
    _foreign.place_of(url)
    options = {
        "rtsp_transport": option if option in ("tcp", "udp") else "tcp",
        "flags": "low_delay",
        "analyzeduration": "1000000",  # microseconds; used up by a camera that doesn't tell its size
        # Playlists and redirections must never lead to files of this machine, nor to others' than the operator named.
        "protocol_whitelist": "rtsp,rtsps,rtp,srtp,udp,tcp,tls,srt",
    }
    if url.startswith("http"):
        options["protocol_whitelist"] = "http,https,httpproxy,tcp,tls,crypto,data"
        options["http_proxy"] = _gate.proxy_for(url, foreign=foreign)
    with _opening(name, url):
        if foreign:
            url = _checked(url)
        if url.startswith("http"):
            return _http(name, url, options, _poll_s(name, option))
        if url.startswith("rtsp"):
            return _rtsp(name, url, options | UNMEASURED)
        return _video(name, url, options | UNMEASURED, READ_S)


def _checked(url: str) -> str:
    """Return the address that may be asked. Raises SourceError or OSError. Over HTTP the gate looks again."""
    host, port = _foreign.place_of(url)
    port = port or PORTS.get(url.partition("://")[0], 0)
    if url.startswith("http"):
        _foreign.addresses(host, port)
        return url
    return _foreign.pinned(url, port)


def _option(spec: str) -> tuple[str, str]:
    """The address, with its scheme in small letters, and the option at its end."""
    url, mark, option = spec.rpartition("#")
    if not mark or not (option in ("tcp", "udp") or option.startswith("fps=")):
        url, option = spec, ""
    scheme, mark, rest = url.partition("://")
    return scheme.lower() + mark + rest, option


def _poll_s(name: str, option: str) -> float:
    if not option.startswith("fps="):
        return POLL_S
    try:
        fps = float(option.removeprefix("fps="))
    except ValueError:
        fps = 0.0
    if not MIN_FPS <= fps <= MAX_FPS:
        raise SourceError(f"{name}: #{option[:20]}; expected #fps=N, N from {MIN_FPS:g} to {MAX_FPS:g}")
    return 1 / fps


@contextmanager
def _opening(name: str, url: str) -> Iterator[None]:
    """Turn what FFmpeg raises into a SourceError."""
    import av

    began = time.monotonic()
    try:
        yield
    except (av.FFmpegError, OSError) as e:
        late = time.monotonic() - began >= OPEN_S
        if (place := _challenge.redirected_to(url)) is not None:
            kind = SourceRefused if late else SourceError  # in a circle it redirects thousands of times until then
            raise kind(f"{name}: it redirects to {place}; expected the address of the stream itself") from None
        if late:  # RTSP reports a timeout as invalid data
            raise SourceError(f"{name}: nothing came for {OPEN_S:g} s") from None
        if isinstance(e, av.error.HTTPForbiddenError) and (other := _gate.refused_since(began)) is not None:
            raise SourceError(f"{name}: it leads to {other}, which is not asked as nobody named it") from None
        if isinstance(e, av.error.HTTPUnauthorizedError) and (digest := _challenge.unknown_digest(url)) is not None:
            raise SourceRefused(
                f"{name}: it asks for a {digest} digest, and FFmpeg knows MD5; set the camera to that"
            ) from None
        unreached = _gate.error_of(url) if url.startswith("http") else None
        raise source_error(name, unreached or e, OPEN_S, url) from None


def _http(name: str, url: str, options: dict[str, str], poll_s: float) -> Source:
    """Open what an HTTP address gives, by its first bytes."""
    patience = max(OPEN_S, READ_S)
    connection = HttpBytes(name, url, options, (OPEN_S, patience))
    if connection.kind == "parts" or (connection.size is None and connection.head.startswith(JPEG)):
        return MotionJpeg(connection, poll_s=poll_s)
    if connection.kind == "picture":
        return Snapshot(connection, poll_s=poll_s)
    if heif.is_heic(connection.head):
        connection.close()
        raise SourceError(f"{name}: {heif.ADVICE}")
    if connection.kind == "video" and connection.size is None:  # live: a second connection may not be allowed
        try:
            return _video(name, connection, options | UNMEASURED, READ_S)
        except BaseException:
            connection.close()
            raise
    head, ends = connection.head.lstrip(), connection.size is not None
    playlist = head.startswith(b"#EXTM3U")
    connection.close()
    if head.lower().startswith((b"<!doctype html", b"<html")):
        raise SourceError(
            f"{name}: this is a web page, not a video; expected the address of the stream or picture that it shows"
        )
    if playlist:  # its segments may have any names; where they lead to is limited by the protocols
        options |= {"allowed_extensions": "ALL", "extension_picky": "0"}
        return _video(name, url, options, PLAYLIST_READ_S, format="hls")
    return _video(name, url, options, READ_S, ends=ends)


def _rtsp(name: str, url: str, options: dict[str, str]) -> Source:
    """Open a camera that says what it sends, so that FFmpeg need not look for that in the first seconds of video."""
    try:
        return _video(name, url, options | {"probesize": "32"}, READ_S)
    except SourceError:  # it sends MPEG-TS, in which the video has to be found
        return _video(name, url, options, READ_S)


def _video(
    name: str,
    file: str | HttpBytes,
    options: dict[str, str],
    patience: float,
    *,
    format: str | None = None,
    ends: bool = False,
) -> NetworkSource:
    import av
    from av.stream import Discard

    if isinstance(file, HttpBytes):
        file.until = time.monotonic() + OPEN_S
    container: InputContainer = av.open(file, "r", format=format, timeout=(OPEN_S, patience), options=options | LIMITS)
    stream = video_of(container, name)
    if stream is None:
        container.close()
        raise SourceError(f"{name}: it sends no video that can be decoded")
    if format == "hls":  # else every variant of the video would be fetched
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
    return NetworkSource(name, container, stream, patience, file, ends=ends)


class NetworkSource:
    """A connection. It is ``live`` unless it is a file, which has an end. If it breaks off, the iteration raises."""

    images = False

    def __init__(
        self,
        name: str,
        container: InputContainer,
        stream: VideoStream,
        patience: float,
        file: str | HttpBytes,
        *,
        ends: bool = False,
    ) -> None:
        """``patience`` is the number of seconds without video after which the connection is dead.

        ``ends``: it is a file, though it may not tell how long it lasts.
        """
        self.name = name
        self.unreadable = 0
        self.idle = False
        self.lose: Lose = unnoticed
        self.tee: Tee | None = None
        self.live = not ends and (container.format.name == "rtsp" or container.duration is None)
        self.fps: float | None = float(stream.average_rate) if stream.average_rate else None
        self.total: int | None = None if self.live else stream.frames or None
        self._container = container
        self._stream = stream
        self._patience = patience
        self._file = file
        self._made_up = bool(container.format.flags & NO_TIMES)
        self._bursts = self.live and container.format.name != "rtsp" and not self._made_up
        stream.codec_context.options = LIMITS
        # Decoding several frames at a time would delay as many.
        stream.thread_type = "SLICE" if self.live else "AUTO"

    def __enter__(self) -> NetworkSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()
        if isinstance(self._file, HttpBytes):
            self._file.close()

    def __iter__(self) -> Iterator[Shot]:
        """Yield pictures as they come. Raises SourceError if the connection breaks off or a live one ends."""
        playout = Playout()
        times = Times(None, self.fps, may_jump=bool(self._container.format.flags & MAY_JUMP))
        shot: Shot | None = None
        for at, frame, fresh, pts, damaged in self._frames():
            if self._bursts:
                playout.wait_for(at or 0.0)
            shown_at = time.time() if self.live else times.of(at)
            if frame is not None:
                image = upright(frame, pixel_of(self._stream))
                shot = Shot(image, shown_at, self.name, fresh, damaged, pts)
                yield shot
            elif shot is not None:
                yield replace(shot, timestamp=shown_at, fresh=False, pts=pts)
        if self.live:
            raise SourceError(f"{self.name}: the other side ended the stream")
        if shot is None:
            raise SourceError(f"{self.name}: not one frame of this video can be decoded")

    def _frames(self) -> Iterator[Decoded]:
        """Yield what comes of all packets that can be decoded."""
        import av

        decoding = Decoding(self.lose)
        late = Late(bursts=self._bursts) if self.live and not self._made_up else None
        copied = come = False
        try:
            for packet in self._packets():
                if packet.size:
                    copied = self.tee is not None and self.tee(packet)
                if late is not None and late.skip(packet):
                    self.lose("late", 1)
                    continue
                try:
                    # Until the first frame, which several threads give late, there is nothing to idle with.
                    for one in decoding.pictures(packet, idle=self.idle and come):
                        come = come or one.frame is not None
                        yield one.of(copied=copied)
                except av.FFmpegError as e:  # packets were lost
                    self.unreadable += 1
                    if self.unreadable == 1:
                        log.warning("%s: what can't be decoded is left out (%s)", self.name, e.strerror)
        finally:
            decoding.end()

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield the video's packets, at last the empty one. Raises SourceError if the connection breaks off."""
        import av

        # Sound is read too, because a camera that sends sound but no pictures must count as dead.
        packets = cast("Iterator[Packet[VideoStream]]", self._container.demux())
        waited = 0.0  # seconds of waiting for a picture, without the time for handling pictures
        while True:
            began = time.monotonic()
            if isinstance(self._file, HttpBytes):
                self._file.until = began + WHOLE_S
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as e:
                raise source_error(self.name, e, self._patience) from None
            if packet is None:
                return
            if packet.stream is self._stream:  # the empty packets at the end all have the stream_index 0
                waited = 0.0
                yield packet
                continue
            waited += time.monotonic() - began
            if self.live and waited > self._patience:
                raise SourceError(f"{self.name}: no picture came for {self._patience:g} s, only other data")
