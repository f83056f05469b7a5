"""uvicorn's HTTP protocol with limits: size, pieces and rate of requests, and time for them to arrive."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from sightline.core.metrics import TokenBucket
from sightline.security.authentication import CONNECTION
from sightline.security.connections import OpenConnection
from sightline.server.uvicorn_websocket import FAREWELL_S, MAX_HEAD, PIECE, Patience
from sightline.settings.settings import Settings

log = logging.getLogger(__name__)

MAX_REQUESTS = 500
"""Requests a second on one connection."""
MAX_HEADERS = 100
"""Headers of a request, with those after its body."""
MAX_CHUNKS = 4096
"""Pieces in which a request's body may come: chunks, or reads from the network. One more for each KB that has come."""
RENEWS = 1 << 20
"""Bytes of a body for which the time that a request may take to arrive begins anew: files are large."""


class _TooMuch(Exception):
    """A request is over a limit; the message says which."""


class TimedHttp(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which refuses what is over a limit and aborts a peer that is too slow."""

    _unfinished: asyncio.TimerHandle | None = None
    """Aborts the connection unless the request has arrived by then."""
    _refusal: str | None = None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        connection: OpenConnection,
        settings: Settings,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._settings = settings
        self._connection = connection
        self.app_state = {**self.app_state, CONNECTION: connection}  # so that it is in the state of each scope
        self._requests = TokenBucket(MAX_REQUESTS, burst_s=1.0)
        self._head = self._headers = 0
        """Bytes of the head that is being read, and headers of the request, with those after its body."""
        self._after_head = False
        self._chunks = self._bytes = 0
        """Pieces and bytes of the body that is being read."""
        self._unanswered: list[RequestResponseCycle] = []
        """Requests without a whole answer. uvicorn knows the last one only, and a peer need not await answers."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._patience = Patience(transport, self._settings.idle_timeout)
        self._expect()

    def data_received(self, data: bytes) -> None:
        if self._unfinished is None:  # the next request on a keep-alive connection
            self._expect()
        for start in range(0, len(data), PIECE):
            if self.transport.is_closing() or self.transport.get_protocol() is not self:
                return
            piece = data[start : start + PIECE]
            self._head += len(piece)
            super().data_received(piece)
            if self._head > MAX_HEAD:
                self._refusal = f"a request's head of more than {MAX_HEAD} bytes"
                self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._chunks = self._bytes = self._headers = 0
        self._after_head = False
        self._limit(kept=self._requests.take(), refusal=f"more than {MAX_REQUESTS} requests a second")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        self._limit(kept=self._headers <= MAX_HEADERS, refusal=f"more than {MAX_HEADERS} headers")
        if not self._after_head:  # else a proxy may not have seen it, and anybody could write what that one writes
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head = -PIECE  # the rest of this piece is the body's
        self._after_head = True
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self._unanswered = [one for one in self._unanswered if not one.response_complete] + [self.cycle]

    def on_body(self, body: bytes) -> None:
        self._head = -PIECE
        self._chunks += 1
        before, self._bytes = self._bytes, self._bytes + len(body)
        if self._unfinished is not None and before // RENEWS < self._bytes // RENEWS:
            self._unfinished.cancel()
            self._expect()
        most = MAX_CHUNKS + self._bytes // 1024
        self._limit(kept=self._chunks <= most, refusal=f"a body in more than {most} pieces")
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_time()
        super().on_message_complete()

    def _limit(self, *, kept: bool, refusal: str) -> None:
        if not kept:
            self._refusal = refusal
            raise _TooMuch(refusal)

    def send_400_response(self, msg: str) -> None:
        """Refuse what can't be parsed or is over a limit, or end the connection where an answer is under way."""
        if self._refusal is not None:
            log.info("%s:%s closed: %s", *(self.client or ("?", 0)), self._refusal)
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
        else:
            super().send_400_response(self._refusal or msg)
            self.loop.call_later(FAREWELL_S, self.transport.abort)

    def pause_writing(self) -> None:
        self._patience.begin()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._patience.end()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.gone()
        self._in_time()
        self._patience.end()
        super().connection_lost(exc)
        for one in self._unanswered:
            if not one.response_complete:
                one.disconnected = True
                one.message_event.set()

    def handle_websocket_upgrade(self) -> None:
        self._in_time()
        super().handle_websocket_upgrade()

    def _expect(self) -> None:
        self._unfinished = self.loop.call_later(self._settings.request_timeout, self.transport.abort)

    def _in_time(self) -> None:
        if self._unfinished is not None:
            self._unfinished.cancel()
            self._unfinished = None
