"""A way out, and the loop that feeds it: a bounded mailbox, batches, tries again, and counts what was lost."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sightline.core.errors import SightlineError, SinkError, StreamEnded
from sightline.core.types import Result
from sightline.streams.hub import Hub
from sightline.streams.publisher import Subscription
from sightline.wire.lines import as_json

log = logging.getLogger(__name__)

BACKLOG = 512
"""Results that may wait for a sink; the oldest go."""
FIRST_S = 0.5
MOST_S = 30.0
"""Between two tries: doubled from the first to the most."""
LAST_S = 2.0
"""So long a sink has for what waits when the server stops."""


class Outlet(Protocol):
    """Where results go."""

    name: str
    """For people: no password and no secret is in it."""
    batch: int
    """Results at most at once."""
    every_s: float
    """So long results are gathered."""
    retries: int | None
    """Tries after the first before a batch is given up; None: for ever."""

    async def send(self, batch: list[tuple[str, bytes]]) -> None:
        """Streams and their results as JSON. Raises OSError (try again) or SinkError (no use)."""
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


class Feeder:
    """Takes a stream's results, or all streams', to an outlet."""

    def __init__(self, outlet: Outlet, stream: str) -> None:
        self.outlet = outlet
        self.stream = stream
        self.sent = 0
        self.failing: str | None = None
        """Why nothing can be sent at the moment."""
        self._given_up = 0
        self._taken: list[tuple[str, bytes]] = []
        self._subscription: Subscription | None = None

    @property
    def lost(self) -> int:
        """Results that were not sent: too many waited, or they were given up."""
        return self._given_up + (0 if self._subscription is None else self._subscription.mailbox.dropped)

    @property
    def waiting(self) -> int:
        """Results not sent yet."""
        return len(self._taken) + (0 if self._subscription is None else len(self._subscription.mailbox))

    def subscribed(self, hub: Hub) -> AbstractAsyncContextManager[Subscription]:
        """One more subscriber, like any other: what a sink records is wanted."""
        if self.stream == "*":
            return hub.subscribe_all(backlog=BACKLOG)
        return hub.subscribe(self.stream, backlog=BACKLOG, kind="listener")

    async def run(self, hub: Hub) -> None:
        """Until the server stops."""
        try:
            async with self.subscribed(hub) as self._subscription:
                while True:
                    await self._gather(self._subscription)
                    await self._send()
        except StreamEnded:
            await self._finish()
        except SightlineError as e:  # too many viewers
            self._fail(e.message)
        finally:
            await self.outlet.close()

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(LAST_S):
                await self._send()
        except TimeoutError:
            self._give_up("the server stops")

    async def _gather(self, subscription: Subscription) -> None:
        """At least one result, and what else comes within ``every_s``."""
        await self._take(subscription)
        try:
            async with asyncio.timeout(self.outlet.every_s):
                while len(self._taken) < self.outlet.batch:
                    await self._take(subscription)
        except TimeoutError:
            pass
        while len(subscription.mailbox) and len(self._taken) < self.outlet.batch:
            await self._take(subscription)

    async def _take(self, subscription: Subscription) -> None:
        item = await subscription.mailbox.get()
        if isinstance(item, Result):
            subscription.sent += 1
            self._taken.append((item.frame.stream, as_json(item)))

    async def _send(self) -> None:
        wait, tries = FIRST_S, 0
        while self._taken:
            try:
                await self.outlet.send(self._taken)
            except (OSError, SightlineError) as e:
                reason = str(e) or type(e).__name__
                tries += 1
                if isinstance(e, SinkError) or (self.outlet.retries is not None and tries > self.outlet.retries):
                    self._give_up(reason)
                    return
                self._fail(reason)
                await asyncio.sleep(wait)
                wait = min(2 * wait, MOST_S)
            else:
                self.sent += len(self._taken)
                self._taken = []
                if self.failing is not None:
                    log.info("sink %s works again; %d results were lost", self.outlet.name, self.lost)
                self.failing = None

    def _fail(self, reason: str) -> None:
        if self.failing is None:
            log.warning("sink %s: %s; results wait for it", self.outlet.name, reason)
        self.failing = reason

    def _give_up(self, reason: str) -> None:
        if self._taken:
            log.warning("sink %s: %d results are given up: %s", self.outlet.name, len(self._taken), reason)
        self._given_up += len(self._taken)
        self._taken = []
        self.failing = reason
