"""The SDK's core: one connection for each call, which is opened again when it is lost."""

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

from sightline.client import connect, links
from sightline.client.answers import Answer, Result
from sightline.client.calls import Call, EventCall, PublishCall, SubscribeCall
from sightline.core.backoff import Backoff
from sightline.core.errors import (
    IdleTimeout,
    LimitReached,
    ShuttingDown,
    SightlineError,
    StreamBusy,
    Unreachable,
)
from sightline.core.events import Event

if TYPE_CHECKING:
    from sightline.client.supply import Pictures

log = logging.getLogger(__name__)

FIRST_S = 0.25
MOST_S = 10.0
"""Seconds between two tries to connect: doubled from the first to the most, and shortened at random by up to half."""
BUSY_S = 30.0
"""Seconds after a lost connection in which the server may still think that we publish."""
LEFT_S = 2.0
"""Seconds after the end of a call in which it may still think so: it may learn of the end after we came again."""
BACKLOG = 64
"""Results that wait for a slow subscriber; with pictures it is two."""

T = TypeVar("T", bound=Answer | Event)


class AsyncClient:
    """Publishes pictures to one server and subscribes to its streams.

    ``url``: tcp://, tcps://, ws:// or wss://, then HOST:PORT.

    ``token``: where the server asks for one; it goes over TLS only, save on this machine. ``ca``: PEM file of the
    authority that vouches for the server, besides the system's; a server with ``--lan`` gives it out at /ca.crt.

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
        self._address = links.Address(url, token=token, ca=ca)
        self.url = self._address.url
        self.limits: links.Limits | None = None
        """Limits of the server for a publisher: max_pending, max_fps, max_message_bytes, max_pixels. None before they
        are known."""
        self.asked: dict[str, links.Wish] = {}
        """Pictures that the server asks for now (fps, quality, width), and why, by stream that is published here."""
        self._reconnect = reconnect
        self._closed = asyncio.Event()
        self._calls: set[Call[Any]] = set()
        self._left: dict[str, float] = {}
        """Time at which publishing a stream stopped, ``time.monotonic()``."""

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all calls. A caller that waits in one gets Unreachable."""
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
        """Publish pictures, and iterate over one answer for each, in the order in which the answers come.

        ``pictures``: JPEG bytes or HxWx3 uint8 arrays (BGR, encoded here), from any iterable or async iterable. The
        next one is taken when there is room for it: at most ``pending`` are without an answer (default, and most: the
        server's ``max_pending``), and answers that you have not taken count. With 1 no picture is replaced by a newer
        one, so a folder or a file gets all its results. Ends when all have been answered.

        ``adapt``: send no more pictures a second, and encode arrays no larger and no better than the server asks, which
        keeps latency on target; boxes are pixels of your arrays all the same. False sends them as they are, as is the
        default with ``pending=1``. ``quality``: of the JPEGs made here, 1 to 100, at most; default: what the server
        asks, else 80. Raises StreamBusy, BadRequest, LimitReached, Unreachable, and what ``pictures`` raises.
        """
        obeys = pending != 1 if adapt is None else adapt
        told = partial(self.asked.__setitem__, stream)
        call = PublishCall(stream, pictures, pending=pending, quality=quality, obeys=obeys, told=told)
        try:
            retry = self._retry(busy_until=self._left.pop(stream, 0.0) + LEFT_S)
            async with aclosing(self._answers(call, connect.publishing(self._address, stream), retry)) as answers:
                async for answer in answers:
                    yield answer
        finally:
            self._left[stream] = time.monotonic()
            await call.finish()

    async def subscribe(self, stream: str, *, pictures: bool = False) -> AsyncGenerator[Result]:
        """Iterate over a stream's results, with the publisher's pictures where wanted, until you stop.

        A stream that nobody publishes yet is waited for. A slow caller gets the newest; ``missed`` tells how many were
        thrown away here. Raises BadRequest, LimitReached and Unreachable.
        """
        call = SubscribeCall(2 if pictures else BACKLOG)
        opened = connect.subscribing(self._address, stream, pictures=pictures)
        async with aclosing(self._answers(call, opened, self._retry())) as results:
            async for result in results:
                yield result

    async def events(self, stream: str | None = None) -> AsyncGenerator[Event]:
        """Iterate over the events of a stream, or of all streams, until you stop.

        Events that happen while the connection is lost are not told afterwards. Where more than 256 wait to be taken,
        the oldest go. Raises BadRequest, LimitReached and Unreachable.
        """
        opened = connect.listening(self._address, stream)
        async with aclosing(self._answers(EventCall(), opened, self._retry())) as events:
            async for event in events:
                yield event

    def _retry(self, *, busy_until: float = 0.0) -> _Retry:
        return _Retry(self.url, self._closed, enabled=self._reconnect, busy_until=busy_until)

    async def _answers(self, call: Call[T], open_link: links.Open, retry: _Retry) -> AsyncGenerator[T]:
        self._calls.add(call)
        try:
            while True:
                link = None
                try:
                    link = await open_link(call)
                    retry.connected()
                    self.limits = getattr(link, "limits", self.limits)  # who only listens is told none
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
                wait = retry.after(error)
                for answer in call.left_behind():
                    yield answer
                await retry.sleep(wait)
        finally:
            self._calls.discard(call)


class _Retry:
    """Decides whether, and when, to connect again."""

    def __init__(self, url: str, closed: asyncio.Event, *, enabled: bool, busy_until: float) -> None:
        self._url = url
        self._closed = closed
        self._enabled = enabled
        self._connected = False
        self._busy_until = busy_until
        self._backoff = Backoff(FIRST_S, MOST_S, jitter=0.5)

    def connected(self) -> None:
        """Note that there is, or was, a server."""
        self._connected = True

    def answered(self) -> None:
        """Note that all is well."""
        self._busy_until = time.monotonic() + BUSY_S
        self._backoff.reset()

    def after(self, error: SightlineError) -> float:
        """Return the seconds to wait before the next try. Raises the error where another try can't help."""
        if not self._passes(error) or self._closed.is_set():
            raise error
        wait = self._backoff.wait_s()
        log.warning("%s: %s; connecting again in %.1f s", self._url, error.message, wait)
        return wait

    async def sleep(self, seconds: float) -> None:
        """Wait. Raises Unreachable when the client is closed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), seconds)
            raise Unreachable("the client was closed")

    def _passes(self, error: SightlineError) -> bool:
        if isinstance(error, (StreamBusy, LimitReached)):  # perhaps by our own last connection
            return time.monotonic() < self._busy_until
        lost = isinstance(error, (Unreachable, ShuttingDown, IdleTimeout))
        return lost and self._connected and self._enabled
