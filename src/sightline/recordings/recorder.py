"""What is recorded of one stream: frames with what became of them, on their way to a thread. On the loop only."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Literal, TypeAlias

from sightline.core.events import Event
from sightline.core.types import Frame, FrameResult
from sightline.recordings.index import NO_CAMERA, NOT_ASKED
from sightline.recordings.keeper import Happened, Keeper, Outcome, Tick
from sightline.recordings.mp4 import Copied
from sightline.recordings.take import Take
from sightline.recordings.writer_threads import WriterThreads

Mode: TypeAlias = Literal["off", "events", "always"]
Kept: TypeAlias = Literal["off", "clips", "events", "always"]
"""What is recorded at the moment. ``clips``: only for rules that keep them."""

EPOCH = time.time() - time.monotonic()
"""As streams have it: see ``streams.ingest``."""
MOST_AWAITED = 128
"""Frames of a stream whose fate is awaited. Those before are recorded without a result."""
RESULT_S = 3.0
"""Longest time for which it is. Pictures are written before it is known."""
DECODED_S = 0.3
"""Longest time for which a packet waits for what is known of its picture once it is decoded.

A picture waits as long for its model, which would be slower while it is encoded."""
MOST_QUEUED, MOST_QUEUED_BYTES = 512, 64 << 20
"""What waits for the thread of one stream at most. Above it frames are lost, and counted."""
MANY = 32
"""Packets that are handed to a thread before the next tick: each time costs as much as some of them.

Pictures go at once, as encoding many at a time would keep a core from all else for as long."""
MOST_EVENT_S = 300.0
"""Time for which something that lasts is recorded: what stays for ever must not fill the disk."""
MOST_LASTING = 256
MOST_INBOX = 4096
"""Packets that wait for the loop, of ``MOST_QUEUED_BYTES`` in all. Above it they are lost, and counted."""
ODD_S = 60.0
"""Difference from a camera's clock to that of its frames at which an event counts as of now."""
OVERLOAD, LATE = "overload", "late"


