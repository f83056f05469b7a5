"""State of one SDK call across all its connections: answers for the caller and frames under way."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from sightline.client.answers import Answer, Dropped, Item, Result
from sightline.client.links import Link, Wish
from sightline.client.supply import Form, check, supply
from sightline.core.errors import BadImage, SightlineError, TooLarge, Unreachable
from sightline.core.events import Event
from sightline.wire.messages import Position
from sightline.wire.requests import FrameHead

if TYPE_CHECKING:
    from sightline.client.supply import Pictures

BURST_S = 0.1
"""Seconds of delay that unevenly timed frames may make up for. The server allows a quarter of a second."""

EVENTS = 256
"""Events that wait for a slow listener."""

QUALITY = 80
"""Quality of JPEGs encoded here if neither the caller nor the server asks for one."""

T = TypeVar("T", bound=Answer | Event)


class _Sent(NamedTuple):
    """A frame under way."""

    at: float
    """Time of sending, from ``time.perf_counter()``."""
    size: tuple[int, int] | None
    """Width and height of the caller's picture if a smaller one was sent."""


class Call(ABC, Generic[T]):
    """Answers that have arrived and that the caller has not taken yet."""

    def __init__(self) -> None:
        self._answers: deque[T] = deque()
        self._link: Link | None = None
        self._lost: SightlineError | None = None
        self._changed = asyncio.Event()

    @abstractmethod
    def receive(self, item: Item) -> None:
        """Take what came."""

    def use(self, link: Link | None) -> None:
        """Use this link from now on; None for no link. One may be lost already when it is to be used."""
        self._link = link
        if link is None:
            self._lost = None
        self._changed.set()

    def lost(self, error: SightlineError) -> None:
        """Record that the link is lost. Answers that have arrived are still given out."""
        self._lost = self._lost or error
        self._changed.set()

    def refused(self, error: SightlineError, seq: int | None) -> None:
        """Handle the server's refusal of the stream."""
        self.lost(error)

    def asked(self, wish: Wish) -> None:
        """Handle the server's request for other pictures; callers that send none ignore it."""

    async def next(self) -> T | None:
        """The next answer; None after the last one. Raises the error that ended the link."""
        while not self._answers:
            if self._lost is not None:
                raise self._lost
            if self._ended():
                return None
            self._changed.clear()
            await self._changed.wait()
        self._changed.set()
        return self._answers.popleft()

    def left_behind(self) -> list[T]:
        """Answers for frames that were under way when the link was lost."""
        return []

    def _ended(self) -> bool:
        return False


class SubscribeCall(Call[Result]):
    """A caller that subscribes to results."""

    def __init__(self, backlog: int) -> None:
        super().__init__()
        self._backlog = backlog
        self._missed = 0

    def receive(self, item: Item) -> None:
        """Keep a result that came, and of all the newest."""
        if not isinstance(item, Result):
            return
        if len(self._answers) == self._backlog:
            self._missed += 1 + self._answers.popleft().missed
        item.missed, self._missed = self._missed, 0
        self._answers.append(item)
        self._changed.set()


class EventCall(Call[Event]):
    """A caller that listens for events. It gets each of them, in their order, whatever becomes of the links."""

    def __init__(self, after: int | None = None) -> None:
        """``after``: number of the last event that the caller had."""
        super().__init__()
        self.last = after
        """Number up to which events have come; None where it is not known yet."""
        self._full = False
        """True if an event found no room: it is asked for again over the next link."""

    def use(self, link: Link | None) -> None:
        """Take what comes over this link."""
        self._full = self._full and link is not None
        super().use(link)

    def receive(self, item: Item) -> None:
        """Keep an event that came. Where there is no room the link is given up, until there is."""
        if isinstance(item, Position):
            self.last = item.number
        if not isinstance(item, Event) or self._full or 0 < item.number <= (self.last or 0):
            return
        if len(self._answers) == EVENTS:
            self._full = True
            self.lost(Unreachable(f"{EVENTS} events wait for their caller: the others are asked for later"))
            return
        self.last = item.number or self.last
        self._answers.append(item)
        self._changed.set()


