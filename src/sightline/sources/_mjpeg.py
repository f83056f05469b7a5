"""Motion JPEG over HTTP: every picture, at any rate, stamped when it came."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from sightline.core.errors import ProtocolError, SourceError
from sightline.core.mailbox import Pipe
from sightline.media import codecs
from sightline.media.pictures import MAX_PIXELS
from sightline.sources._http import WHOLE_S, HttpBytes
from sightline.sources.base import IDLE_S, Lose, Shot, unnoticed

MOST_BYTES = 32 << 20
"""Maximum bytes of one picture."""
AHEAD = 4
"""Pictures that may wait to be decoded; with more, the oldest is left out."""
ODD_S = 2.0
"""Seconds in which data came and no picture, after which the stream counts as one that can't be read."""

SOI = b"\xff\xd8\xff"
SOS, EOI = 0xDA, 0xD9
_END = b"\xff\xd9"
_AFTER_PIXELS = frozenset((0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE))
"""Markers of what may stand between the scans of a progressive picture. Others, in the pixels, are damage."""
_MARK = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""What ends the coded pixels: a marker that is neither a stuffed byte nor a restart."""
_LENGTH = re.compile(rb"(?i)content-length:[ \t]*(\d{1,9})[ \t]*\r?\n")

log = logging.getLogger(__name__)


class JpegSplitter:
    """Finds the JPEGs in a stream of bytes, by their own structure. Boundaries, headers and anything else between them
    may have any form, or be absent. Each picture is given out with its last byte."""

    def __init__(self) -> None:
        self.between = b""
        """The last bytes that belong to no picture."""
        self.lost = 0
        """Pictures that were too long."""
        self._data = bytearray()
        self.inside = False
        """Whether a picture is under way."""
        self.pixels_came = False
        """Whether it has come to its pixels."""
        self._at = 0
        """Where the search goes on."""
        self._in_pixels = False
        self._claimed: int | None = None
        """Length of the picture by its part's header."""
        self._honest = False
        """Whether that was right for the picture before: then no end is looked for before."""
        self._over = False
        """Whether no more bytes come."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, and return the pictures that are complete with them."""
        self._data += data
        pictures = []
        while self.inside or self._begins():
            end = self._end()
            if end is None:
                if len(self._data) > MOST_BYTES:
                    self.lost += 1
                    self._cut(len(self._data))
                break
            self._honest = end == self._claimed
            picture = self._cut(end)
            if len(picture) >= len(SOI):  # else a beginning was followed by another
                pictures.append(picture)
        return pictures

    def rest(self) -> list[bytes]:
        """No more bytes come: return what is there of pictures."""
        self._over = True
        pictures = self.feed(b"")
        return [*pictures, bytes(self._data)] if self.inside and self.pixels_came else pictures

    def _begins(self) -> bool:
        at = self._data.find(SOI)
        between = bytes(self._data[:at] if at >= 0 else self._data[: -len(SOI) + 1])
        del self._data[: len(between)]
        self.between = (self.between + between)[-1024:]
        if at < 0:
            return False
        lengths = _LENGTH.findall(self.between)
        self._claimed = int(lengths[-1]) if lengths else None
        self.between = b""
        self.inside, self.pixels_came, self._in_pixels, self._at = True, False, False, 2
        return True

    def _end(self) -> int | None:
        """Where the picture ends; None if that has not come yet."""
        if self._honest and self._claimed is not None and not self._over:
            if len(self._data) < self._claimed:
                return None
            if self._data.startswith(_END, self._claimed - len(_END)):
                return self._claimed
        return self._find_end()

    def _find_end(self) -> int | None:
        """Look for the end in the picture's structure."""
        data = self._data
        while self._at + 2 <= len(data):
            if self._in_pixels:
                found = _MARK.search(data, self._at)
                if found is None:
                    self._at = len(data) - 1
                    break
                self._at = found.start()
            mark = data[self._at + 1] if data[self._at] == 0xFF else 0
            if mark == EOI:
                return self._at + 2
            if mark == SOI[1]:  # the next one begins: this one's end is missing
                return self._at
            if mark == 0xFF:
                self._at += 1
            elif not mark or (self.pixels_came and mark not in _AFTER_PIXELS):
                self._in_pixels = True  # damaged
                self._at += 1
            elif self._at + 4 > len(data):
                break
            else:
                self._in_pixels = mark == SOS
                self.pixels_came |= self._in_pixels
                self._at += 2 + int.from_bytes(data[self._at + 2 : self._at + 4], "big")
        end = self._claimed
        if (
            end is not None
            and (self.pixels_came or self._honest)
            and bytes(data[end : end + 2]) in (b"\r\n", b"--", b"\n-")
        ):
            return end
        return None

    def _cut(self, end: int) -> bytes:
        with memoryview(self._data) as data:  # a slice of the array itself would be one more copy
            picture = bytes(data[:end])
        del self._data[:end]
        self.inside = False
        return picture


