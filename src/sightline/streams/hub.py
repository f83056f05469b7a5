"""All streams of a server. One Hub is made in the app's lifespan and touched on the event loop only."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Any

from msgspec import structs

from sightline.core.errors import (
    FAULTS,
    LimitReached,
    ModelError,
    ShuttingDown,
    SightlineError,
    StreamBusy,
    StreamNotFound,
    told,
)
from sightline.core.events import EVERYTHING, Event, EventFilter
from sightline.core.mailbox import Mailbox
from sightline.core.metrics import Ledger
from sightline.core.supervisor import Supervisor
from sightline.core.types import check_stream_name
from sightline.events.feed import EventFeed
from sightline.events.journal import Journal
from sightline.inference.pool import ModelPool
from sightline.inference.worker import ModelWorker
from sightline.settings.presets import PresetName
from sightline.settings.settings import Settings
from sightline.settings.stream import Tracking, check
from sightline.streams.boards import BoardStore
from sightline.streams.cameras import Cameras
from sightline.streams.listeners import Listeners
from sightline.streams.lost import NOT_MINDED, LostStreams
from sightline.streams.model_switch import NEEDS_MODEL, NOT_GIVEN, ModelSwitch
from sightline.streams.placement import Placement
from sightline.streams.publisher import Publisher
from sightline.streams.stream import Stream
from sightline.streams.subscription import Kind, Subscription
from sightline.wire.messages import SettingsRefused

log = logging.getLogger(__name__)

REMEMBERED_S = 60.0
"""Time for which the figures of an ended stream can still be read."""
WATCH_S = 0.25
"""Interval between two looks at how the models stand."""


class Hub:
    """Streams by name, and the listeners of all of them."""

    def __init__(self, settings: Settings, pool: ModelPool) -> None:
        self.settings = settings
        self.pool = pool
        self.model_switch = ModelSwitch(settings, pool)
        self.supervisor = Supervisor()
        """Owner of all tasks that are no session's own."""
        self.listeners = Listeners()
        self.past = Ledger()
        """Ledger of all streams that are forgotten."""
        self.boards = BoardStore(settings)
        """Zones, lines and rules of all streams, live or not."""
        self.listeners.hear = self.boards.hear
        self.cameras = Cameras(settings)
        """What cameras are called, and those that were added while the server ran."""
        self.lost = LostStreams(self.listeners.emit)
        """Tells when streams that somebody minds are lost, and back."""
        self._scenes = ThreadPoolExecutor(1, thread_name_prefix="scene")
        """Where pictures are looked at for whether cameras were covered or moved."""
        self.placement = Placement()
        self.stopping: str | None = None
        self.streams: dict[str, Stream] = {}
        """Those that have a publisher or subscribers, ended within the last minute, or have a camera that is kept."""
        self._track_ids = itertools.count(1)
        """Ids of tracks: no two objects of a server have the same, whatever their streams."""

    @property
    def journal(self) -> Journal | None:
        """Where events are stored; None for a hub without a server around it."""
        return self.listeners.journal

    @property
    def worker(self) -> ModelWorker:
        """The server's own model, with which streams begin."""
        return self.pool.own.worker

    @property
    def viewers(self) -> int:
        """Number of viewers and listeners of all streams."""
        of_streams = sum(s.kind != "tile" for stream in self.streams.values() for s in stream.subscriptions)
        events = len(self.listeners.events) - self.listeners.own
        return len(self.listeners.results) + events + of_streams + self.listeners.overviews

    def find(self, name: str) -> Stream:
        """Return a stream that is or was just live. Raises StreamNotFound."""
        stream = self.streams.get(check_stream_name(name))
        if stream is None:
            raise StreamNotFound(f"no stream named {name!r}: no camera publishes it")
        return stream

    def take(self, name: str, publisher: Publisher, *, preset: PresetName | None = None) -> Stream:
        """Take a stream for one publisher. Raises StreamBusy if it has one, LimitReached if there are too many.

        A publisher with the same ``session`` gives way: it is this one's own last connection, dead and unnoticed.
        """
        self._check_open()
        self._check_streams(name)
        stream = self.open_stream(name)
        last = stream.publisher
        if last is not None:
            its_own = publisher.session and publisher.session == last.session
            if not (its_own or last.lost()):
                raise StreamBusy(f"stream {name!r} has a camera already: choose another name or stop that one")
            self.release(stream, last)
            last.close("another connection has taken its place")
        stream.start(publisher)
        if preset is not None:
            stream.adaptive.choose(preset)
        return stream

    def release(self, stream: Stream, publisher: Publisher) -> None:
        """End what ``take`` began, unless that is over already."""
        if stream.publisher is publisher:
            stream.end()
            stream.model.worker.forget(stream.name)

    def remove(self, name: str, reason: str) -> None:
        """Have a stream no longer. Who publishes it is sent away; who looks at it waits."""
        stream = self.streams.get(name)
        if stream is None:
            return
        if (publisher := stream.publisher) is not None:
            self.release(stream, publisher)
            publisher.close(reason)
        stream.ended_at = -inf  # so it is forgotten once nobody looks and nothing is under way
        self._forget(stream)

    @asynccontextmanager
    async def publish(
        self, name: str, publisher: Publisher, *, preset: PresetName | None = None
    ) -> AsyncGenerator[Stream]:
        """Take a stream, and release it in the end: see ``take``."""
        stream = self.take(name, publisher, preset=preset)
        try:
            yield stream
        finally:
            self.release(stream, publisher)

    @asynccontextmanager
    async def subscribe(self, name: str, *, backlog: int = 1, kind: Kind = "viewer") -> AsyncGenerator[Subscription]:
        """Subscribe to the results of one stream, which may have no publisher yet. Raises LimitReached."""
        self.check_room()
        stream = self.open_stream(name)
        subscription = Subscription(Mailbox(backlog), kind)
        stream.subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            stream.subscriptions.discard(subscription)
            if not stream.subscriptions and stream.publisher is None and not stream.meters.ledger.received:
                self._forget(stream)

    @asynccontextmanager
    async def subscribe_all(self, *, backlog: int) -> AsyncGenerator[Subscription]:
        """Subscribe to the results of every stream. Raises LimitReached."""
        self.check_room()
        subscription = Subscription(Mailbox(backlog), "listener")
        self.listeners.results.add(subscription)
        try:
            yield subscription
        finally:
            self.listeners.results.discard(subscription)

    @asynccontextmanager
    async def subscribe_events(
        self,
        name: str | None = None,
        *,
        backlog: int = 256,
        wanted: EventFilter = EVERYTHING,
        after: int | None = None,
        own: bool = False,
    ) -> AsyncGenerator[Mailbox[Event]]:
        """Subscribe to the events of one stream, live or not, or of all. Raises BadRequest or LimitReached.

        ``wanted``: those that the subscriber wants. ``after``: number of the last one that it had; those that were
        stored since come first. ``own``: True for a part of the server itself, which is no viewer. For its sake, and
        for that of who wants events of rules alone, no stream is inferred: rules see to that themselves.
        """
        self.check_room(own=own)
        if name is not None:
            check_stream_name(name)
        mailbox = EventFeed(backlog, structs.replace(wanted, stream=name), self.journal, after)
        self.listeners.events[mailbox] = name
        self.listeners.own += own
        if own or wanted.kind == "rule":
            self.listeners.idle.add(mailbox)
        try:
            yield mailbox
        finally:
            del self.listeners.events[mailbox]
            self.listeners.own -= own
            self.listeners.idle.discard(mailbox)
            mailbox.end("who listened left")

    def minds(self, name: str) -> bool:
        """Return True if somebody wants to know how a stream fares, though nobody may watch it.

        That is so for one that the settings name or that the server pulls, and for one that has zones, lines or rules,
        or tells of its objects.
        """
        if self.cameras.paused(name) or not self.placement.here(name):
            return False
        if name in self.settings.streams or self.cameras.source(name) is not None or self.boards.has(name):
            return True
        stream = self.streams.get(name)
        return stream is not None and stream.tracking.object_events

    def emit_ends(self, name: str, *ends: Event) -> None:
        """Give ends of a stream's events to whoever listens; the stream need not be live. See ``Stream.emit_ends``."""
        stream = self.streams.get(name)
        if stream is not None:
            stream.emit_ends(*ends)
        else:
            self.listeners.emit(*ends)

    async def change(self, stream: Stream, given: Mapping[str, Any], tracking: Mapping[str, Any] = NOT_GIVEN) -> None:
        """Change what a stream asks of its model, which it has, and how its objects are followed.

        See ``ModelSwitch.change``.
        """
        self._check_open()
        await self.model_switch.change(stream, given, tracking)

    def wish(self, stream: Stream, publisher: Publisher, given: Mapping[str, Any]) -> None:
        """Handle a camera's ``settings`` message. Its ``inform`` hears what is in force, or why nothing changed."""
        try:
            self._check_open()
            wish = check(given)
            chosen, tracking = wish.given(), wish.tracking()
            if self.model_switch.change_now(stream, chosen, tracking):
                return
        except SightlineError as e:
            publisher.inform(_refused(stream, e))
        else:
            granting = self._wish(stream, publisher, chosen, tracking)
            self.supervisor.spawn(f"stream {stream.name}: the wish for a model", granting)

    async def _wish(
        self, stream: Stream, publisher: Publisher, chosen: Mapping[str, Any], tracking: Mapping[str, Any]
    ) -> None:
        try:
            await self.model_switch.change(stream, chosen, tracking)
        except SightlineError as e:
            publisher.inform(_refused(stream, e))
        except Exception as e:
            publisher.inform(_refused(stream, ModelError(told(e))))
            raise

    async def run(self) -> None:
        """Tell cameras and viewers whenever their model becomes ready or no longer is, until cancelled."""
        self._keep_models()
        if self.journal is not None:
            self.journal.begin()
        while True:
            await asyncio.sleep(WATCH_S)
            self._forget_ended()
            for stream in list(self.streams.values()):
                with stream.fence.around("news of the model", f"stream {stream.name}: "):
                    self._watch_model(stream)
                stream.rest()
                if self.stopping is None:
                    stream.watch_scene(self._scenes if self.minds(stream.name) else None, NOT_MINDED)
            if self.stopping is None:
                self.lost.look(self.streams, self.minds)
            if told := self.boards.tick():
                self.listeners.emit(*told)

    def _watch_model(self, stream: Stream) -> None:
        stream.model.hurry()
        status = stream.model.status
        if status != stream.model.told:
            stream.model.told = status
            stream.tell(status)

    def _keep_models(self) -> None:
        """Load the models that the operator chose for streams before the cameras come."""
        for name, given in self.settings.streams.items():
            chosen = given.chosen()
            if chosen.keys() & NEEDS_MODEL:
                try:
                    self.pool.keep(self.model_switch.offers.key(chosen))
                except SightlineError as e:
                    log.warning("stream %s: %s", name, e.message)

    def close(self, reason: str) -> None:
        """Stop: let nobody new in, and end every mailbox with the reason."""
        self.stopping = reason
        self.supervisor.closing = True
        for stream in self.streams.values():
            stream.finish(reason, at_once=True)
        self.lost.close(reason)
        self._scenes.shutdown(wait=False, cancel_futures=True)
        of_streams = (s for stream in self.streams.values() for s in stream.subscriptions)
        for subscription in [*self.listeners.results, *of_streams]:
            subscription.mailbox.close(reason)
        self.listeners.end(reason)  # with the ends of what lasted
        for stream in self.streams.values():
            if stream.publisher is not None:
                with suppress(*FAULTS):  # one session that can't be ended must not keep the others from it
                    stream.publisher.close(reason)

    def _check_open(self) -> None:
        if self.stopping is not None:
            raise ShuttingDown(self.stopping)

    def check_room(self, *, own: bool = False) -> None:
        """Raise ShuttingDown, or LimitReached if one more viewer is one too many. ``own``: it is none."""
        self._check_open()
        if not own and self.viewers >= self.settings.max_viewers:
            raise LimitReached(f"{self.viewers} viewers are connected: the limit max_viewers is reached")

    def _check_streams(self, name: str) -> None:
        """Raise LimitReached if one more stream is one too many. Who only waits for a camera takes no stream away."""
        live = sum(stream.publisher is not None for stream in self.streams.values() if stream.name != name)
        if live >= self.settings.max_streams:
            raise LimitReached(f"{live} streams are live: the limit max_streams is reached")

    def open_stream(self, name: str) -> Stream:
        """Return a stream, live or not."""
        check_stream_name(name)
        self._forget_ended()
        if (stream := self.streams.get(name)) is not None:
            return stream
        idle = (s for s in self.streams.values() if s.publisher is None and not s.subscriptions)
        ended = [s for s in idle if s.name not in self.cameras]
        if len(ended) >= self.settings.max_streams:
            self._forget(min(ended, key=lambda s: s.ended_at or 0.0))
        given = self.settings.streams.get(name)
        stream = Stream(
            name,
            self.worker,
            self.listeners,
            preset=self.settings.preset,
            stages=() if given is None else given.stages,
            tracking=Tracking() if given is None else given,
            ids=self._track_ids,
            boards=self.boards.of(name),
        )
        self.streams[name] = stream
        stream.model.options = self.model_switch.defaults
        if given is not None:
            stream.limit(priority=given.priority, max_fps=given.max_fps)
            self._begin(stream, given.given())
        stream.model.told = stream.model.status
        return stream

    def _begin(self, stream: Stream, chosen: Mapping[str, Any]) -> None:
        """Apply what the operator chose for a stream: at once, or when its model is loaded."""
        try:
            done = self.model_switch.change_now(stream, chosen)
        except SightlineError as e:
            log.warning("stream %s: %s", stream.name, e.message)
            return
        if not done:
            self.supervisor.spawn(f"stream {stream.name}: its model", self._change_soon(stream, chosen))

    async def _change_soon(self, stream: Stream, chosen: Mapping[str, Any]) -> None:
        try:
            await self.model_switch.change(stream, chosen)
        except SightlineError as e:
            log.warning("stream %s: %s", stream.name, e.message)

    def _forget_ended(self) -> None:
        now = time.monotonic()
        for stream in list(self.streams.values()):
            if stream.ended_at is not None and now - stream.ended_at > REMEMBERED_S:
                self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        if stream.name in self.cameras:
            return
        if stream.publisher is None and not stream.subscriptions and not stream.in_flight:
            del self.streams[stream.name]
            stream.model.leave()
            self.listeners.forget(stream.name)
            self.past.add(stream.meters.ledger)


def _refused(stream: Stream, error: SightlineError) -> SettingsRefused:
    return SettingsRefused(stream.name, error.code, error.message, getattr(error, "key", ""))
