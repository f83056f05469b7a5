"""``/ws/view/{stream}``: the newest frame with its result. ``/ws``: every result as JSON, without pictures."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

from starlette.websockets import WebSocket

from sightline.core.errors import BadRequest, ProtocolError, TooLarge
from sightline.core.types import Frame, Result
from sightline.streams.hub import Hub
from sightline.streams.ingest import EPOCH
from sightline.streams.publisher import Subscription
from sightline.streams.rendering import Drawing, Look
from sightline.streams.stream import Stream
from sightline.transports.websocket.session import receive, send, until_end
from sightline.wire import json as protocol
from sightline.wire.json import Pong, Status

UNACKNOWLEDGED = 2
"""Frames under way to a viewer that acknowledges."""

Make: TypeAlias = Callable[[Result], Awaitable[tuple[str, bytes]]]
"""A result's two messages to a viewer."""


class Acks:
    """Which frames are under way to a viewer. Until its first ack it is not waited for."""

    def __init__(self) -> None:
        self._under_way: deque[int] = deque(maxlen=64)
        self._acknowledges = False
        self._changed = asyncio.Event()

    def sent(self, seq: int) -> None:
        """A frame was sent."""
        self._under_way.append(seq)

    def acknowledge(self, seq: int) -> None:
        """The viewer has drawn this frame, and so is done with the older ones."""
        self._acknowledges = True
        if seq in self._under_way:
            while self._under_way.popleft() != seq:
                pass
        self._changed.set()

    async def room(self) -> None:
        """Wait until another frame may be sent."""
        while self._acknowledges and len(self._under_way) >= UNACKNOWLEDGED:
            self._changed.clear()
            await self._changed.wait()


async def watch(ws: WebSocket, hub: Hub, drawing: Drawing) -> None:
    """A viewer's session. Raises what ended it."""
    render = ws.query_params.get("render", "viewer")
    if render not in ("viewer", "server"):
        raise BadRequest(f"render={render[:20]}: expected server or viewer")
    look = Look.of(ws.query_params.get("mode"), ws.query_params.get("opacity"))
    still = ws.query_params.get("still", "0")
    if still not in ("0", "1"):
        raise BadRequest(f"still={still[:20]}: expected 0 or 1")
    name = ws.path_params["stream"]
    async with hub.subscribe(name) as subscription:
        stream = hub.find(name)
        await _tell_viewer(ws, stream, stream.status)
        acks = Acks()
        make = partial(_drawn, drawing, look) if render == "server" else partial(_plain, drawing)
        sends = _viewer_sends(ws, stream, subscription, acks, make, still=still == "1")
        await until_end(_viewer_reads(ws, subscription, acks), sends)


async def _viewer_reads(ws: WebSocket, subscription: Subscription, acks: Acks) -> None:
    while True:
        data = await receive(ws)
        if isinstance(data, bytes):
            raise ProtocolError(f"binary message of {len(data)} bytes: expected only text from a viewer")
        message = protocol.decode_viewer(data)
        if isinstance(message, protocol.Ack):
            acks.acknowledge(message.frameNumber)
        elif isinstance(message, protocol.PerformanceStats):
            subscription.report(message)
        else:
            await send(ws, protocol.encode(Pong(message.timestamp, time.time() * 1000)))


async def _tell_viewer(ws: WebSocket, stream: Stream, status: Status) -> None:
    await send(ws, protocol.encode(status))
    model = stream.model.status
    if status.state == "live" and model.state != "ready":
        await send(ws, protocol.encode(model))


async def _viewer_sends(
    ws: WebSocket, stream: Stream, subscription: Subscription, acks: Acks, make: Make, *, still: bool
) -> None:
    """``still``: where nothing moved since the last picture, say only that."""
    scene: Frame | None = None
    while True:
        await acks.room()  # first room, then the newest: what waits here is never stale
        item = await subscription.mailbox.get()
        if isinstance(item, Status):
            await _tell_viewer(ws, stream, item)
            continue
        if still and item.reused is not None and item.reused is scene:
            await send(ws, _still(item))
            continue
        scene = item.reused or item.frame
        text, data = await make(item)
        acks.sent(item.frame.seq)
        await send(ws, text, data)
        subscription.sent += 1


async def _plain(drawing: Drawing, result: Result) -> tuple[str, bytes]:
    """For a viewer that draws: the picture as it came, and the mask."""
    made: tuple[str, bytes] | None = result.forms.get("viewer")
    if made is None:
        jpeg = await drawing.plain(result)
        data = jpeg if result.mask_png is None else jpeg + result.mask_png
        message = protocol.viewer_frame(result, epoch=EPOCH, jpeg_bytes=len(jpeg))
        made = result.forms["viewer"] = protocol.encode(message), data
    return made


async def _drawn(drawing: Drawing, look: Look, result: Result) -> tuple[str, bytes]:
    """For a viewer that can't draw; made once for all that want it drawn like this."""
    real = look.on(result)
    form = f"server {real.mode} {real.opacity}"
    made: tuple[str, bytes] | None = result.forms.get(form)
    if made is None:
        data = await drawing.jpeg(result, look)
        message = protocol.viewer_frame(result, epoch=EPOCH, jpeg_bytes=len(data), rendered=real.mode)
        made = result.forms[form] = protocol.encode(message), data
    return made


def _still(result: Result) -> str:
    text: str | None = result.forms.get("still")
    if text is None:
        text = result.forms["still"] = protocol.encode(protocol.still(result, epoch=EPOCH))
    return text


async def listen(ws: WebSocket, hub: Hub) -> None:
    """A listener's session. Raises what ended it."""
    name = ws.query_params.get("stream")
    backlog = 64
    opened = (
        hub.subscribe_all(backlog=backlog) if name is None else hub.subscribe(name, backlog=backlog, kind="listener")
    )
    async with opened as subscription:
        await until_end(_listener_reads(ws), _listener_sends(ws, subscription))


async def _listener_reads(ws: WebSocket) -> None:
    while True:
        data = await receive(ws)
        if len(data) > protocol.MAX_TEXT:
            raise TooLarge(f"message of {len(data)} bytes: expected nothing from a listener")


async def _listener_sends(ws: WebSocket, subscription: Subscription) -> None:
    while True:
        item = await subscription.mailbox.get()
        if isinstance(item, Status):
            continue
        text: str | None = item.forms.get("json")
        if text is None:
            text = item.forms["json"] = protocol.encode(protocol.result_message(item, mask_follows=False))
        await send(ws, text)
        subscription.sent += 1
