"""One TCP connection: the messages from its peer, and those to it."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from msgspec import UNSET

from sightline.core.errors import (
    FAULTS,
    BadRequest,
    IdleTimeout,
    LimitReached,
    OwnFault,
    ShuttingDown,
    SightlineError,
    StreamEnded,
    Unauthorized,
    cancelled,
)
from sightline.core.metrics import TokenBucket
from sightline.security.authentication import Tries, identify, network_of
from sightline.security.authorization import EVERYBODY, Access, Identity
from sightline.security.connections import OpenConnection
from sightline.streams.adaptive.service import ask_unless, begin
from sightline.streams.adaptive.state import preset_knobs
from sightline.streams.hub import Hub
from sightline.streams.ingest import Ingest
from sightline.streams.rendering import Drawing
from sightline.transports.tcp.publisher import TcpPublisher
from sightline.transports.tcp.subscriptions import send_events, send_results
from sightline.wire import msgpack as frames
from sightline.wire.messages import ErrorMessage, Hello, Pong, SettingsRefused
from sightline.wire.msgpack import Bytes
from sightline.wire.requests import (
    MAX_MESSAGES,
    Auth,
    Close,
    FrameMessage,
    Ping,
    StreamSettingsWish,
    Subscribe,
    Unsubscribe,
    captured,
)

log = logging.getLogger(__name__)

ANSWERS = 64
"""Maximum number of waiting answers per stream for a peer that doesn't read; above it, the connection is closed."""
WRITE_BUFFER = 64 * 1024
"""Unread bytes above which sending waits for the peer. Meanwhile newer results replace older ones."""
STALLED_S = 20.0
"""Seconds without reading after which a peer's connection is aborted."""
FAREWELL_S = 2.0
"""Maximum time in seconds for a peer to read the last message."""
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Socket options that detect peers whose machine is gone, which neither send nor close."""


@dataclass(frozen=True, slots=True)
class Door:
    """Access control of new connections."""

    access: Access
    tries: Tries


class TcpPeer(asyncio.BufferedProtocol):
    """One connection. It may publish and subscribe to many streams."""

    def __init__(
        self,
        hub: Hub,
        drawing: Drawing,
        tasks: asyncio.TaskGroup,
        peers: set[TcpPeer],
        door: Door,
        connection: OpenConnection,
    ) -> None:
        self.gone = asyncio.Event()
        self._connection = connection
        self._known = False
        """True once a whole message came from a peer that may send any."""
        self._messages = TokenBucket(MAX_MESSAGES, burst_s=1.0)
        self._door = door
        self._identity: Identity | None = None
        self._unwatch: Callable[[], None] = lambda: None
        self._hub = hub
        self._drawing = drawing
        self._tasks = tasks
        self._peers = peers
        self._loop = asyncio.get_running_loop()
        self._splitter = frames.Splitter(hub.settings.max_message_bytes + frames.HEADER)
        self._discarded: memoryview | None = None
        """Buffer for bytes that come after the peer has been told that the connection ends; None before."""
        self._publishing: dict[str, tuple[TcpPublisher, Ingest]] = {}
        self._subscriptions: dict[tuple[str, bool], asyncio.Task[None]] = {}
        """Sending tasks by stream, and True for its events or False for its results."""
        self._waiting: deque[Sequence[Bytes]] = deque()
        """Answers that wait while the peer doesn't read."""
        self.room = asyncio.Event()
        """Set while the peer reads."""
        self.room.set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._heard = self._loop.time()
        """Loop time of the last whole message."""

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start a connection: tell the peer the limits, or wait for its token first."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WRITE_BUFFER)
        keep_alive(transport.get_extra_info("socket"))
        host, port = (transport.get_extra_info("peername") or ("?", 0))[:2]
        self._name, self._host = f"{host}:{port}", str(host)
        self._peers.add(self)
        limits = self._hub.settings
        if self._hub.stopping is not None:
            self.end(ShuttingDown(self._hub.stopping))
        elif self._door.access.enabled:
            self._splitter.limit = frames.HEADER
            late = Unauthorized(f"no token came within {limits.request_timeout:g} s: expected auth")
            self._timers["idle"] = self._loop.call_later(limits.request_timeout, self.end, late)
        else:
            self._greet(EVERYBODY)

    def _greet(self, identity: Identity) -> None:
        self._identity = identity
        limits = self._hub.settings
        knobs = preset_knobs(limits.preset)
        self.tell(
            Hello(
                model=self._hub.worker.model_name,
                max_pending=limits.pending(),
                max_fps=limits.max_fps,
                max_message_bytes=limits.max_message_bytes,
                max_pixels=limits.max_pixels,
                preset=limits.preset,
                fps=knobs.fps,
                quality=knobs.quality,
                width=knobs.width,
            )
        )
        self._timers["idle"] = self._loop.call_later(self._patience_s, self._check_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release everything, whatever ended the connection."""
        self._let_go()
        self._unwatch()
        for timer in self._timers.values():
            timer.cancel()
        self._peers.discard(self)
        self._connection.gone()
        self.gone.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The buffer for the next bytes."""
        return self._splitter.room() if self._discarded is None else self._discarded

    def buffer_updated(self, nbytes: int) -> None:
        """Handle the messages that are complete with these bytes."""
        if self._discarded is not None:
            return
        try:
            for data in self._splitter.received(nbytes):
                self._take(data)
                if self._discarded is not None:
                    return
        except SightlineError as e:
            self.end(e)
        except FAULTS:
            log.exception("tcp %s: a message could not be handled", self._name)
            self.end(OwnFault())

    def pause_writing(self) -> None:
        """Stop sending, as the peer doesn't read."""
        self.room.clear()
        self._timers["stalled"] = self._loop.call_later(STALLED_S, self._transport.abort)

    def resume_writing(self) -> None:
        """Go on sending, as the peer reads again."""
        self._timers.pop("stalled").cancel()
        self.room.set()
        while self._waiting and self.room.is_set():
            self.write(self._waiting.popleft())

    def end(self, error: SightlineError) -> None:
        """Tell the peer why the connection ends, then close it. The peer has FAREWELL_S to read that."""
        if self._discarded is not None or self.gone.is_set():
            return
        # Incoming bytes must be read: closing with unread ones resets the connection and loses the last message.
        self._discarded = memoryview(bytearray(1 << 16))
        log.info("tcp %s closed: %s", self._name, error.message)
        self._let_go()
        self._waiting.clear()
        self.write([frames.prefixed(frames.encode(ErrorMessage(error.code, error.message)))])
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
        else:  # TLS knows no half-closed connections
            self._transport.close()
        self._timers["farewell"] = self._loop.call_later(FAREWELL_S, self._transport.abort)

    def _let_go(self) -> None:
        while self._publishing:
            self._close(next(iter(self._publishing)))
        for task in self._subscriptions.values():
            task.cancel()

    @property
    def _patience_s(self) -> float:
        """Seconds of silence after which this peer is closed. A stranger has no longer than for a request."""
        limits = self._hub.settings
        stranger = not self._known and not self._door.access.enabled
        return min(limits.request_timeout, limits.idle_timeout) if stranger else limits.idle_timeout

    def _check_idle(self) -> None:
        limit = self._patience_s
        silent = self._loop.time() - self._heard
        listens = self._subscriptions and not self._publishing
        if listens and not self._splitter.unfinished:  # a peer that only listens need not send anything
            silent = 0.0
        if silent >= limit:
            self.end(IdleTimeout(f"no whole message came for {limit:g} s: expected frames or ping"))
        else:
            self._timers["idle"] = self._loop.call_later(limit - silent, self._check_idle)

    # Messages from the peer

    def _take(self, data: memoryview) -> None:
        if not self._messages.take(1 / max(1, len(self._publishing))):
            most = MAX_MESSAGES * max(1, len(self._publishing))
            raise LimitReached(f"more than {most} messages a second came: expected {MAX_MESSAGES} for each stream")
        message = frames.decode_peer(data)
        self._heard = self._loop.time()
        if not self._known and self._identity is not None:
            self._connection.heard(self._identity.hash)
            self._known = True
        if isinstance(message, Auth):
            self._authenticate(message.token)
        elif self._identity is None:
            raise Unauthorized("this server asks for tokens: expected auth with one as the first message")
        elif isinstance(message, FrameMessage):
            self._take_frame(message)
        elif isinstance(message, Ping):
            self.tell(Pong(message.timestamp, time.time() * 1000))
        elif isinstance(message, StreamSettingsWish):
            self._wish(message)
        elif isinstance(message, Close):
            self._close(message.stream)
        elif isinstance(message, Unsubscribe):
            for events in (False, True):
                task = self._subscriptions.pop((message.stream, events), None)
                if task is not None:
                    task.cancel()
        elif (message.stream, message.events) in self._subscriptions:
            self._refuse(BadRequest("this connection is subscribed already"), message.stream)
        else:
            self._subscribe(self._identity, message)

    def _authenticate(self, token: str) -> None:
        access = self._door.access
        if not access.enabled:
            return
        if self._identity is not None:
            raise BadRequest("auth came again: expected it once")
        identity = identify(access, self._door.tries, network_of(self._host), token)
        self._splitter.limit = self._hub.settings.max_message_bytes + frames.HEADER
        self._timers.pop("idle").cancel()
        self._connection.heard(identity.hash)
        self._known = True
        self._unwatch = access.watch(identity, self.end)
        self._greet(identity)

    def _subscribe(self, identity: Identity, message: Subscribe) -> None:
        name = message.stream
        every = message.events and not name
        try:
            self._door.access.check(identity, "view", stream=None if every else name)
            if name:
                self._hub.placement.check_here(name)
        except SightlineError as e:
            self._refuse(e, name)
            return
        if message.events:
            sending = partial(send_events, self._hub, message, self)
        else:
            sending = partial(send_results, self._hub, message, self, self._drawing)
        self._subscriptions[name, message.events] = self._tasks.create_task(
            self._subscribed(name, sending, events=message.events)
        )

    def _take_frame(self, message: FrameMessage) -> None:
        """Take a frame. One that can't be taken is refused, and all streams go on."""
        try:
            publisher, ingest = self._publishing.get(message.stream) or self._publish(message)
            publisher.wants_results = message.results
            # The only copy of a picture takes 0.4 us for 30 KB and frees the receive buffer.
            ingest.put_jpeg(message.seq, *captured(message), bytes(message.data))
        except ShuttingDown:
            raise
        except SightlineError as e:
            self._refuse(e, message.stream, message.seq)

    def _wish(self, message: StreamSettingsWish) -> None:
        published = self._publishing.get(message.stream)
        if published is None:
            wrong = "settings of a stream that this connection does not publish"
            self.tell(SettingsRefused(message.stream, BadRequest.code, wrong, ""))
        else:
            publisher, ingest = published
            self._hub.wish(ingest.stream, publisher, message.given())

    def _publish(self, first: FrameMessage) -> tuple[TcpPublisher, Ingest]:
        assert self._identity is not None
        name, session = first.stream, "" if first.session is UNSET else first.session
        self._door.access.check(self._identity, "publish", stream=name)
        self._hub.placement.check_here(name)
        settings = self._hub.settings
        publisher = TcpPublisher(self, name, session=session, max_pending=settings.pending())
        stream = self._hub.take(name, publisher)
        ingest = Ingest(stream, settings)
        begin(stream, settings)
        ask_unless(stream, settings, preset_knobs(settings.preset))
        log.info("stream %s: tcp %s publishes", name, self._name)
        publisher.tell(stream.model.status)
        self._publishing[name] = publisher, ingest
        return publisher, ingest

    def _close(self, name: str) -> None:
        if name in self._publishing:
            publisher, ingest = self._publishing.pop(name)
            self._hub.release(ingest.stream, publisher)
            log.info("stream %s: tcp %s left", name, self._name)

    # Messages to the peer

    def tell(self, message: frames.ServerMessage) -> None:
        """Send a small message."""
        self.answer([frames.prefixed(frames.encode(message))])

    def tell_all(self, messages: Sequence[frames.ServerMessage]) -> None:
        """Send small messages with one write."""
        self.answer([b"".join(frames.prefixed(frames.encode(message)) for message in messages)])

    def answer(self, parts: Sequence[Bytes]) -> None:
        """Send an answer, or keep it while the peer doesn't read. The connection ends if too many wait."""
        if self._discarded is not None or self.gone.is_set():
            return
        if self.room.is_set():
            self.write(parts)
            return
        self._waiting.append(parts)
        most = ANSWERS * max(1, len(self._publishing))
        if len(self._waiting) > most:
            self.end(LimitReached(f"{most} answers wait: expected a peer that reads them"))

    def _refuse(self, error: SightlineError, stream: str, seq: int | None = None) -> None:
        of = "" if stream else "subscribe"  # only a subscription to all streams' events names no stream
        self.tell(ErrorMessage(error.code, error.message, stream, seq, of, getattr(error, "url", "")))

    def write(self, parts: Sequence[Bytes]) -> None:
        """Send parts of messages, whether the peer reads or not. Nothing happens where it has left."""
        if not self._transport.is_closing():
            self._transport.writelines(parts)

    async def _subscribed(self, name: str, sending: Callable[[], Awaitable[None]], *, events: bool) -> None:
        """Run a subscription to its end. What goes wrong in it costs at most this connection."""
        try:
            await sending()
        except StreamEnded as e:
            self.end(ShuttingDown(e.reason))
        except SightlineError as e:
            self._refuse(e, name)
        except FAULTS as e:
            if cancelled(e):
                raise
            log.exception("tcp %s: a subscription to %s failed", self._name, name or "all streams")
            self.end(OwnFault())
        finally:
            if self._subscriptions.get((name, events)) is asyncio.current_task():
                del self._subscriptions[name, events]


def keep_alive(sock: socket.socket) -> None:
    """Make the system close the connection if the other machine is gone."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        if hasattr(socket, option):  # macOS has no TCP_KEEPIDLE
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
