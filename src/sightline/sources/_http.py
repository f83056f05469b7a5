"""The bytes of an HTTP address as they come, through FFmpeg, and what kind of thing they are.

Motion JPEG and single pictures are read here and in ``_mjpeg`` and ``_snapshot``, not by FFmpeg's demuxers: those make
up a clock of 25 pictures a second, hold a picture back until the next one comes, and refuse what browsers show.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Literal, TypeAlias

from sightline.core.errors import SourceError
from sightline.media import avif
from sightline.sources import _gate
from sightline.sources._ffmpeg import source_error

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.stream import Stream

CHUNK = 1 << 16
ENOUGH = 12
"""Bytes by which kinds can be told apart."""
JPEG = b"\xff\xd8\xff"
PICTURES = (JPEG, b"\x89PNG", b"BM", b"II*\0", b"MM\0*")
WHOLE_S = 60.0
"""Maximum time in seconds for one picture to arrive."""
HEADERS = re.compile(rb"\s*(--|[A-Za-z-]+:[^\r\n]*\r?\n)")
"""How motion JPEG begins: with a boundary or, from cameras that leave the first one out, with a part's headers."""

log = logging.getLogger(__name__)

Kind: TypeAlias = Literal["parts", "picture", "text", "video"]


class HttpBytes:
    """An open connection. It is read by one thread, and as a file by PyAV."""

    def __init__(self, name: str, url: str, options: Mapping[str, str], timeout: tuple[float, float]) -> None:
        """Connect and wait for the first bytes. Raises av.FFmpegError, OSError or SourceError.

        ``name`` stands for the address in messages. ``timeout``: seconds for the connection, and without data.
        """
        import av

        self.name = name
        self.until = inf
        """Time on ``time.monotonic()`` after which ``read`` raises, as what comes is of no use."""
        self.interest = _gate.interest_in(url)
        """Who wants the bytes."""
        self.patience = timeout[1]
        """Seconds without data, or with nothing of use, after which the connection is dead."""

        # The demuxer ``data`` passes on what comes, as soon as it comes.
        more = {"raw_packet_size": str(CHUNK)}
        self._container: InputContainer = av.open(url, format="data", timeout=timeout, options={**options, **more})
        self._packets: Iterator[Packet[Stream]] = self._container.demux()
        size = self._container.size or 0  # None since PyAV 19 where it is not told, and negative before
        self.size: int | None = size if size > 0 else None
        """Bytes in all; None if that is not told, as for live video."""
        try:
            self._head = self._first()
        except BaseException:
            self.close()
            raise

    @property
    def kind(self) -> Kind:
        """What comes, by its first bytes: parts of motion JPEG, a picture, a playlist or other text, or a video."""
        head = self._head
        if HEADERS.match(head):
            return "parts"
        webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
        if webp or head.startswith(PICTURES) or avif.is_still(head):
            return "picture"
        return "text" if head.lstrip()[:1] in (b"#", b"<") else "video"

    @property
    def head(self) -> bytes:
        """The first bytes, as long as nothing was read."""
        return self._head

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes as they come, until the connection ends or breaks off. Raises SourceError if it hangs."""
        while data := self.read(CHUNK):
            yield data

    def read(self, size: int) -> bytes:
        """At least one byte and at most ``size``; none at the end. Raises as ``chunks`` does."""
        if time.monotonic() > self.until:
            raise SourceError(f"{self.name}: data comes, and no picture in it")
        data = self._head or self._next()
        self._head = data[size:]
        return data[:size]

    def close(self) -> None:
        """Close the connection. Not while another thread reads."""
        self._container.close()

    def _first(self) -> bytes:
        began, head = time.monotonic(), self._next()
        while len(head.strip()) < ENOUGH and not head.lstrip().startswith(b"--"):
            if len(head) > CHUNK or time.monotonic() - began > self.patience:
                raise SourceError(f"{self.name}: what it sends begins with {head[:40]!r}; expected pictures or a video")
            more = self._next()
            if not more:
                break
            head += more
        return head

    def _next(self) -> bytes:
        import av

        try:
            packet = next(self._packets, None)
        except (av.error.ExitError, TimeoutError) as e:
            raise source_error(self.name, e, self.patience) from None
        except (av.FFmpegError, OSError) as e:
            log.debug("%s: the connection ended with %s", self.name, e)  # so FFmpeg says of a length that is not told
            return b""
        return bytes(packet) if packet is not None and packet.size else b""
