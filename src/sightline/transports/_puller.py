"""A source that the server pulls: a thread reads and decodes it. Its pictures are published like any camera's."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from sightline.core.errors import FAULTS, BadImage
from sightline.media import codecs
from sightline.recordings.tee import Tee
from sightline.sources._reconnecting import ReconnectingSource
from sightline.sources.base import IDLE_S, Shot
from sightline.streams.adaptive.knobs import Knobs
from sightline.streams.adaptive.service import begin
from sightline.streams.hub import Hub
from sightline.streams.ingest import Ingest
from sightline.streams.publisher import Publisher
from sightline.streams.stream import Stream
from sightline.wire.messages import Adapt

log = logging.getLogger(__name__)

BROKEN_S = 5.0
"""Pause in seconds after an unexpected error."""


class Puller(Publisher):
    """Publisher of a source that the server reads. It has no use for results itself."""

    pulled = True

    def __init__(self, hub: Hub, name: str, spec: str, *, foreign: bool) -> None:
        """``foreign``: a client has named the source."""
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._stream: Stream | None = hub.take(name, self)
        self._stream.pause("connecting")
        self.gone = asyncio.Event()
        """Set once the thread has ended."""
        self._name = name
        self._ingest = Ingest(self._stream, hub.settings)
        self._closed = threading.Event()
        self._taken = threading.Event()
        self._seq = 0
        self._wish: Adapt | None = None
        self._due = 0.0
        """Time for the next picture on ``time.monotonic()``."""
        self._given: tuple[Shot | None, float] = None, 0.0
        """The last picture that was handed over, and when."""
        self._spared = 0
        """How many were not since, as nobody wanted them."""
        self._recorder = self._stream.recorder
        tee = None if self._recorder is None else Tee(self._recorder)
        self._source = ReconnectingSource(
            spec,
            patient=True,
            tell=self._tell,
            lose=self._lose,
            undecoded=True,
            foreign=foreign,
            tee=tee,
            data=hub.cameras.data_folder,
        )
        threading.Thread(target=self._run, name=f"pull {name}", daemon=True).start()

    # Called by the stream

    def ask(self, message: Adapt) -> None:
        """Convert pictures here from now on, as nothing can be asked of the camera itself."""
        self._wish = message

    def close(self, reason: str) -> None:
        """Stop reading."""
        self._closed.set()
        self._taken.set()
        self._source.close()

    def look(self) -> None:
        """Tell the source whether anybody wants pictures."""
        if self._stream is not None and self._stream.adaptive.asks:  # its first picture came
            wanted = self._stream.wanted
            if self._source.idle is wanted:
                self._source.idle = not wanted

    def leave(self) -> None:
        """Give the stream back."""
        if self._stream is not None:
            self._hub.release(self._stream, self)
            self._stream = None

    # In the thread

    def _run(self) -> None:
        try:
            self._read()
        finally:
            self._on_loop(self.gone.set)

    def _read(self) -> None:
        while not self._closed.is_set():
            try:
                for shot in self._source:
                    if self._needless(shot):
                        self._spared += 1
                    elif not self._is_time():
                        self._lose("adapted", 1)
                    elif (asked := self._as_asked(shot)) is not None:
                        self._hand_over(asked)
                    if self._closed.is_set():
                        return
            except FAULTS as e:  # one camera must not stop the others
                # Only the kind is told, as the rest may contain the address.
                self._tell(f"reading failed ({type(e).__name__})")
                self._on_loop(self._count)
                self._closed.wait(BROKEN_S)
            else:
                self._tell_spared()
                self._on_loop(self._ended)
                return

    def _tell(self, reason: str | None) -> None:
        """Pass on the reason why there are no pictures, or None when they come."""
        self._on_loop(lambda: self._came_or_went(reason))

    def _lose(self, reason: str, count: int) -> None:
        """Pass on that pictures came and were left out."""
        self._on_loop(lambda: self._left_out(reason, count))

    def _needless(self, shot: Shot) -> bool:
        """Return whether nobody wants a picture that came once more: to wake the loop for it costs more than all else.

        One a second is handed over all the same, and what records has to hear of each.
        """
        last, at = self._given
        if shot.fresh or not self._source.idle or last is None or time.monotonic() - at >= IDLE_S:
            return False
        known = shot.image is last.image and shot.undecoded is None
        return known and (self._recorder is None or not self._recorder.on)

    def _tell_spared(self) -> None:
        if self._spared:
            spared, self._spared = self._spared, 0
            self._lose("unwatched", spared)

    def _is_time(self) -> bool:
        now = time.monotonic()
        if self._wish is not None:
            gap = 1 / self._wish.fps
            if now < self._due:
                return False
            self._due = max(self._due, now - gap) + gap
        return True

    def _as_asked(self, shot: Shot) -> Shot | None:
        """Return the picture as it is asked for, or as it came; None for one that can't be decoded for that."""
        wish, image = self._wish, shot.image
        if wish is None or not shot.fresh:
            return shot
        if shot.undecoded is not None:
            longest = max(shot.undecoded.width, shot.undecoded.height)
            if wish.width >= longest and round(wish.quality * 100) >= self._hub.settings.jpeg_quality:
                return shot
            try:
                image = codecs.decode(shot.undecoded, at_least=wish.width)
            except BadImage:
                self._lose("undecodable", 1)
                return None
        return replace(shot, image=codecs.shrink(image, wish.width), undecoded=None)

    def _hand_over(self, shot: Shot) -> None:
        """Hand a picture to the loop and wait until it is taken, so that nothing piles up while the loop is busy."""
        self._tell_spared()
        self._given = shot, time.monotonic()
        self._taken.clear()
        self._on_loop(lambda: self._put(shot))
        self._taken.wait()

    def _on_loop(self, work: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(work)
            return
        self.close("the server has stopped")

    # On the loop

    def _put(self, shot: Shot) -> None:
        self._taken.set()
        if self._stream is None:
            return
        if not self._stream.adaptive.asks:
            self._begin(self._stream, shot)
        if self._stream.wanted and not shot.fresh:  # somebody has just come; the next picture is fresh
            self._left_out("unwatched", 1)
            return
        seq, self._seq = self._seq, self._seq + 1
        image = shot.image if shot.undecoded is None else shot.undecoded
        damaged = shot.damaged and shot.fresh
        self._ingest.put_image(seq, time.time(), 0.0, image, quality=self._quality, damaged=damaged, pts=shot.pts)

    def _left_out(self, reason: str, count: int) -> None:
        if self._stream is not None:
            self._stream.lose(reason, count)

    def _begin(self, stream: Stream, first: Shot) -> None:
        settings = self._hub.settings
        sends = Knobs(settings.max_fps, settings.jpeg_quality / 100, max(first.image.shape[:2]))
        begin(stream, settings, sends=sends)

    @property
    def _quality(self) -> int:
        return self._hub.settings.jpeg_quality if self._wish is None else round(self._wish.quality * 100)

    def _came_or_went(self, reason: str | None) -> None:
        if self._stream is None or self._stream.paused == reason:
            return
        if reason is None:
            log.info("stream %s: pictures come", self._name)
        else:
            log.warning("stream %s: %s; trying again", self._name, reason)
        self._stream.pause(reason)

    def _count(self) -> None:
        self._hub.supervisor.restarts[f"pull {self._name}"] += 1

    def _ended(self) -> None:
        log.info("stream %s: the source has ended", self._name)
        self.leave()