class Recorder:
    """Figures and state of one stream's recording. recorded = written + lost + waiting, always, exactly."""

    def __init__(
        self, stream: str, keeper: Keeper, writers: WriterThreads, after_s: float, mode: Callable[[], Kept]
    ) -> None:
        """``after_s``: seconds that are recorded after something happened. ``mode``: what is recorded at the moment."""
        self.stream = stream
        self.recorded = self.written = self.waiting = 0
        self.lost: Counter[str] = Counter()
        self.why = NO_CAMERA
        """Why nothing comes, if nothing comes."""
        self._keeper, self._writers, self._after_s, self._mode = keeper, writers, after_s, mode
        self._hand: float | None = None
        """``time.monotonic()`` until which somebody had it recorded by hand."""
        self._until = -inf
        self._lasting: dict[str, float] = {}
        self._awaited: deque[Take] = deque()
        """Frames of which it is not known what becomes of them."""
        self._coming: deque[Take] = deque()
        """Frames that are not handed over: pictures of packets may not be decoded yet."""
        self._frames: dict[Frame, Take] = {}
        self._packets: dict[int, Take] = {}
        self._arriving = threading.Lock()
        self._inbox: list[Take] = []
        self._inbox_bytes = 0
        self._missed = 0
        """Packets for which the inbox had no room, all of them later than those in it."""
        self._queue: list[Take | Tick | Happened] = []
        self._queued_bytes = 0
        self._pressing = False
        """A picture is among them."""
        self._broken = False
        """Packets until the next key frame are of no use, as one was lost."""
        self._working = False
        self._open = False
        self._last_at = 0.0
        self._idle = asyncio.Event()
        self._idle.set()
        self._ended = False
        """Nothing more is taken."""

    @property
    def by_hand(self) -> bool:
        """Whether somebody has it recorded."""
        return self._hand is not None and time.monotonic() < self._hand

    @property
    def on(self) -> bool:
        """Whether frames are of any use here. Any thread may ask."""
        return not self._ended and (self._mode() != "off" or self.by_hand)

    @property
    def wants_results(self) -> bool:
        """Whether the stream is inferred for the recording's sake: all of it is kept."""
        return not self._ended and (self._mode() == "always" or self.by_hand)

    @property
    def recording(self) -> bool:
        """Whether what comes is recorded."""
        return self.on and self._keeps(self._last_at)

    def hand(self, seconds: float | None) -> None:
        """Record for so long; None: until it is told to stop; 0: no more."""
        self._hand = time.monotonic() + (inf if seconds is None else seconds) if seconds != 0 else None
        self.tick(self.why)

    def hold(self, seconds: float) -> None:
        """Record for so long at least; by hand it may go on."""
        until = time.monotonic() + seconds
        if self._hand is None or self._hand < until:
            self.hand(seconds)

    # What comes

    def packet(self, packet: Copied, at: float) -> None:
        """Take a packet as a camera sent it, before the frame that is decoded from it. Any thread may call."""
        take = Take(at, packet=packet, came=time.monotonic())
        with self._arriving:
            room = len(self._inbox) < MOST_INBOX and self._inbox_bytes + len(packet.data) <= MOST_QUEUED_BYTES
            if room and not self._missed:
                self._inbox.append(take)
                self._inbox_bytes += len(packet.data)
            else:
                self._missed += 1

    def offer(self, frame: Frame) -> None:
        """Take a frame: ``settle`` has to follow."""
        self._drain()
        if not self.on:
            return
        at = round(frame.received_at + EPOCH if frame.captured_here is None else frame.captured_here, 6)
        take = None if frame.pts is None else self._packets.get(frame.pts)
        if frame.pts is None:
            take = Take(at, frame.image, came=time.monotonic())
            self._await(take)
        elif take is None:  # it was decoded from a packet that came before anybody recorded
            return
        else:
            take.at, take.image = at, frame.image
            self._settle_before(take)
        take.seq, take.frame = frame.seq, frame
        self._frames[frame] = take
        self._flush()

    def settle(self, frame: Frame, result: FrameResult | None = None, dropped: str = "") -> None:
        """Take what became of a frame: its result, or why it has none."""
        take = self._frames.pop(frame, None)
        if take is not None:
            take.result, take.dropped, take.settled = result, dropped, True
            self._flush()

    def happened(self, event: Event) -> bool:
        """Something happened in the stream: record on, and what was just before. Return whether it is recorded."""
        every = self._mode() != "clips" or self.by_hand
        if not self.on or not (every or "clip" in event.actions or event.id in self._lasting):
            return False
        now = self._last_at or time.time()
        at = event.at if abs(event.at - now) < ODD_S else now
        if event.phase == "end":
            self._lasting.pop(event.id, None)
        elif event.phase == "start" and len(self._lasting) < MOST_LASTING:
            self._lasting[event.id] = at
        self._until = max(self._until, at + self._after_s)
        self._queue.append(Happened(at))
        self._go_on()
        return True

    def tick(self, why: str) -> None:
        """Time passed. ``why``: why nothing comes, if nothing comes."""
        self.why = why
        self._drain()
        self._flush()
        if self._open or self._queue:
            asked = self._keeps(time.time())
            self._queue.append(Tick(asked and self.on, why if asked else NOT_ASKED, on=self.on))
            self._go_on()

    # On to the thread

    def _drain(self) -> None:
        """Take the packets that came from the other thread."""
        if not self._inbox and not self._missed:  # as it is between two packets
            return
        with self._arriving:
            inbox, self._inbox, self._inbox_bytes = self._inbox, [], 0
            missed, self._missed = self._missed, 0
        if not self.on:
            return
        for take in inbox:
            assert take.packet is not None
            self._await(take)
            self._packets[take.packet.pts] = take
        if missed:
            self._flush(at_once=True)
            self._lose(missed)

    def _lose(self, count: int) -> None:
        """Count packets that were lost after those that came, if they were to be recorded."""
        lost = count * self._keeps(self._last_at)
        self.recorded += lost
        self.lost[OVERLOAD] += lost
        self._broken = True

    def _await(self, take: Take) -> None:
        self._awaited.append(take)
        self._coming.append(take)

    def _settle_before(self, take: Take) -> None:
        """Packets that are shown before a frame that came were not decoded."""
        assert take.packet is not None
        for one in self._awaited:
            if one is take:
                break
            if one.packet is not None and one.packet.pts < take.packet.pts and one.frame is None:
                one.dropped, one.settled = one.dropped or "not decoded", True

    def _flush(self, *, at_once: bool = False) -> None:
        """Hand over the pictures of which all is known but the results. ``at_once``: all pictures."""
        now = time.monotonic()
        while self._awaited:
            first = self._awaited[0]
            overdue = now - first.came > RESULT_S or len(self._awaited) > MOST_AWAITED
            if not first.settled and not overdue:
                break
            self._conclude(self._awaited.popleft())
        while self._coming:
            first = self._coming[0]
            known = first.settled or (first.packet is not None and first.frame is not None)
            if not known and not at_once and now - first.came < DECODED_S:
                break
            self._hand_over(self._coming.popleft())

    def _conclude(self, take: Take) -> None:
        """Nothing more will be known of a frame."""
        if not take.settled:
            take.dropped = LATE if take.frame is not None else "not decoded"
            take.settled = True
        if take.frame is not None:
            self._frames.pop(take.frame, None)
            take.frame = None
        if take.packet is not None and self._packets.get(take.packet.pts) is take:
            del self._packets[take.packet.pts]

    def _keeps(self, at: float) -> bool:
        if self._mode() == "always" or self.by_hand:
            return True
        return self._mode() != "off" and self._happens(at)

    def _happens(self, at: float) -> bool:
        if at <= self._until or not self._lasting:
            return at <= self._until
        return any(at < start + MOST_EVENT_S for start in self._lasting.values())

    def _hand_over(self, take: Take) -> None:
        self._last_at = take.at
        take.keep, take.event = self._keeps(take.at), self._happens(take.at)
        size = take.bytes
        key = take.packet is None or take.packet.key
        full = len(self._queue) >= MOST_QUEUED or self._queued_bytes + size > MOST_QUEUED_BYTES
        self._broken = full or (self._broken and not key)
        self.recorded += take.keep
        if self._broken:
            self.lost[OVERLOAD] += take.keep
            return
        self.waiting += take.keep
        self._queue.append(take)
        self._queued_bytes += size
        self._pressing |= take.packet is None
        self._idle.clear()
        if self._due:
            self._go_on()

    @property
    def _due(self) -> bool:
        """Whether what waits for a thread goes there before the next tick."""
        return self._pressing or len(self._queue) >= MANY

    def _go_on(self, last: str = "") -> None:
        if self._working:
            return
        self._working = True
        self._idle.clear()
        batch, self._queue, self._queued_bytes, self._pressing = self._queue, [], 0, False
        self._writers.give(partial(self._keeper.work, batch, last=last), self._worked)

    def _worked(self, outcome: Outcome) -> None:
        self._working = False
        self.recorded += outcome.recorded
        self.waiting -= outcome.done
        self.written += outcome.written
        self.lost.update({why: count for why, count in outcome.lost.items() if count})
        self._open = outcome.open
        if self._due:
            self._go_on()
        else:
            self._idle.set()

    async def close(self, why: str) -> None:
        """Write what waits, and close the files."""
        self._drain()
        for take in self._awaited:
            if not take.settled:
                take.dropped, take.settled = "closed", True
        self._flush(at_once=True)
        self._ended = True
        while self._working or self._queue:
            self._go_on()
            await self._idle.wait()
        self._go_on(last=why)
        await self._idle.wait()
