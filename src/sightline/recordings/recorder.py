"""What is recorded of one stream: frames with what became of them, on their way to a thread. On the loop only."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from math import inf
from typing import Literal, TypeAlias

from sightline.core.events import Event
from sightline.core.types import Frame, FrameResult
from sightline.recordings.keeper import NO_CAMERA, NOT_ASKED, Happened, Keeper, Outcome, Tick
from sightline.recordings.mp4 import Copied
from sightline.recordings.take import Take

Mode: TypeAlias = Literal["off", "events", "always"]
Kept: TypeAlias = Literal["off", "clips", "events", "always"]
"""What is recorded at the moment. ``clips``: only for rules that keep them."""

EPOCH = time.time() - time.monotonic()
"""As streams have it: see ``streams.ingest``."""
MOST_PENDING = 128
"""Frames of a stream whose fate is awaited. Those before are recorded without a result."""
HELD_S = 5.0
"""Longest time for which it is."""
MOST_QUEUED, MOST_QUEUED_BYTES = 512, 64 << 20
"""What waits for the thread of one stream at most. Above it frames are lost, and counted."""
GATHER_S, MANY = 0.2, 32
"""Time for which frames are gathered before they are handed to a thread, and how many go at once."""
MOST_EVENT_S = 300.0
"""Time for which something that lasts is recorded: what stays for ever must not fill the disk."""
MOST_LASTING = 256
MOST_INBOX = 4096
"""Packets that wait for the loop."""
ODD_S = 60.0
"""Difference from a camera's clock to that of its frames at which an event counts as of now."""
OVERLOAD, LATE = "overload", "late"


class Recorder:
    """Figures and state of one stream's recording. recorded = written + lost + waiting, always, exactly."""

    def __init__(self, stream: str, keeper: Keeper, pool: Executor, after_s: float, mode: Callable[[], Kept]) -> None:
        """``after_s``: seconds that are recorded after something happened. ``mode``: what is recorded at the moment."""
        self.stream = stream
        self.recorded = self.written = self.waiting = 0
        self.lost: Counter[str] = Counter()
        self.why = NO_CAMERA
        """Why nothing comes, if nothing comes."""
        self._keeper, self._pool, self._after_s, self._mode = keeper, pool, after_s, mode
        self._loop = asyncio.get_running_loop()
        self._hand: float | None = None
        """``time.monotonic()`` until which somebody had it recorded by hand."""
        self._until = -inf
        self._lasting: dict[str, float] = {}
        self._pending: deque[Take] = deque()
        self._frames: dict[Frame, Take] = {}
        self._packets: dict[int, Take] = {}
        self._inbox: deque[tuple[Copied, float]] = deque(maxlen=MOST_INBOX)
        self._queue: list[Take | Tick | Happened] = []
        self._queued_bytes = 0
        self._broken = False
        """Packets until the next key frame are of no use, as one was lost."""
        self._working = self._due = False
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

    # What comes

    def packet(self, packet: Copied, at: float) -> None:
        """Take a packet as a camera sent it, before the frame that is decoded from it. Any thread may call."""
        self._inbox.append((packet, at))

    def offer(self, frame: Frame) -> None:
        """Take a frame: ``settle`` has to follow."""
        self._drain()
        if not self.on:
            return
        at = round(frame.received_at + EPOCH if frame.captured_here is None else frame.captured_here, 6)
        take = None if frame.pts is None else self._packets.get(frame.pts)
        if frame.pts is None:
            take = Take(at, frame.image, came=time.monotonic())
            self._pending.append(take)
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
        if self._open:
            asked = self._keeps(time.time())
            self._queue.append(Tick(asked and self.on, why if asked else NOT_ASKED, on=self.on))
            self._go_on()

    # On to the thread

    def _drain(self) -> None:
        """Take the packets that came from the other thread."""
        while self._inbox:
            packet, at = self._inbox.popleft()
            if self.on:
                take = Take(at, packet=packet, came=time.monotonic())
                self._pending.append(take)
                self._packets[packet.pts] = take

    def _settle_before(self, take: Take) -> None:
        """Packets that are shown before a frame that came were not decoded."""
        assert take.packet is not None
        for one in self._pending:
            if one is take:
                break
            if one.packet is not None and one.packet.pts < take.packet.pts and one.frame is None:
                one.dropped, one.settled = one.dropped or "not decoded", True

    def _flush(self) -> None:
        """Hand over the frames of which everything is known, in their order."""
        now = time.monotonic()
        while self._pending:
            take = self._pending[0]
            overdue = now - take.came > HELD_S or len(self._pending) > MOST_PENDING
            if not take.settled and not overdue:
                return
            self._pending.popleft()
            if not take.settled:
                take.dropped = LATE if take.frame is not None else "not decoded"
            if take.frame is not None:
                self._frames.pop(take.frame, None)
                take.frame = None
            if take.packet is not None and self._packets.get(take.packet.pts) is take:
                del self._packets[take.packet.pts]
            self._hand_over(take)

    def _keeps(self, at: float) -> bool:
        if self._mode() == "always" or self.by_hand:
            return True
        return self._mode() != "off" and self._happens(at)

    def _happens(self, at: float) -> bool:
        return at <= self._until or any(at < start + MOST_EVENT_S for start in self._lasting.values())

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
        self._soon()

    def _soon(self) -> None:
        """Hand over what waits, several frames at a time: each time costs as much as some packets."""
        self._idle.clear()
        if len(self._queue) >= MANY:
            self._go_on()
        elif not self._due:
            self._due = True
            self._loop.call_later(GATHER_S, self._gathered)

    def _gathered(self) -> None:
        self._due = False
        if self._queue:
            self._go_on()

    def _go_on(self, last: str = "") -> None:
        if self._working:
            return
        self._working = True
        self._idle.clear()
        batch, self._queue, self._queued_bytes = self._queue, [], 0
        self._pool.submit(self._work, batch, last)

    def _work(self, batch: list[Take | Tick | Happened], last: str) -> None:
        outcome = self._keeper.work(batch, last=last)
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._worked, outcome)

    def _worked(self, outcome: Outcome) -> None:
        self._working = False
        self.recorded += outcome.recorded
        self.waiting -= outcome.done
        self.written += outcome.written
        self.lost.update({why: count for why, count in outcome.lost.items() if count})
        self._open = outcome.open
        if self._queue:
            self._soon()
        else:
            self._idle.set()

    async def close(self, why: str) -> None:
        """Write what waits, and close the files."""
        self._drain()
        for take in self._pending:
            take.settled, take.dropped = True, take.dropped or "closed"
        self._flush()
        self._ended = True
        while self._working or self._queue:
            self._go_on()
            await self._idle.wait()
        self._go_on(last=why)
        await self._idle.wait()
