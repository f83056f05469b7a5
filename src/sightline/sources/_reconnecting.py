"""Sources that keep going: reopened when they fail, paced by their own clock, restarted at their end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sightline.core.backoff import Backoff
from sightline.core.errors import FAULTS, SourceError, SourceRefused
from sightline.core.mailbox import Pipe
from sightline.sources.base import IDLE_S, Lose, Shot, Source, Tee, open_source, poll_s, unnoticed

log = logging.getLogger(__name__)

FIRST_S = 0.5
"""Seconds between the first two tries to open a source. Each further wait doubles; all are shortened at random by up to
half."""
MOST_S = 15.0
"""Longest wait in seconds between two tries to open a source."""
REFUSED_S = 300.0
"""The same for one that refuses; the first of these waits is MOST_S."""
REFUSED = f"it is asked ever more rarely, at last every {REFUSED_S / 60:g} minutes"
LOOP = "#loop"


def plain(spec: str) -> str:
    """``spec`` without the option ``#loop`` at its end."""
    return spec.removesuffix(LOOP)


class ReconnectingSource:
    """Pictures of a source. Iterate it in one thread; ``close`` ends it from any other.

    Pictures of a live source come at its own pace, at most ``fps``; after a failure it is reopened, for ever. Pictures
    of other sources come by their own clock (or at ``fps``), once or in a loop.
    """

    def __init__(
        self,
        spec: str,
        *,
        source: Source | None = None,
        loop: bool = False,
        fps: float | None = None,
        patient: bool = False,
        tell: Callable[[str | None], None] = lambda reason: None,
        lose: Lose = unnoticed,
        undecoded: bool = False,
        foreign: bool = False,
        tee: Tee | None = None,
        data: Callable[[], Path] | None = None,
    ) -> None:
        """``source`` is the source of ``spec`` if it is open already. ``patient`` retries even if it never opened.

        ``loop`` restarts a source at its end, as does ``#loop`` at the end of ``spec``. ``tell`` is called in the
        iterating thread, with the reason why there are no pictures, and with None once they come. ``lose`` is told what
        is left out, as ``Source.lose`` is. ``undecoded``: see ``Shot.undecoded``. ``foreign`` and ``data``: see
        ``open_source``. ``tee`` gets the packets of sources that have any.
        """
        self._idle = False
        self._open: Source | None = None
        self._spec = plain(spec)
        self._loop = loop or spec.endswith(LOOP)
        self._source = source
        self._fps = fps
        self._patient = patient
        self._tell = tell
        self._lose = lose
        self._undecoded = undecoded
        self._foreign = foreign
        self._tee, self._data = tee, data
        self._closed = threading.Event()
        self._came = False
        """Whether pictures came since the source was opened."""
        self._live = False
        """Whether the source was live when it was last open."""
        self._failed = Backoff(FIRST_S, MOST_S, jitter=0.5)
        self._refused = Backoff(MOST_S, REFUSED_S, jitter=0.5)

    @property
    def idle(self) -> bool:
        """Settable from any thread: True while nobody wants pictures. Most pictures are then not fresh."""
        return self._idle

    @idle.setter
    def idle(self, idle: bool) -> None:
        self._idle = idle
        source = self._open
        if source is not None:
            source.idle = idle

    def close(self) -> None:
        """End the iteration. A reader that waits for the network notices when data comes or its timeout passes."""
        self._closed.set()

    def __iter__(self) -> Iterator[Shot]:
        """Yield the pictures. Raises SourceError if trying again is of no use."""
        while not self._closed.is_set():
            self._came = False
            began = time.monotonic()
            try:
                with self._source or open_source(self._spec, foreign=self._foreign, data=self._data) as source:
                    source.lose, source.idle, self._open = self._lose, self._idle, source
                    if self._undecoded and hasattr(source, "undecoded"):
                        source.undecoded = True
                    if hasattr(source, "tee"):
                        source.tee = self._tee
                    self._live = source.live or poll_s(source) is not None
                    yield from self._shots(source)
                wished = poll_s(source)
                if wished is not None:
                    self._closed.wait(began + self._poll_s(wished) - time.monotonic())
                    continue
                if not self._loop or self._closed.is_set():
                    return
                if not self._came:
                    raise SourceError(f"{source.name}: there is nothing in it")
            except SourceError as e:
                if not (self._patient or self._live):
                    raise
                self._again(e)
            finally:
                self._source = self._open = None

    def _shots(self, source: Source) -> Iterator[Shot]:
        began = due = time.monotonic()
        at, paced = 0.0, not source.live and poll_s(source) is None
        for i, shot in enumerate(source):
            if paced:
                at = shot.timestamp if self._fps is None else i / self._fps
                self._closed.wait(began + at - time.monotonic())
            elif source.live and self._fps is not None:
                if time.monotonic() < due:
                    continue
                due = max(due + 1 / self._fps, time.monotonic() - 1 / self._fps)
            if self._closed.is_set():
                return
            if not self._came:
                self._came = True
                self._failed.reset()
                self._refused.reset()
                self._tell(None)
            yield shot
        fps = self._fps or source.fps
        if self._loop and paced and fps:  # the last one is shown as long as the others
            self._closed.wait(began + at + 1 / fps - time.monotonic())

    def _poll_s(self, wished: float) -> float:
        """Seconds between two pictures of a camera that is asked for each."""
        least = 0.0 if self._fps is None else 1 / self._fps
        return max(wished, least, IDLE_S if self.idle else 0.0)

    def _again(self, error: SourceError) -> None:
        refused = isinstance(error, SourceRefused)
        self._tell(f"{error.message}; {REFUSED}" if refused else error.message)
        self._closed.wait((self._refused if refused else self._failed).wait_s())


class LastingSource:
    """A live source, already open, that is reopened whenever it fails."""

    total: int | None = None
    live = True
    images = False
    unreadable = 0
    idle = False

    def __init__(self, spec: str, source: Source) -> None:
        self.lose: Lose = unnoticed
        self.name = source.name
        self.fps = source.fps
        self._pictures = ReconnectingSource(spec, source=source, tell=self._tell, lose=self._left_out)

    def __enter__(self) -> LastingSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._pictures.close()  # the reading thread closes the source, which must not be closed under a hanging read

    def __iter__(self) -> Iterator[Shot]:
        """Yield pictures as they come, for ever."""
        return iter(self._pictures)

    def _left_out(self, reason: str, count: int) -> None:
        self.lose(reason, count)

    def _tell(self, reason: str | None) -> None:
        if reason is not None:
            log.warning("%s; trying again", reason)


class NewestShots:
    """Newest picture of a source, for a reader that is slower than the source. Iterate it once."""

    def __init__(self, source: ReconnectingSource) -> None:
        self._source = source
        self._pipe: Pipe[Shot] = Pipe(1, newest_wins=True)
        self._error: BaseException | None = None

    @property
    def skipped(self) -> int:
        """Number of pictures that were replaced by newer ones."""
        return self._pipe.dropped

    def close(self) -> None:
        """End the iteration, from any thread; a waiting picture is dropped."""
        self._source.close()
        self._pipe.close()

    def __iter__(self) -> Iterator[Shot]:
        """Yield the pictures. Raises the source's exception if there is one."""
        threading.Thread(target=self._read, name="source", daemon=True).start()
        while (shots := self._pipe.get()) is not None:
            yield from shots
        if self._error is not None:
            raise self._error

    def _read(self) -> None:
        try:
            for shot in self._source:
                if not self._pipe.put(shot):
                    return
        except FAULTS as e:  # raised in the iterating thread
            self._error = e
        finally:
            self._pipe.end()
