"""The loop behind an output: bounded mailboxes, batches, retries, and a count of lost items."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Literal

import msgspec
from msgspec import structs

from sightline.core.backoff import Backoff
from sightline.core.errors import FAULTS, LimitReached, SightlineError, SinkError, StreamEnded, cancelled, told
from sightline.core.events import Event
from sightline.core.fence import Fence
from sightline.core.mailbox import Mailbox
from sightline.core.types import FrameResult
from sightline.events.journal import Journal
from sightline.outputs.base import Item, NobodyThere, Output, What, is_alert, wants
from sightline.streams.hub import Hub
from sightline.streams.subscription import Subscription
from sightline.wire.lines import as_json

log = logging.getLogger(__name__)

BACKLOG = 512
"""Maximum number of results, and of events, waiting for an output. The oldest are dropped."""
FIRST_S = 0.5
"""Seconds before the second try. The wait doubles before each further one."""
MOST_S = 30.0
"""Longest wait between two tries, in seconds."""
SAY_S = 60.0
"""Least time in seconds between two lines of the log that an output fails, where it works now and then."""
MOST_PICTURES = 50
"""Pictures in one batch, at most about 100 KB each."""
LAST_S = 2.0
"""Time in seconds for an output to send the items it has taken when the server stops."""

_encoder = msgspec.json.Encoder()


class Dispatcher:
    """Sends the results or events of one stream, or of all streams, to an output."""

    def __init__(
        self, output: Output, stream: str, what: Sequence[What] = ("results",), kind: str = "", cursor: str = ""
    ) -> None:
        """``kind``: name of the output's plugin, by which rules name whom they tell.

        ``cursor``: name under which it is kept up to which event the output was served, so that it misses none while
        the server is away; empty for an output that begins with what happens now.
        """
        self.output = output
        self.stream = stream
        self.kind = kind
        self._cursor = cursor
        self._journal: Journal | None = None
        self._url = ""
        self._sent = 0
        self.failing: str | None = None
        """Reason why nothing can be sent at the moment; None if there is none."""
        self._said = True
        """Whether the log has that it fails."""
        self._said_at = -SAY_S
        self.what = what
        self._fence = Fence(log)
        self._sending = asyncio.Lock()
        self._given_up = 0
        self._taken: list[Item] = []
        self._results: Subscription | None = None
        self._events: Mailbox[Event] | None = None

    @property
    def trouble(self) -> str | None:
        """Reason why it does not work at the moment; None if there is none."""
        return self.failing or self.output.trouble

    @property
    def refused(self) -> int:
        """Number of commands from outside that were not obeyed."""
        return self.output.refused

    @property
    def sent(self) -> int:
        """Number of items that were sent."""
        return self._sent - self.output.lost

    @property
    def lost(self) -> int:
        """Number of items that were not sent, because too many waited or they were given up."""
        return self._given_up + self._lost_in_mailboxes() + self.output.lost

    @property
    def waiting(self) -> int:
        """Number of items that are not sent yet."""
        return len(self._taken) + sum(len(mailbox) for mailbox in self._mailboxes)

    def _lost_in_mailboxes(self, *, over: bool = False) -> int:
        """Count what was dropped, and where it is ``over`` what waits and is not in the journal."""
        waiting = [box for box in self._mailboxes if over and (box is not self._events or self._journal is None)]
        return sum(mailbox.dropped for mailbox in self._mailboxes) + sum(map(len, waiting))

    @property
    def _mailboxes(self) -> list[Mailbox[Any]]:
        events: list[Mailbox[Any]] = [] if self._events is None else [self._events]
        return events if self._results is None else [*events, self._results.mailbox]

    async def run(self, hub: Hub) -> None:
        """Send items until the server stops."""
        self._journal = hub.journal if self._cursor else None
        self._url = (hub.settings.public_url or "").rstrip("/")
        self._taken = [item for item in self._taken if not self._is_kept(item)]  # those come again
        try:
            async with AsyncExitStack() as stack:
                await self._subscribe(hub, stack)
                while True:
                    await self._gather()
                    await self._send()
        except StreamEnded:
            await self._finish()
        except FAULTS as e:
            if not cancelled(e):
                self.failing = told(e)
            raise
        finally:  # whoever begins anew counts on
            self._given_up += self._lost_in_mailboxes(over=True)
            self._results = self._events = None

    async def send_past(self, item: Item) -> None:
        """Send one item past those that wait. Raises LimitReached while others go out, or what the output raises."""
        if self._sending.locked():
            raise LimitReached("something is on its way to this output: expected a moment's patience")
        async with self._sending:
            await self.output.send([item])

    async def _subscribe(self, hub: Hub, stack: AsyncExitStack) -> None:
        """Subscribe like any other subscriber, so that streams are inferred for the output alone too."""
        name = None if self.stream == "*" else self.stream
        if "results" in self.what:
            results = (
                hub.subscribe_all(backlog=BACKLOG)
                if name is None
                else hub.subscribe(name, backlog=BACKLOG, kind="listener")
            )
            self._results = await stack.enter_async_context(results)
        if "events" in self.what or "alerts" in self.what:
            own = "events" not in self.what  # rules themselves see to it that their streams are inferred
            after = None if self._journal is None else await self._served(self._journal)
            events = hub.subscribe_events(name, backlog=BACKLOG, own=own, after=after)
            self._events = await stack.enter_async_context(events)

    async def _served(self, journal: Journal) -> int:
        """Return the number of the last event that the output was served. One that is new begins with what comes."""
        number = await journal.cursor(self._cursor)
        if number is None:
            number = journal.newest
            await self._keep(number)
        return number

    async def _keep(self, number: int) -> None:
        """Keep up to which event the output was served. Where that fails, some are sent again after a restart."""
        if self._journal is not None:
            with self._fence.around(f"cursor of {self.output.name}"):
                await self._journal.keep_cursor(self._cursor, number)

    def _is_kept(self, item: Item) -> bool:
        return self._journal is not None and item.number > 0

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(LAST_S):
                await self._send()
        except TimeoutError:
            self._taken = [item for item in self._taken if not self._is_kept(item)]  # they go out after the next start
            self._give_up("the server stops")

    async def _gather(self) -> None:
        """Take at least one item, and further ones that come within ``every_s``, up to ``batch``. Alerts go at once."""
        while not self._taken:
            await self._take()
        try:
            async with asyncio.timeout(self.output.every_s):
                while len(self._taken) < self.output.batch and not self._urgent:
                    await self._take()
        except TimeoutError:
            pass
        while len(self._taken) < self.output.batch and any(len(mailbox) for mailbox in self._mailboxes):
            await self._take()

    async def _take(self) -> None:
        """Take one item. Events go before results, as they are fewer and each matters more."""
        await _any(self._mailboxes)
        if self._events is not None and len(self._events):
            event = await self._events.get()
            if wants(event, self.what, self.kind):
                addresses = {
                    key: path and self._url + path for key in ("snapshot", "clip") if (path := getattr(event, key))
                }
                outside = structs.replace(event, **addresses)
                self._add("events", event.stream, lambda: _encoder.encode(outside), outside)
        elif self._results is not None:
            result = await self._results.mailbox.get()
            if isinstance(result, FrameResult):
                self._results.sent += 1
                self._add("results", result.frame.stream, lambda: as_json(result))

    @property
    def _urgent(self) -> bool:
        return any(item.event is not None and is_alert(item.event) for item in self._taken)

    def _add(
        self,
        what: Literal["results", "events"],
        stream: str,
        encode: Callable[[], bytes],
        event: Event | None = None,
    ) -> None:
        try:
            self._taken.append(Item(what, stream, encode(), event))
        except FAULTS as e:  # a stage may have put anything in it
            self._given_up += 1
            self._fail(f"one of {what} can't be encoded: {told(e)}")

    async def _send(self) -> None:
        """Send what was taken, or give it up. Either way the output was served up to there."""
        number = max((item.number for item in self._taken), default=0)
        await self._add_pictures()
        await self._try()
        if number:
            await self._keep(number)

    async def _add_pictures(self) -> None:
        if self._journal is None or not self.output.pictures:
            return
        for place, item in enumerate(self._taken[:MOST_PICTURES]):
            if item.event is not None and item.event.snapshot:
                with self._fence.around("pictures"):
                    picture = await self._journal.picture(item.event.id, crop=True)
                    self._taken[place] = item._replace(picture=picture)

    async def _try(self) -> None:
        backoff = Backoff(FIRST_S, MOST_S)
        while self._taken:
            try:
                async with self._sending:
                    await self.output.send(self._taken)
            except (OSError, SightlineError) as e:
                reason = str(e) or type(e).__name__
                wait = backoff.wait_s()
                if isinstance(e, SinkError) or self._has_tried(backoff.tries, e):
                    self._give_up(reason)
                    return
                self._fail(reason)
                await asyncio.sleep(wait)
            except FAULTS as e:  # a fault of the output's own must not end it
                if cancelled(e):
                    raise
                if self._is_news():
                    log.exception("output %s failed; said once until it works again", self.output.name)
                self._give_up(told(e))
                return
            else:
                self._sent += len(self._taken)
                self._taken = []
                if self.failing is not None and self._said:
                    log.info("output %s works again; %d were lost", self.output.name, self.lost)
                self.failing = None

    def _has_tried(self, tries: int, error: Exception) -> bool:
        """Return True if there were as many tries as the output has. What is in the journal waits for who is away."""
        if self.output.retries is None or (isinstance(error, NobodyThere) and all(map(self._is_kept, self._taken))):
            return False
        return tries > self.output.retries

    def _fail(self, reason: str) -> None:
        if self._is_news():
            log.warning("output %s: %s; %s wait for it", self.output.name, reason, " and ".join(self.what))
        self.failing = reason

    def _is_news(self) -> bool:
        """Return True if the log is to have that it fails: not while it does, nor where it does again and again."""
        if self.failing is not None:
            return False
        now = time.monotonic()
        self._said = now - self._said_at >= SAY_S
        if self._said:
            self._said_at = now
        return self._said

    def _give_up(self, reason: str) -> None:
        if self._taken:
            self._said = True
            log.warning("output %s: %d are given up: %s", self.output.name, len(self._taken), reason)
        self._given_up += len(self._taken)
        self._taken = []
        self.failing = reason


async def _any(mailboxes: Sequence[Mailbox[Any]]) -> None:
    """Wait until one of the mailboxes has an item. Raises StreamEnded if none has and one is closed."""
    if any(len(mailbox) for mailbox in mailboxes):
        return
    if len(mailboxes) == 1:
        await mailboxes[0].wait()
        return
    waiting = [asyncio.ensure_future(mailbox.wait()) for mailbox in mailboxes]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
    for error in [one.exception() for one in done]:
        if error is not None:
            raise error
