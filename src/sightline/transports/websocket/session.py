"""One peer's session. An error in it is sent to the peer and ends only this session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from sightline.core.errors import FAULTS, OwnFault, ShuttingDown, SightlineError, StreamEnded, cancelled
from sightline.security.authorization import access_of
from sightline.security.tokens import Role
from sightline.wire import json as protocol

log = logging.getLogger(__name__)

FAREWELL_S = 2.0

Loop: TypeAlias = Coroutine[Any, Any, None]


async def session(ws: WebSocket, role: Role, stream: str | None, run: Callable[[], Loop]) -> None:
    """Accept a peer that holds the role on the stream, and ``run`` until it returns, fails or the peer's token ends.

    ``stream`` is None for all streams.
    """
    await ws.accept()
    try:
        access = access_of(ws)
        async with access.session(access.require(ws, role, stream=stream)):
            await run()
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


async def until_end(*loops: Loop) -> None:
    """Run endless loops together until one raises. Raises the error that ended them."""
    ended: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(_whole(loop))
    except* SightlineError as e:
        ended = e.exceptions[0]
    except* StreamEnded as e:
        ended = ShuttingDown(str(e.exceptions[0]))
    except* (WebSocketDisconnect, OSError):
        ended = WebSocketDisconnect()
    if ended is not None:
        raise ended


async def _whole(loop: Loop) -> None:
    """Run one of a session's loops. Its group would miss a stray cancellation, and the server would obey an exit."""
    try:
        await loop
    except Exception:
        raise
    except FAULTS as e:
        if cancelled(e):
            raise
        raise RuntimeError(f"a session raised {type(e).__name__}") from e


async def receive(ws: WebSocket) -> str | bytes:
    """Receive the next message. Raises WebSocketDisconnect."""
    message = await ws.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    data: bytes | None = message.get("bytes")
    return data if data is not None else str(message["text"])


async def send(ws: WebSocket, text: str, data: bytes | None = None) -> None:
    """Send a text message, and a binary one after it if there is ``data``. Raises WebSocketDisconnect."""
    if ws.application_state is not WebSocketState.CONNECTED:
        raise WebSocketDisconnect
    await ws.send_text(text)
    if data is not None:
        await ws.send_bytes(data)
