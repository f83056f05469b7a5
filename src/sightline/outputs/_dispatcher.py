"""The loop behind an output: bounded mailboxes, batches, retries, and a count of lost items."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Literal, cast

import msgspec

from sightline.core.backoff import Backoff
from sightline.core.errors import FAULTS, SightlineError, SinkError, StreamEnded, cancelled, told
from sightline.core.events import Event
from sightline.core.mailbox import Mailbox
from sightline.core.types import FrameResult
from sightline.outputs.base import Item, Output, Resident, What, is_alert, wants
from sightline.streams.hub import Hub
from sightline.streams.publisher import Subscription
from sightline.wire.lines import as_json

log = logging.getLogger(__name__)

BACKLOG = 512
"""Maximum number of results, and of events, waiting for an output. The oldest are dropped."""
FIRST_S = 0.5
"""Seconds before the second try. The wait doubles before each further one."""
MOST_S = 30.0
"""Longest wait between two tries, in seconds."""
LAST_S = 2.0
"""Time in seconds for an output to send the items it has taken when the server stops."""

_encoder = msgspec.json.Encoder()


class Dispatcher:
    """Sends the results or events of one stream, or of all streams, to an output."""

    def __init__(self, output: Output, stream: str, what: Sequence[What] = ("results",), kind: str = "") -> None:
        """``kind``: name of the output's plugin, by which rules name whom they tell."""
        self.output = output
        self.stream = stream
        self._kind = kind
        self.sent = 0
        self.failing: str | None = None
        """Reason why nothing can be sent at the moment; None if there is none."""
        self.what = what
        self.resident: Resident | None = cast("Resident", output) if hasattr(output, "run") else None
        """What the output does besides, if anything."""
        self._given_up = 0
        self._taken: list[Item] = []
        self._results: Subscription | None = None
        self._events: Mailbox[Event] | None = None

    @property
    def trouble(self) -> str | None:
        """Reason why it does not work at the moment; None if there is none."""
        return self.failing or (None if self.resident is None else self.resident.trouble)

    @property
    def lost(self) -> int:
        """Number of items that were not sent, because too many waited or they were given up."""
        return self._given_up + sum(mailbox.dropped for mailbox in self._mailboxes)

    @property
    def waiting(self) -> int:
        """Number of items that are not sent yet."""
        return len(self._taken) + sum(len(mailbox) for mailbox in self._mailboxes)

    @property
    def _mailboxes(self) -> list[Mailbox[Any]]:
        events: list[Mailbox[Any]] = [] if self._events is None else [self._events]
        return events if self._results is None else [*events, self._results.mailbox]

    async def run(self, hub: Hub) -> None:
        """Send items until the server stops."""
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
            self._given_up += sum(mailbox.dropped + len(mailbox) for mailbox in self._mailboxes)
            self._results = self._events = None

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
            self._events = await stack.enter_async_context(hub.subscribe_events(name, backlog=BACKLOG, own=own))

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(LAST_S):
                await self._send()
        except TimeoutError:
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
            if wants(event, self.what, self._kind):
                self._add("events", event.stream, lambda: _encoder.encode(event), event)
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
        backoff = Backoff(FIRST_S, MOST_S)
        while self._taken:
            try:
                await self.output.send(self._taken)
            except (OSError, SightlineError) as e:
                reason = str(e) or type(e).__name__
                wait = backoff.wait_s()
                retries = self.output.retries
                if isinstance(e, SinkError) or (retries is not None and backoff.tries > retries):
                    self._give_up(reason)
                    return
                self._fail(reason)
                await asyncio.sleep(wait)
            except FAULTS as e:  # a fault of the output's own must not end it
                if cancelled(e):
                    raise
                if self.failing is None:
                    log.exception("output %s failed; said once until it works again", self.output.name)
                self._give_up(told(e))
                return
            else:
                self.sent += len(self._taken)
                self._taken = []
                if self.failing is not None:
                    log.info("output %s works again; %d were lost", self.output.name, self.lost)
                self.failing = None

    def _fail(self, reason: str) -> None:
        if self.failing is None:
            log.warning("output %s: %s; %s wait for it", self.output.name, reason, " and ".join(self.what))
        self.failing = reason

    def _give_up(self, reason: str) -> None:
        if self._taken:
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
