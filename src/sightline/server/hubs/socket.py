"""A WebSocket that is passed on to another hub: messages go both ways as they come.

Nothing is kept: where one side does not read, the other is not read either. So the newest frame still wins, at the hub
that has the stream.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from sightline.core.errors import SightlineError, Unreachable
from sightline.security.authentication import subprotocol
from sightline.wire import json as protocol

log = logging.getLogger(__name__)
_wire = log.getChild("wire")
_wire.setLevel(logging.WARNING)
"""Logger of the websockets library, which logs headers otherwise, and tokens among them."""

CONNECT_S = 3.0
FAREWELL_S = 2.0
MOST_MESSAGE = 80 << 20
"""Bytes. More than any server sends in one message."""
WAITING = 2
"""Messages that are read ahead."""
NO_CODE = (1005, 1006, 1015)
"""Codes that say that a connection ended without one: they can't be sent."""


async def relay_socket(
    ws: WebSocket,
    address: str,
    headers: Sequence[tuple[str, str]],
    context: ssl.SSLContext,
    chosen: str | None,
) -> None:
    """Connect a peer with another hub until either leaves. Raises Unreachable. ``chosen``: the subprotocol."""
    offered = [Subprotocol(name) for name in ws.scope.get("subprotocols", ())]
    try:
        there = await connect(
            address.replace("http", "ws", 1),
            additional_headers=headers,
            subprotocols=offered or None,
            ssl=context if address.startswith("https") else None,
            compression=None,
            proxy=None,
            max_size=MOST_MESSAGE,
            max_queue=WAITING,
            open_timeout=CONNECT_S,
            close_timeout=FAREWELL_S,
            logger=_wire,
        )
    except (OSError, InvalidHandshake, InvalidURI, EOFError) as e:  # TimeoutError is an OSError
        hub = address.partition("//")[2].partition("/")[0]
        raise Unreachable(
            f"the hub {hub} does not answer ({type(e).__name__}): expected another try in a moment"
        ) from None
    try:
        await ws.accept(chosen)
        await _both(ws, there)
    except (WebSocketDisconnect, OSError, RuntimeError):
        log.debug("%s left", ws.url.path)
    finally:
        await there.close()


async def _both(ws: WebSocket, there: ClientConnection) -> None:
    ways = [asyncio.create_task(_to_hub(ws, there)), asyncio.create_task(_to_peer(ws, there))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        ended = await asyncio.gather(*ways, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception) and not isinstance(error, (WebSocketDisconnect, ConnectionClosed)):
            raise error


async def _to_hub(ws: WebSocket, there: ClientConnection) -> None:
    while True:
        message = await ws.receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("bytes")
        await there.send(message["text"] if data is None else data)


async def _to_peer(ws: WebSocket, there: ClientConnection) -> None:
    try:
        while True:
            data = await there.recv()
            if isinstance(data, str):
                await ws.send_text(data)
            else:
                await ws.send_bytes(data)
    except ConnectionClosed as e:
        code, reason = (1013, "the hub is gone") if e.rcvd is None else (e.rcvd.code, e.rcvd.reason)
        await ws.close(1000 if code in NO_CODE else code, reason)


async def refuse_socket(ws: WebSocket, error: SightlineError) -> None:
    """Tell a peer why its connection ends: pages can't read a refused handshake."""
    try:
        async with asyncio.timeout(FAREWELL_S):
            if ws.application_state is WebSocketState.CONNECTING:
                await ws.accept(subprotocol(ws.scope))
            await ws.send_text(protocol.error_message(error))
            await ws.close(error.close_code, error.message.encode()[:120].decode(errors="ignore"))
    except (TimeoutError, WebSocketDisconnect, OSError, RuntimeError):
        log.debug("%s left before it could be told why", ws.url.path)