class PublishCall(Call[Answer]):
    """A caller that publishes."""

    def __init__(
        self,
        stream: str,
        pictures: Pictures,
        *,
        pending: int | None,
        quality: int | None,
        obeys: bool,
        told: Callable[[Wish], None],
    ) -> None:
        """Create a call. With ``obeys``, pictures are sent as the server asks. ``told`` is called with each of its
        requests.
        """
        super().__init__()
        self._stream = stream
        self._pending = pending
        self._obeys = obeys
        self._told = told
        self._quality = quality
        self._form = Form(quality or QUALITY)
        self._ready = supply(pictures, self._form)
        self._wish: Wish | None = None
        self._under_way: dict[int, _Sent] = {}
        """Frames that have no answer yet."""
        self._sending: asyncio.Task[None] | None = None
        self._due = 0.0
        """Earliest time for the next frame, from ``time.monotonic()``."""

    def use(self, link: Link | None) -> None:
        """Send over this link from now on."""
        super().use(link)
        if link is not None:
            self.asked(Wish.of(link.limits))
        if self._sending is None and link is not None:
            self._sending = asyncio.create_task(self._send())
            self._sending.add_done_callback(lambda _: self._changed.set())

    def receive(self, item: Item) -> None:
        """Take the answer to a frame that is under way. Frames of an earlier link have been answered already."""
        if not isinstance(item, (Result, Dropped)):
            return
        sent = self._under_way.pop(item.seq, None)
        if sent is not None:
            item.latency_ms = round((time.perf_counter() - sent.at) * 1000, 3)
            if sent.size is not None and isinstance(item, Result):
                item.scale_to(*sent.size)
            self._answers.append(item)
            self._changed.set()

    def refused(self, error: SightlineError, seq: int | None) -> None:
        """Handle a refusal: a picture that the server can't take counts as dropped; other refusals end the call."""
        if seq in self._under_way and isinstance(error, (BadImage, TooLarge)):
            self.receive(Dropped(stream=self._stream, seq=seq, reason=error.code, message=error.message))
        else:
            self.lost(error)

    def asked(self, wish: Wish) -> None:
        """Adapt the pictures from the next one on, even if the sender is waiting for room under the last request."""
        self._told(wish)
        if self._obeys:
            self._wish = wish
            self._form.quality = min(self._quality or 100, round(wish.quality * 100))
            self._form.width = wish.width
            self._changed.set()

    def left_behind(self) -> list[Answer]:
        """Notices of the frames whose answers were lost."""
        why = "the connection was lost before the answer came"
        lost = list(self._under_way)
        self._under_way.clear()
        return [Dropped(stream=self._stream, seq=seq, reason="disconnected", message=why) for seq in lost]

    async def finish(self) -> None:
        """Stop sending and release the caller's pictures."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])

    def _ended(self) -> bool:
        if self._sending is None or not self._sending.done():
            return False
        self._sending.result()  # raises any error of the caller's pictures
        return not self._under_way

    async def _send(self) -> None:
        async with aclosing(self._ready):
            seq = 0
            while True:
                link = await self._room()
                await self._pace(link.limits.max_fps)
                ready = await anext(self._ready, None)
                if ready is None:
                    return
                jpeg = ready.jpeg
                head = FrameHead(self._stream, seq, time.time() * 1000)
                link = await self._room()  # another one, where the last was lost while we waited for the picture
                self._under_way[seq] = _Sent(time.perf_counter(), ready.size)
                most = link.limits.max_message_bytes
                try:
                    check(jpeg, most)
                except (BadImage, TooLarge) as e:
                    self.refused(e, seq)
                else:
                    await link.send(head, jpeg)
                seq += 1

    async def _pace(self, max_fps: float) -> None:
        """Wait if frames come faster than the server accepts them, as it would only drop them."""
        now = time.monotonic()
        if self._due > now:
            await asyncio.sleep(self._due - now)
        fps = max_fps if self._wish is None else min(self._wish.fps, max_fps)
        self._due = max(self._due, now - BURST_S) + 1 / fps

    async def _room(self) -> Link:
        """Wait until one more frame may be sent; answers that the caller has not taken count too."""
        while self._link is None or len(self._under_way) + len(self._answers) >= self._most(self._link):
            self._changed.clear()
            await self._changed.wait()
        return self._link

    def _most(self, link: Link) -> int:
        most = link.limits.max_pending if self._wish is None else self._wish.max_pending
        return min(self._pending or most, most)
