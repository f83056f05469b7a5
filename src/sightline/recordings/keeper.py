"""What a stream's recorder does in threads, one at a time: the memory of the last seconds, and files.

An ``Outcome`` of each batch goes back to the loop, so that every frame is counted once, there.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median_low

from sightline.core.errors import FAULTS, BadImage, SightlineError, told
from sightline.recordings.index import NO_CAMERA, NOT_ASKED, UNWRITABLE, Gap, Index
from sightline.recordings.mp4 import PictureFrames
from sightline.recordings.segment import OpenSegment
from sightline.recordings.shelf import Shelf
from sightline.recordings.take import Take

log = logging.getLogger(__name__)

MOST_RING = 64 << 20
"""Bytes of one stream that wait in memory for something to happen; above it fewer seconds do."""
PROGRESS_S = 2.0
"""Time between two notes in the index of how far a segment is."""
QUIET_S = 5.0
"""Seconds without a picture after which a segment is closed."""
GAP_S = 3.0
"""Shortest time without a recording that counts as a gap."""
PATIENCE = 3.0
"""Times the time from one picture of a camera to the next after which one is missing."""
MOST_PATIENCE_S = 60.0
"""Time for which a segment waits for the next picture, at most: its camera may be slow, or it is the first one."""
FULL, NO_KEY, UNDECODABLE, FAILED = "disk full", "no key frame", "undecodable", "failed"
"""Why frames are lost: there is no room; the first packets can't be decoded without those before; no picture; a fault
of ours."""


@dataclass
class Tick:
    """Time passed. ``keep``: what comes would be recorded. ``why``: why nothing comes. ``on``: what comes may be."""

    keep: bool
    why: str
    on: bool = True


@dataclass
class Happened:
    """Something happened at a time on the clock of the frames."""

    at: float


@dataclass
class Outcome:
    """What became of frames, to be added to the figures."""

    recorded: int = 0
    """Those that had waited in memory and are recorded after all."""
    done: int = 0
    """Those that were handed over to be recorded and no longer wait."""
    written: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    open: bool = False
    """A segment is being written, or something waits in memory."""


class Keeper:
    """Files of one stream."""

    def __init__(self, stream: str, shelf: Shelf, before_s: float) -> None:
        """``before_s``: seconds that wait in memory."""
        self._stream, self._shelf, self._before_s = stream, shelf, before_s
        self._segment: OpenSegment | None = None
        self._closing: deque[OpenSegment] = deque()
        """Segments to which only lines are added."""
        self._pictures = PictureFrames()
        self._ring: deque[Take] = deque()
        self._unsaid: deque[Take] = deque()
        self._ring_bytes = 0
        self._noted = self._wrote = 0.0
        self._ended: tuple[float, str] | None = None
        """When the last segment ended, and why."""
        self._last_at: float | None = None
        self._paces: deque[float] = deque(maxlen=3)
        """Seconds between the last pictures. The middle one counts: neither a gap nor a burst is a pace."""
        self._outcome = Outcome()

    def work(self, batch: Sequence[Take | Tick | Happened], *, last: str = "") -> Outcome:
        """Handle what came, in order. ``last``: nothing more will come, for this reason. Raises nothing."""
        self._outcome = Outcome()
        for one in batch:
            try:
                if isinstance(one, Take):
                    self._take(one)
                elif isinstance(one, Tick):
                    self._tick(one)
                else:
                    self._happened(one)
            except FAULTS as e:  # a fault of ours must not end the recording
                log.exception("stream %s: a frame can't be recorded", self._stream)
                self._abandon(e)
        if last:
            self._close(last)
            self._forget()
        self._write_lines(last=bool(last))
        self._outcome.open = self._segment is not None or bool(self._ring or self._closing)
        return self._outcome

    def _write_lines(self, *, last: bool) -> None:
        """Write what became of frames as far as it is known, and close segments that have all of their lines."""
        while self._unsaid and self._unsaid[0].settled:
            self._unsaid.popleft().say()
        while self._closing:
            segment = self._closing[0]
            try:
                segment.flush(last=last)
                if segment.awaits:
                    return
                row, seen = segment.close()
            except FAULTS as e:
                self._abandon(e, segment)
            else:
                self._closing.popleft()
                self._shelf.later(partial(Index.update, segment=row, summary=seen))
        if self._segment is not None:
            try:
                self._segment.flush()
            except FAULTS as e:
                self._abandon(e)
            else:
                if time.monotonic() - self._noted > PROGRESS_S:
                    self._note()

    def _take(self, take: Take) -> None:
        self._unsaid.append(take)
        if not take.keep:
            self._close(NOT_ASKED)
            self._remember(take)
            return
        self._outcome.done += 1
        self._recall()
        self._record(take)

    def _remember(self, take: Take) -> None:
        """Keep a frame in memory for a while. The first one is one with which a video can begin."""
        try:
            take.shrink()
        except BadImage:
            return
        self._ring.append(take)
        self._ring_bytes += take.bytes
        oldest = take.at - self._before_s
        while self._ring and (self._ring[0].at < oldest or self._ring_bytes > MOST_RING or not _begins(self._ring[0])):
            following = next((i for i, one in enumerate(self._ring) if i and _begins(one)), None)
            needed = following is None or (self._ring[following].at > oldest and self._ring_bytes <= MOST_RING)
            if _begins(self._ring[0]) and needed and self._ring_bytes <= MOST_RING:
                return  # what follows can't be shown without it
            self._ring_bytes -= self._ring.popleft().bytes

    def _forget(self) -> None:
        """Let go of what waits in memory."""
        self._ring.clear()
        self._ring_bytes = 0

    def _recall(self) -> None:
        """Record what waits in memory: something happened."""
        while self._ring:
            take = self._ring.popleft()
            self._outcome.recorded += 1
            take.event = True
            self._record(take)
        self._ring_bytes = 0

    def _record(self, take: Take) -> None:
        """Write a frame, or count why not."""
        if self._last_at is not None:
            self._paces.append(abs(take.at - self._last_at))
        self._last_at = take.at
        if self._shelf.barred:
            self._close(UNWRITABLE)
            self._outcome.lost[FULL] += 1
            return
        try:
            if self._segment is not None and not self._segment.takes(take, self._patience_s):
                self._close("")
            if self._segment is None:
                if not _begins(take):
                    self._outcome.lost[NO_KEY] += 1
                    return
                self._segment = self._begin(take)
            self._segment.add(take, self._pictures)
        except BadImage:
            self._outcome.lost[UNDECODABLE] += 1
        except FAULTS as e:
            self._outcome.lost[self._abandon(e)] += 1
        else:
            self._outcome.written += 1
            self._wrote = time.monotonic()
            self._shelf.full = None

    def _begin(self, take: Take) -> OpenSegment:
        segment = self._shelf.begin(self._stream, take)
        ended, self._ended = self._ended or self._shelf.ended(self._stream), None
        least = max(GAP_S, self._usual_s) if ended is not None and ended[1] == NO_CAMERA else GAP_S
        if ended is not None and ended[1] not in ("", NOT_ASKED) and take.at - ended[0] > least:
            self._shelf.gap(self._stream, Gap(ended[0], take.at, ended[1]))
        self._noted = 0.0  # the first frames are listed at once: somebody may be told of their clip
        return segment

    def _note(self) -> None:
        assert self._segment is not None
        row, seen = self._segment.progress()
        self._noted = time.monotonic()
        self._shelf.later(lambda index: index.update(row, seen))

    def _close(self, why: str) -> None:
        """Close the segment, if there is one, once all of its lines are known."""
        segment, self._segment = self._segment, None
        if segment is not None:
            self._ended = segment.row.ended_at, why
            self._closing.append(segment)

    def _abandon(self, error: BaseException, segment: OpenSegment | None = None) -> str:
        """Give up a segment that could not be written; what is whole of it stays. Return why more is lost.

        ``segment``: one that was closing; else it is the newest.
        """
        if segment is None:
            segment, self._segment = self._segment, None
        else:
            self._closing.remove(segment)
        full = isinstance(error, OSError | sqlite3.Error | SightlineError)
        why = FULL if full else FAILED
        if full:
            self._shelf.fail(error)
        else:
            log.error("stream %s: recording failed: %s", self._stream, told(error))
        if segment is not None:
            segment.abandon()
            self._ended = (segment.row.ended_at, why)
            gone = segment.row.frames - self._shelf.settle(segment.row)
            self._outcome.written -= gone
            self._outcome.lost[why] += gone
        return why

    def _tick(self, tick: Tick) -> None:
        if tick.keep:
            self._recall()
        elif self._segment is not None and tick.why == NOT_ASKED:
            self._close(NOT_ASKED)
        if not tick.on:
            self._forget()
        patience = QUIET_S if tick.why else max(QUIET_S, self._patience_s)
        if self._segment is not None and time.monotonic() - self._wrote > patience:
            self._close(tick.why or NO_CAMERA)

    @property
    def _usual_s(self) -> float:
        """Seconds within which the next picture comes, if none is missing; 0 where nobody knows yet."""
        return PATIENCE * median_low(self._paces) if self._paces else 0.0

    @property
    def _patience_s(self) -> float:
        """Seconds for which a segment waits for the next picture."""
        return min(self._usual_s, MOST_PATIENCE_S) if self._paces else MOST_PATIENCE_S

    def _happened(self, happened: Happened) -> None:
        if self._segment is not None:
            self._segment.row.event = True
        start = happened.at - self._before_s
        self._shelf.later(lambda index: index.happened(self._stream, start, happened.at))


def _begins(take: Take) -> bool:
    """Whether a video can begin with it."""
    return take.packet is None or take.packet.key
