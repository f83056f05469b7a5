"""Cameras that give one picture at a time over HTTP: each is asked for anew."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sightline.core.errors import ProtocolError, SourceError
from sightline.media.pictures import decode_picture
from sightline.sources._http import WHOLE_S, HttpBytes
from sightline.sources.base import Lose, Shot, unnoticed

MOST_BYTES = 64 << 20


class Snapshot:
    """The one picture that an address gives. Whoever wants more opens it again after ``poll_s``."""

    total: int | None = 1
    live = False
    images = False
    fps: float | None = None

    def __init__(self, connection: HttpBytes, *, poll_s: float) -> None:
        self.name = connection.name
        self.unreadable = 0
        self.idle = False
        self.lose: Lose = unnoticed
        self.poll_s: float | None = poll_s
        self._connection = connection

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def __iter__(self) -> Iterator[Shot]:
        """Yield the picture. Raises SourceError if it can't be read."""
        try:
            image, damaged, _ = decode_picture(self._bytes())
        except ProtocolError as e:
            self.unreadable += 1
            self.lose("undecodable", 1)
            raise SourceError(f"{self.name}: its picture can't be read: {e.message}") from None
        yield Shot(image, time.time(), self.name, damaged=damaged)

    def _bytes(self) -> bytes:
        data, began = bytearray(), time.monotonic()
        for chunk in self._connection.chunks():
            data += chunk
            if len(data) > MOST_BYTES:
                raise SourceError(f"{self.name}: a picture of more than {MOST_BYTES >> 20} MB")
            if time.monotonic() - began > WHOLE_S:
                raise SourceError(f"{self.name}: a picture that was not whole after {WHOLE_S:g} s")
        return bytes(data)