class MotionJpeg:
    """A camera that sends one JPEG after the other. A thread reads them, so that none waits in the network."""

    total: int | None = None
    live = True
    images = False
    fps: float | None = None

    def __init__(self, connection: HttpBytes, *, poll_s: float) -> None:
        """``poll_s`` is for a camera that turns out to send one picture at a time."""
        self.name = connection.name
        self.unreadable = 0
        self.undecoded = False
        """Set by the reader: True to have pictures as they came."""
        self.lose: Lose = unnoticed
        self.poll_s: float | None = None
        self._if_single = poll_s
        self._connection = connection
        self._pipe: Pipe[tuple[float, bytes]] = Pipe(AHEAD, newest_wins=True)
        self._error: SourceError | None = None
        self._came = 0
        self._reading = False
        self.idle = False
        self._given = 0.0
        """When the last picture was handed over, and below how many were not since: nobody wanted them."""
        self._spared = 0
        self._shown: Shot | None = None
        """The last picture that was decoded."""

    @property
    def idle(self) -> bool:
        """Whether nobody wants pictures."""
        return self._idle

    @idle.setter
    def idle(self, idle: bool) -> None:
        self._idle = idle
        self._connection.interest.note(self, wants=not idle)

    def __enter__(self) -> MotionJpeg:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._connection.interest.note(self, wants=None)
        if not self._reading:  # else the thread closes it, as it must not be closed under a hanging read
            self._connection.close()

    def __iter__(self) -> Iterator[Shot]:
        """Yield pictures as they come. Raises SourceError if the connection breaks off or ends."""
        self._reading = True
        threading.Thread(target=self._read, name="motion jpeg", daemon=True).start()
        while (arrived := self._pipe.get(wait_s=IDLE_S)) is not None:
            for at, jpeg in arrived:
                if (shot := self._shot(at, jpeg)) is not None:
                    yield shot
        if self._error is not None:
            raise self._error
        if self._came == 1:
            self.poll_s = self._if_single
        else:
            raise SourceError(f"{self.name}: the other side ended the stream")

    def _shot(self, at: float, jpeg: bytes) -> Shot | None:
        try:
            picture = codecs.check_jpeg(jpeg, max_pixels=MAX_PIXELS)
            fresh = not self.idle
            if self._shown is not None and (self.undecoded or not fresh):
                return replace(self._shown, timestamp=at, fresh=fresh, damaged=picture.damaged, undecoded=picture)
            self._shown = Shot(codecs.decode(picture), at, self.name, fresh, picture.damaged)
            return self._shown
        except ProtocolError as e:
            self.lose("undecodable", 1)
            self.unreadable += 1
            if self.unreadable == 1:
                log.warning("%s: what can't be decoded is left out (%s)", self.name, e.message)
            return None

    def _read(self) -> None:
        splitter = JpegSplitter()
        try:
            self._split(splitter)
        except SourceError as e:
            self._error = e
        finally:
            self._hand_over(splitter.rest())
            self._tell_spared()
            if not self._came and self._error is None:
                self._error = SourceError(f"{self.name}: {_odd(splitter.between)}")
            self._connection.close()
            self._pipe.end()

    def _split(self, splitter: JpegSplitter) -> None:
        waits_since: float | None = None
        for chunk in self._connection.chunks():
            lost, pictures = splitter.lost, splitter.feed(chunk)
            if splitter.lost > lost:
                self.lose("undecodable", splitter.lost - lost)
            if self._pipe.closed or not self._hand_over(pictures):
                return
            now = time.monotonic()
            if waits_since is None or pictures:
                waits_since = now
            waited = now - waits_since
            if not self._came and not splitter.inside and waited > ODD_S:
                raise SourceError(f"{self.name}: {_odd(splitter.between)}")
            patience = WHOLE_S if splitter.inside else self._connection.patience
            if waited > patience:
                raise SourceError(f"{self.name}: no whole picture came for {patience:g} s, only other data")

    def _hand_over(self, pictures: list[bytes]) -> bool:
        for jpeg in pictures:
            self._came += 1
            if self.idle and time.monotonic() - self._given < IDLE_S:
                self._spared += 1
                continue
            self._given = time.monotonic()
            self._tell_spared()
            late = self._pipe.dropped
            if not self._pipe.put((time.time(), jpeg)):
                return False
            if self._pipe.dropped > late:
                self.lose("late", self._pipe.dropped - late)
        return True

    def _tell_spared(self) -> None:
        spared, self._spared = self._spared, 0
        if spared:
            self.lose("unwatched", spared)


def _odd(between: bytes) -> str:
    """What came in place of pictures, in words."""
    found = re.search(rb"(?i)content-type:[ \t]*([^\r\n]{1,80})", between)
    if found is not None:
        return f"its parts are of type {found[1].decode('latin-1').strip()!r}; expected image/jpeg"
    return f"no JPEG is in what it sends, which ends with {between[-40:]!r}"
