"""Core of the SDK: one connection for each call, opened again when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sightline.client import connect, links, past
from sightline.client.answers import Answer, Result
from sightline.client.calls import Call, EventCall, PublishCall, SubscribeCall
from sightline.client.homes import Homes
from sightline.core.backoff import Backoff
from sightline.core.errors import (
    IdleTimeout,
    LimitReached,
    Moved,
    ShuttingDown,
    SightlineError,
    StreamBusy,
    Unreachable,
)
from sightline.core.events import Event, EventFilter, EventRecord

if TYPE_CHECKING:
    from sightline.client.supply import Pictures

log = logging.getLogger(__name__)

SOON_S = (0.1, 0.3)
"""First and longest wait before another attempt while a server is gone for less than SOON_FOR_S: it is being restarted.

All waits double and are shortened at random by up to half.
"""
SOON_FOR_S = 60.0
LATER_S = (0.5, 10.0)
"""First and longest wait after that, and with a server that refuses."""
GONE = (Unreachable, ShuttingDown, IdleTimeout)
"""Errors of a connection that is lost."""
BUSY_S = 30.0
"""Seconds after a lost connection during which the server may still count us as the publisher."""
LEFT_S = 2.0
"""Seconds after the end of a call during which the server may still count it as the publisher."""
BACKLOG = 64
"""Maximum number of results that wait for a slow subscriber; with pictures it is two."""

T = TypeVar("T", bound=Answer | Event)


class AsyncClient:
    """Client that publishes to and subscribes at one server.

    ``url`` is tcp://, tcps://, ws:// or wss://, then HOST:PORT. For several hubs it may have several addresses with
    commas between them: where one is gone, the next is tried. ``token`` is for servers that ask for one; it is sent
    only over TLS, except on this machine. ``ca`` is a PEM file with the authority that signs the server's certificate,
    trusted in addition to the system's; a server with ``--lan`` offers its own at /ca.crt.

    Each call of ``publish``, ``subscribe`` and ``events`` has a connection of its own. The first try to connect raises
    what goes wrong; a connection that is lost later is opened again, for ever, unless ``reconnect`` is False.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        ca: str | os.PathLike[str] | None = None,
        reconnect: bool = True,
    ) -> None:
        """Raises ConfigError."""
        self._addresses = [links.Address(one.strip(), token=token, ca=ca) for one in url.split(",")]
        self._address = self._addresses[0]
        self.url = self._address.url
        self.limits: links.Limits | None = None
        """The server's limits for publishers: max_pending, max_fps, max_message_bytes, max_pixels. None until known."""
        self.asked: dict[str, links.Wish] = {}
        """The pictures that the server asks for now (fps, quality, width) and why, by stream published here."""
        self._reconnect = reconnect
        self._closed = asyncio.Event()
        self._calls: set[Call[Any]] = set()
        self._left: dict[str, float] = {}
        """Time at which each stream's publishing ended, from ``time.monotonic()``."""

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all calls; they raise Unreachable to their callers."""
        self._closed.set()
        for call in self._calls:
            call.lost(Unreachable("the client was closed"))

    async def publish(
        self,
        stream: str,
        pictures: Pictures,
        *,
        pending: int | None = None,
        quality: int | None = None,
        adapt: bool | None = None,
    ) -> AsyncGenerator[Answer]:
        """Publish pictures and get one answer for each, in the order in which the answers come.

        ``pictures`` is any iterable or async iterable of JPEG bytes or HxWx3 uint8 arrays (BGR, encoded here). The next
        one is taken when there is room for it: at most ``pending`` are without an answer (default and maximum: the
        server's ``max_pending``), and answers that you have not taken count. With 1, no picture is replaced by a newer
        one, so a folder or a file gets all its results. The generator ends when all pictures have been answered.

        With ``adapt``, the client sends no more pictures a second than the server asks for, and encodes arrays no
        larger and no better; that keeps latency on target. Boxes are still in pixels of your arrays. False sends
        pictures as they are, which is the default with ``pending=1``. ``quality`` is the maximum quality of the JPEGs
        encoded here, 1 to 100; default: what the server asks for, else 80. Raises StreamBusy, BadRequest, LimitReached,
        Unreachable, and any error that ``pictures`` raises.
        """
        obeys = pending != 1 if adapt is None else adapt
        told = partial(self.asked.__setitem__, stream)
        call = PublishCall(stream, pictures, pending=pending, quality=quality, obeys=obeys, told=told)
        try:
            retry = self._retry(busy_until=self._left.pop(stream, 0.0) + LEFT_S)
            homes = Homes(self._addresses)
            async with aclosing(self._answers(call, homes, connect.publishing(homes, stream), retry)) as answers:
                async for answer in answers:
                    yield answer
        finally:
            self._left[stream] = time.monotonic()
            await call.finish()

    async def subscribe(self, stream: str, *, pictures: bool = False) -> AsyncGenerator[Result]:
        """Receive a stream's results, with the publisher's pictures if wanted, until you stop.

        If nobody publishes the stream yet, the call waits for it. A slow caller gets the newest results; ``missed``
        counts those discarded here. Raises BadRequest, LimitReached and Unreachable.
        """
        call = SubscribeCall(2 if pictures else BACKLOG)
        homes = Homes(self._addresses)
        opened = connect.subscribing(homes, stream, pictures=pictures)
        async with aclosing(self._answers(call, homes, opened, self._retry())) as results:
            async for result in results:
                yield result

    async def events(
        self,
        stream: str | None = None,
        *,
        kind: str | None = None,
        class_name: str | None = None,
        zone: str | None = None,
        rule: str | None = None,
        after: int | None = None,
    ) -> AsyncGenerator[Event]:
        """Events of a stream, or of all streams, until you stop: each once, in the order of their numbers.

        What happens while the connection is lost, or the caller is slow, is told afterwards. ``kind``, ``class_name``,
        ``zone`` (or line) and ``rule`` leave out all others. ``after``: number of the last event that you had; those
        that were stored since come first. Raises BadRequest, LimitReached and Unreachable.
        """
        wanted = EventFilter(stream, kind, class_name, zone, rule)
        call = EventCall(after)
        homes = Homes(self._addresses)
        opened = connect.listening(homes, wanted, lambda: call.last)
        async with aclosing(self._answers(call, homes, opened, self._retry())) as events:
            async for event in events:
                yield event

    async def past_events(
        self,
        stream: str | None = None,
        *,
        kind: str | None = None,
        class_name: str | None = None,
        zone: str | None = None,
        rule: str | None = None,
        since: float | None = None,
        until: float | None = None,
        lasting: bool | None = None,
    ) -> AsyncGenerator[EventRecord]:
        """What happened in a stream, or in all, newest first. It is asked for page by page, as you go on.

        ``since`` and ``until``: when it started, in seconds since 1970. ``lasting``: True for what has not ended, False
        for what has. For ws:// and wss:// only, as it comes over HTTP. Raises ConfigError, BadRequest, Unreachable.
        """
        wanted = EventFilter(stream, kind, class_name, zone, rule)
        found = past.past_events(self._address, wanted, since=since, until=until, lasting=lasting)
        async with aclosing(found) as happenings:
            async for one in happenings:
                yield one

    def _retry(self, *, busy_until: float = 0.0) -> _Retry:
        return _Retry(self.url, self._closed, enabled=self._reconnect, busy_until=busy_until)

    async def _answers(self, call: Call[T], homes: Homes, open_link: links.Open, retry: _Retry) -> AsyncGenerator[T]:
        self._calls.add(call)
        try:
            while True:
                link = None
                try:
                    link = await open_link(call)
                    retry.connected()
                    self.limits = getattr(link, "limits", self.limits)  # subscribers are told no limits
                    if self._closed.is_set():
                        raise Unreachable("the client was closed")
                    call.use(link)
                    while (answer := await call.next()) is not None:
                        retry.answered()
                        yield answer
                    return
                except SightlineError as e:
                    error = e
                finally:
                    call.use(None)
                    if link is not None:
                        await link.close()
                if isinstance(error, Moved):
                    homes.moved(error)
                wait = retry.after(error)
                for answer in call.left_behind():
                    yield answer
                await retry.sleep(wait)
        finally:
            self._calls.discard(call)


class _Retry:
    """Decision whether and when to connect again."""

    def __init__(self, url: str, closed: asyncio.Event, *, enabled: bool, busy_until: float) -> None:
        self._url = url
        self._closed = closed
        self._enabled = enabled
        self._connected = False
        self._busy_until = busy_until
        self._lost_at: float | None = None
        """Time of the first failure since the last answer."""
        self._soon = Backoff(*SOON_S, jitter=0.5)
        self._later = Backoff(*LATER_S, jitter=0.5)

    def connected(self) -> None:
        """Record that there is, or was, a server."""
        self._connected = True

    def answered(self) -> None:
        """Record an answer: the connection works."""
        self._busy_until = time.monotonic() + BUSY_S
        self._lost_at = None
        self._soon.reset()
        self._later.reset()

    def after(self, error: SightlineError) -> float:
        """Seconds to wait before the next attempt. Raises the error if another attempt can't help."""
        if not self._passes(error) or self._closed.is_set():
            raise error
        now = time.monotonic()
        first, self._lost_at = self._lost_at is None, self._lost_at or now
        soon = isinstance(error, (*GONE, Moved)) and now - self._lost_at < SOON_FOR_S
        wait = (self._soon if soon else self._later).wait_s()
        level = logging.WARNING if first or not soon else logging.DEBUG  # several times a second
        log.log(level, "%s: %s; connecting again in %.1f s", self._url, error.message, wait)
        return wait

    async def sleep(self, seconds: float) -> None:
        """Wait for that time. Raises Unreachable when the client is closed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed.wait()
            raise Unreachable("the client was closed")

    def _passes(self, error: SightlineError) -> bool:
        if isinstance(error, (StreamBusy, LimitReached)):  # perhaps by our own last connection
            return time.monotonic() < self._busy_until
        if isinstance(error, Moved):
            return bool(error.url)
        return isinstance(error, GONE) and self._connected and self._enabled
