"""One peer's session, without tasks or queues of its own: it hears messages as they come, and writes what is made.

An error in it is sent to the peer and ends only this session.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from msgspec import Struct
from starlette.websockets import WebSocket, WebSocketDisconnect

from sightline.core.errors import (
    FAULTS,
    BadRequest,
    ConfigError,
    LimitReached,
    OwnFault,
    ShuttingDown,
    SightlineError,
    StreamEnded,
    cancelled,
)
from sightline.security.authentication import subprotocol
from sightline.security.authorization import access_of
from sightline.security.tokens import Role
from sightline.wire import json as protocol

log = logging.getLogger(__name__)

FAREWELL_S = 2.0
ANSWERS = 64
"""Maximum number of messages waiting for a peer that doesn't read; above it, the session is closed."""
WHOLE_TEXT, WHOLE_BINARY = 0x81, 0x82
"""First byte of a message in one frame."""
SOCKET = "sightline.socket"
"""Name of the ASGI extension by which sessions get their socket."""


class Socket(Protocol):
    """The server's side of a WebSocket, below ASGI."""

    full: bool
    """True while the peer has not read what was written."""

    def attach(self, session: WebSocketSession) -> None:
        """Have the session called from now on: for each message, when there is room again, and at the end."""
        ...

    def write(self, frames: bytes) -> None:
        """Send whole frames. Nothing happens where the peer has left."""
        ...

    def pause_reading(self) -> None:
        """Read no more from the peer. What was read already is still heard."""
        ...

    def resume_reading(self) -> None:
        """Read again."""
        ...


class WebSocketSession:
    """A peer. Its ``hear`` gets the messages; ``ended`` raises what ended it."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self._waiting: deque[bytes] | None = None
        """Frames that the peer has not made room for; None where there are none."""

    # For subclasses

    def hear(self, data: str | bytes) -> None:
        """Handle a message. What it raises ends the session."""
        raise NotImplementedError

    def push(self) -> None:
        """Send what waits elsewhere, such as in a mailbox, while there is room. What it raises ends the session."""

    @property
    def room(self) -> bool:
        """True if something can be sent at once."""
        return not (self.socket.full or self._waiting)

    def say(self, frames: bytes) -> None:
        """Send frames, or keep them while the peer doesn't read. The session ends if too many wait."""
        if self.ended.done():
            return
        if self.room:
            self.socket.write(frames)
        else:
            self._waiting = self._waiting or deque()
            self._waiting.append(frames)
            if len(self._waiting) > ANSWERS:
                self.end(LimitReached(f"{ANSWERS} answers wait: expected a peer that reads them"))

    def end(self, error: BaseException) -> None:
        """End the session, unless it has ended."""
        if not self.ended.done():
            self.ended.set_exception(error)

    async def run(self) -> None:
        """Serve the peer. Raises what ends the session."""
        self.socket.attach(self)
        self.changed()
        try:
            await self.ended
        finally:
            if not self.ended.cancel():  # nothing is heard or sent any more
                self.ended.exception()  # seen, also where the task was cancelled at the same moment

    # Called by the socket and by mailboxes: they never raise

    def received(self, data: str | bytes) -> None:
        """A message has come."""
        if not self.ended.done():
            try:
                self.hear(data)
            except FAULTS as e:
                self.fail(e)

    def changed(self) -> None:
        """Something waits to be sent, or there is room again."""
        if not self.ended.done():
            try:
                while self._waiting and not self.socket.full:
                    self.socket.write(self._waiting.popleft())
                self.push()
            except FAULTS as e:
                self.fail(e)

    def gone(self) -> None:
        """The peer has left."""
        self.end(WebSocketDisconnect())

    def fail(self, error: BaseException) -> None:
        """End the session for an error. The peer is told of its own faults, the log of others."""
        if cancelled(error):
            raise error
        if isinstance(error, StreamEnded):
            self.end(ShuttingDown(error.reason))
        elif isinstance(error, SightlineError):
            self.end(error)
        else:
            log.error("a session failed", exc_info=error)
            self.end(OwnFault())


def flag(ws: WebSocket, name: str, *, default: bool) -> bool:
    """Read a query's value of 0 or 1. Raises BadRequest."""
    value = ws.query_params.get(name, "1" if default else "0")
    if value not in ("0", "1"):
        raise BadRequest(f"{name}={value[:20]}: expected 0 or 1")
    return value == "1"


def text_frame(message: Struct) -> bytes:
    """Return a message as a frame. A server's frames aren't masked, so all peers can be sent the same bytes."""
    return framed(WHOLE_TEXT, protocol.encoded(message))


def binary_frame(data: bytes) -> bytes:
    """Return a binary message as a frame."""
    return framed(WHOLE_BINARY, data)


def framed(first: int, data: bytes) -> bytes:
    """Return a message in one frame that isn't masked. ``first``: its first byte. The library needs 5 us for that."""
    size = len(data)
    if size < 126:
        head = bytes((first, size))
    elif size < 1 << 16:
        head = bytes((first, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 127)) + size.to_bytes(8, "big")
    return head + data


async def session(
    ws: WebSocket, role: Role | None, stream: str | None, run: Callable[[Socket], Coroutine[Any, Any, None]]
) -> None:
    """Accept a peer that holds the role on the stream, and ``run`` until it returns, fails or the peer's token ends.

    ``stream`` is None for all streams, ``role`` for anybody who is known.
    """

    async def allowed(socket: Socket) -> None:
        access = access_of(ws)
        async with access.session(access.require(ws, *([role] if role else []), stream=stream)):
            await run(socket)

    await open_session(ws, allowed)


async def open_session(ws: WebSocket, run: Callable[[Socket], Coroutine[Any, Any, None]]) -> None:
    """Accept anybody, and ``run`` until it returns or fails. ``run`` sees to it that the peer has a right."""
    await ws.accept(subprotocol(ws.scope))
    try:
        socket = ws.scope["extensions"].get(SOCKET)
        if socket is None:
            raise ConfigError("this app runs in another server than its own, which has no limits for WebSockets")
        await run(socket)
    except (WebSocketDisconnect, OSError):
        return
    except SightlineError as e:
        log.info("%s %s closed: %s", ws.url.path, peer(ws), e.message)
        await _refuse(ws, e)
    except FAULTS as e:
        if cancelled(e):
            raise
        log.exception("%s %s failed", ws.url.path, peer(ws))
        await _refuse(ws, OwnFault())


async def _refuse(ws: WebSocket, error: SightlineError) -> None:
    try:
        async with asyncio.timeout(FAREWELL_S):  # a peer that doesn't read must not delay the end
            await ws.send_text(protocol.error_message(error))
            await ws.close(error.close_code, error.message.encode()[:120].decode(errors="ignore"))
    except (TimeoutError, WebSocketDisconnect, OSError, RuntimeError):
        log.debug("%s %s left before it could be told why", ws.url.path, peer(ws))


def peer(ws: WebSocket) -> str:
    """The peer's address for the log, as host:port."""
    return f"{ws.client.host}:{ws.client.port}" if ws.client else "?"
