"""uvicorn's protocols with limits: time for a request to arrive, time for a peer to read, and fragments and pings."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from sightline.core.metrics import TokenBucket
from sightline.settings.settings import Settings

log = logging.getLogger(__name__)

FAREWELL_S = 3.0
"""Seconds that a peer has to take the last message before its connection is aborted."""
MAX_FRAGMENTS = 1024
"""Most fragments of one WebSocket message. Browsers send a picture in one to ten."""
MAX_CONTROL = 200.0
"""Pings and pongs that a WebSocket peer may send a second."""
PIECE = 32768
"""Bytes that are read into WebSocket frames before the frames are counted."""


class Patience:
    """Aborts a connection when its peer has taken no data for ``seconds`` while some was waiting.

    Closing is not enough, as it waits until everything is sent. A peer that is only slow is left alone.
    """

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Start the timer: writing is paused because the send buffer is full."""
        self._left = self._transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._check)

    def end(self) -> None:
        """Stop the timer: writing resumes, or the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        if self._transport.get_write_buffer_size() < self._left:
            self.begin()
        else:
            self._transport.abort()


def http_protocol(settings: Settings) -> type[HttpToolsProtocol]:
    """uvicorn's HTTP protocol, with time limits for a request to arrive and for a peer to read."""
    timeout = settings.request_timeout

    class TimedHttp(HttpToolsProtocol):
        _unfinished: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._patience = Patience(transport, settings.idle_timeout)
            self._unfinished = self.loop.call_later(timeout, transport.abort)

        def data_received(self, data: bytes) -> None:
            if self._unfinished is None:  # the next request on a keep-alive connection
                self._unfinished = self.loop.call_later(timeout, self.transport.abort)
            super().data_received(data)

        def on_message_complete(self) -> None:
            self._in_time()
            super().on_message_complete()

        def pause_writing(self) -> None:
            self._patience.begin()
            super().pause_writing()

        def resume_writing(self) -> None:
            self._patience.end()
            super().resume_writing()

        def connection_lost(self, exc: Exception | None) -> None:
            self._in_time()
            self._patience.end()
            super().connection_lost(exc)

        def handle_websocket_upgrade(self) -> None:
            self._in_time()
            super().handle_websocket_upgrade()

        def _in_time(self) -> None:
            if self._unfinished is not None:
                self._unfinished.cancel()
                self._unfinished = None

    return TimedHttp


class TimedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, which aborts a peer that neither reads nor answers pings.

    A ping queues behind the pictures that were sent before it, so on a slow link its answer may take longer than the
    ping timeout. While pictures are waiting, their progress is the sign of life instead.
    """

    _waited = False
    """True if writing was paused since the last ping."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._patience = Patience(transport, (self.ping_interval or 0) + (self.ping_timeout or 0))
        self._control = TokenBucket(MAX_CONTROL)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # A whole read may hold 37,000 frames of 7 bytes, 0.3 s of the loop's time, before any of them is counted.
        if len(data) <= PIECE:
            super().data_received(data)
            return
        for start in range(0, len(data), PIECE):
            if self.close_sent or self.transport.is_closing():
                return
            super().data_received(data[start : start + PIECE])

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self._refuse(1009, f"a message of more than {MAX_FRAGMENTS} fragments")
        elif not self.close_sent:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        if not self._control.take():
            self._refuse(1008, f"more than {MAX_CONTROL:g} pings a second")
        elif not self.close_sent:
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if not self._control.take():
            self._refuse(1008, f"more than {MAX_CONTROL:g} pongs a second")
        elif not self.close_sent:
            super().handle_pong(event)

    def _refuse(self, code: int, reason: str) -> None:
        """Close with a reason, without waiting for the peer to agree."""
        if not self.close_sent:
            log.info("%s:%s closed: %s", *(self.client or ("?", 0)), reason)
            self.frames = []
            self.conn.send_close(code, reason)
            self.handle_parser_exception()
            self.loop.call_later(FAREWELL_S, self.transport.abort)

    def pause_writing(self) -> None:
        self._waited = True
        self._patience.begin()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._patience.end()
        super().resume_writing()

    def send_keepalive_ping(self) -> None:
        self._waited = not self.writable.is_set()
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        if self._waited:
            self._waited = not self.writable.is_set()
            self.pong_timer = self.loop.call_later(self.ping_timeout or 0, self.keepalive_timeout)
        else:
            self.transport.abort()

    async def send(self, message: Any) -> None:
        await self.writable.wait()
        if self.close_sent and message["type"] == "websocket.send":  # uvicorn would report an error of ours
            raise ClientDisconnected
        await super().send(message)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        # close() waits until everything is sent, which a stalled peer can delay for ever.
        self.loop.call_later(FAREWELL_S, self.transport.abort)
