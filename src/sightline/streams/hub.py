"""All streams of a server. One Hub is made in the app's lifespan and touched on the event loop only."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, TypeAlias

from sightline.core.errors import LimitReached, ShuttingDown, SightlineError, StreamBusy, StreamNotFound
from sightline.core.events import Event
from sightline.core.mailbox import Mailbox
from sightline.core.metrics import Ledger
from sightline.core.types import check_stream_name
from sightline.inference.pool import ModelPool
from sightline.inference.worker import ModelWorker
from sightline.settings.settings import Settings
from sightline.settings.stream import check
from sightline.streams.model_switch import NEEDS_MODEL, Switching, give_up
from sightline.streams.stream import Publisher, Stream, Subscription
from sightline.wire.messages import SettingsRefused, Status

Tell: TypeAlias = Callable[[SettingsRefused], None]

log = logging.getLogger(__name__)

REMEMBERED_S = 60.0
"""How long the figures of an ended stream stay to be read."""


class Hub:
    """Streams by name, and the listeners of all of them."""

    def __init__(self, settings: Settings, pool: ModelPool) -> None:
        self.settings = settings
        self.pool = pool
        self.switching = Switching(settings, pool)
        self.listeners: set[Subscription] = set()
        self.event_listeners: dict[Mailbox[Event], str | None] = {}
        """Mailboxes for events, each with the stream that it is for, None for all."""
        self.past = Ledger()
        """Of streams that are forgotten."""
        self.stopping: str | None = None
        self._streams: dict[str, Stream] = {}

    @property
    def worker(self) -> ModelWorker:
        """The server's own model, with which streams begin."""
        return self.pool.own.worker

    @property
    def streams(self) -> dict[str, Stream]:
        """Streams with a publisher or subscribers, and those that ended within the last minute."""
        now = time.monotonic()
        for stream in list(self._streams.values()):
            if stream.ended_at is not None and now - stream.ended_at > REMEMBERED_S:
                self._forget(stream)
        return self._streams

    @property
    def viewers(self) -> int:
        """Viewers and listeners of all streams."""
        return (
            len(self.listeners) + len(self.event_listeners) + sum(len(s.subscriptions) for s in self._streams.values())
        )

    def find(self, name: str) -> Stream:
        """A stream that is or was just live. Raises StreamNotFound."""
        stream = self.streams.get(check_stream_name(name))
        if stream is None:
            raise StreamNotFound(f"no stream named {name!r}: no camera publishes it")
        return stream

    def take(self, name: str, publisher: Publisher, *, session: str = "") -> Stream:
        """Take a stream for one publisher. Raises StreamBusy if it has one, LimitReached if there are too many.

        ``session``: a secret of the camera's. Its own last connection gives way to it: that may be dead, unnoticed.
        """
        self._check_open()
        stream = self._open(name)
        last = stream.publisher
        if last is not None:
            its_own = session and session == stream.session
            if not (its_own or stream.lost()):
                raise StreamBusy(f"stream {name!r} has a camera already: choose another name or stop that one")
            self.release(stream, last)
            last.close("another connection has taken its place")
        stream.session = session
        stream.start(publisher)
        return stream

    def release(self, stream: Stream, publisher: Publisher) -> None:
        """End what ``take`` began, unless that is over already."""
        if stream.publisher is publisher:
            stream.end()
            stream.worker.forget(stream.name)

    @asynccontextmanager
    async def publish(self, name: str, publisher: Publisher, *, session: str = "") -> AsyncGenerator[Stream]:
        """``take`` and ``release`` around a session."""
        stream = self.take(name, publisher, session=session)
        try:
            yield stream
        finally:
            self.release(stream, publisher)

    @asynccontextmanager
    async def subscribe(
        self, name: str, *, backlog: int = 1, kind: Literal["viewer", "listener"] = "viewer"
    ) -> AsyncGenerator[Subscription]:
        """Results of one stream, which may have no publisher yet. Raises LimitReached."""
        self._check_open()
        self._check_viewers()
        stream = self._open(name)
        subscription = Subscription(Mailbox(backlog), kind)
        stream.subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            stream.subscriptions.discard(subscription)
            if not stream.subscriptions and stream.publisher is None and not stream.ledger.received:
                self._forget(stream)

    @asynccontextmanager
    async def subscribe_all(self, *, backlog: int) -> AsyncGenerator[Subscription]:
        """Results of every stream. Raises LimitReached."""
        self._check_open()
        self._check_viewers()
        subscription = Subscription(Mailbox(backlog), "listener")
        self.listeners.add(subscription)
        try:
            yield subscription
        finally:
            self.listeners.discard(subscription)

    @asynccontextmanager
    async def subscribe_events(self, name: str | None = None, *, backlog: int = 256) -> AsyncGenerator[Mailbox[Event]]:
        """Events of one stream, which need not be live yet, or of all. Raises BadRequest or LimitReached."""
        self._check_open()
        self._check_viewers()
        if name is not None:
            check_stream_name(name)
        mailbox: Mailbox[Event] = Mailbox(backlog)
        self.event_listeners[mailbox] = name
        try:
            yield mailbox
        finally:
            del self.event_listeners[mailbox]

    async def change(self, stream: Stream, given: Mapping[str, Any]) -> None:
        """Change what a stream asks of its model, and which it has: see ``Switching.change``."""
        self._check_open()
        await self.switching.change(stream, given)

    def wish(self, stream: Stream, given: Mapping[str, Any], tell: Tell) -> None:
        """A camera's ``settings`` message. It hears what is in force through ``inform``, or why nothing changed."""
        try:
            self._check_open()
            chosen = check(given)
            if self.switching.change_now(stream, chosen):
                return
        except SightlineError as e:
            tell(_refused(stream, e))
        else:
            self.pool.spawn(self._wish(stream, chosen, tell))

    async def _wish(self, stream: Stream, chosen: Mapping[str, Any], tell: Tell) -> None:
        try:
            await self.switching.change(stream, chosen)
        except SightlineError as e:
            tell(_refused(stream, e))

    async def watch_models(self) -> None:
        """Tell cameras and viewers whenever their model becomes ready or no longer is. Runs until cancelled."""
        self._keep_models()
        while True:
            await asyncio.sleep(0.25)
            for stream in self._streams.values():
                stream.hurry()
                status = status_of(stream)
                if status != stream.model_told:
                    stream.model_told = status
                    stream.tell(status)

    def _keep_models(self) -> None:
        """Those that the operator chose for streams are there before the cameras come."""
        for name, given in self.settings.streams.items():
            chosen = {key: value for key, value in given.given().items() if value is not None}
            if chosen.keys() & NEEDS_MODEL:
                try:
                    self.pool.keep(self.switching.offers.key(chosen))
                except SightlineError as e:
                    log.warning("stream %s: %s", name, e.message)

    def close(self, reason: str) -> None:
        """Stop: nobody new comes in, every mailbox ends with the reason."""
        self.stopping = reason
        for subscription in [*self.listeners, *(s for stream in self._streams.values() for s in stream.subscriptions)]:
            subscription.mailbox.close(reason)
        for mailbox in self.event_listeners:
            mailbox.close(reason)
        for stream in self._streams.values():
            if stream.publisher is not None:
                with suppress(Exception):  # one session that can't be ended must not keep the others from it
                    stream.publisher.close(reason)

    def _check_open(self) -> None:
        if self.stopping is not None:
            raise ShuttingDown(self.stopping)

    def _check_viewers(self) -> None:
        if self.viewers >= self.settings.max_viewers:
            raise LimitReached(f"{self.viewers} viewers are connected: the limit max_viewers is reached")

    def _open(self, name: str) -> Stream:
        stream = self.streams.get(check_stream_name(name))
        if stream is not None:
            return stream
        if len(self._streams) >= self.settings.max_streams:
            ended = [s for s in self._streams.values() if s.publisher is None and not s.subscriptions]
            if not ended:
                raise LimitReached(f"{len(self._streams)} streams are live: the limit max_streams is reached")
            self._forget(min(ended, key=lambda s: s.ended_at or 0.0))
        stream = self._streams[name] = Stream(name, self.worker)
        stream.preset = self.settings.preset
        stream.listeners, stream.event_listeners = self.listeners, self.event_listeners
        stream.asked = self.switching.nothing_asked
        given = self.settings.streams.get(name)
        if given is not None:
            stream.priority, stream.max_fps = given.priority, given.max_fps
            self._begin(stream, given.given())
        stream.model_told = status_of(stream)
        return stream

    def _begin(self, stream: Stream, chosen: Mapping[str, Any]) -> None:
        """What the operator chose for a stream; where its model is not there yet, once it is."""
        try:
            done = self.switching.change_now(stream, chosen)
        except SightlineError as e:
            log.warning("stream %s: %s", stream.name, e.message)
            return
        if not done:
            self.pool.spawn(self._change_soon(stream, chosen))

    async def _change_soon(self, stream: Stream, chosen: Mapping[str, Any]) -> None:
        try:
            await self.switching.change(stream, chosen)
        except SightlineError as e:
            log.warning("stream %s: %s", stream.name, e.message)

    def _forget(self, stream: Stream) -> None:
        if stream.publisher is None and not stream.subscriptions and not stream.in_flight:
            del self._streams[stream.name]
            give_up(stream)
            stream.worker.leave(stream)
            self.past.received += stream.ledger.received
            self.past.delivered += stream.ledger.delivered
            self.past.failed += stream.ledger.failed
            self.past.dropped.update(stream.ledger.dropped)


def _refused(stream: Stream, error: SightlineError) -> SettingsRefused:
    return SettingsRefused(stream.name, error.code, error.message, getattr(error, "key", ""))


def status_of(stream: Stream) -> Status:
    """How a stream's model stands, for its peers: loading, ready or failed."""
    unready = stream.worker.unready
    if unready is None:
        return Status(state="ready", message="The model is ready.")
    state = "failed" if stream.worker.settled.is_set() else "loading"
    return Status(state=state, message=f"No results yet: {unready}.")
