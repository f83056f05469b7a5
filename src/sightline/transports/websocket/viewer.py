"""``/ws/view/{stream}``: the newest frame with its result. ``/ws``: results and events as JSON, without pictures."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack

from starlette.websockets import WebSocket

from sightline.core.errors import BadRequest, ProtocolError, TooLarge
from sightline.core.events import Event
from sightline.core.mailbox import Mailbox
from sightline.core.types import Frame, FrameResult
from sightline.streams.hub import Hub
from sightline.streams.ingest import EPOCH
from sightline.streams.publisher import Subscription
from sightline.streams.rendering import Drawing, Look
from sightline.streams.stream import Stream
from sightline.transports._viewer import ViewerSession
from sightline.transports.websocket.session import receive, send, until_end
from sightline.wire import json as protocol
from sightline.wire.messages import Status

BACKLOG = 64
"""Maximum number of results waiting for a listener; the oldest are dropped."""


async def watch(ws: WebSocket, hub: Hub, drawing: Drawing) -> None:
    """Serve a viewer. Raises the error that ended its session."""
    render = ws.query_params.get("render", "viewer")
    if render not in ("viewer", "server"):
        raise BadRequest(f"render={render[:20]}: expected server or viewer")
    look = Look.of(ws.query_params.get("mode"), ws.query_params.get("opacity"))
    still = _flag(ws, "still", default=False)
    name = ws.path_params["stream"]
    async with hub.subscribe(name) as subscription:
        stream = hub.find(name)
        await _tell_status(ws, stream, stream.status)
        viewer = ViewerSession(subscription, look if render == "server" else None)
        await until_end(_viewer_reads(ws, viewer), _viewer_sends(ws, stream, viewer, drawing, still=still))


def _flag(ws: WebSocket, name: str, *, default: bool) -> bool:
    value = ws.query_params.get(name, "1" if default else "0")
    if value not in ("0", "1"):
        raise BadRequest(f"{name}={value[:20]}: expected 0 or 1")
    return value == "1"


async def _viewer_reads(ws: WebSocket, viewer: ViewerSession) -> None:
    while True:
        data = await receive(ws)
        if isinstance(data, bytes):
            raise ProtocolError(f"binary message of {len(data)} bytes: expected only text from a viewer")
        answer = viewer.hear(data)
        if answer is not None:
            await send(ws, protocol.encode(answer))


async def _tell_status(ws: WebSocket, stream: Stream, status: Status) -> None:
    await send(ws, protocol.encode(status))
    model = stream.model.status
    if status.state == "live" and model.state != "ready":
        await send(ws, protocol.encode(model))


async def _viewer_sends(ws: WebSocket, stream: Stream, viewer: ViewerSession, drawing: Drawing, *, still: bool) -> None:
    """Send results with pictures. With ``still``, only a short message replaces a picture that looks like the last."""
    shown: tuple[Frame, Look | None] | None = None
    while True:
        await viewer.acks.room()  # room before the result, so that the result is the newest
        item = await viewer.subscription.mailbox.get()
        if isinstance(item, Status):
            await _tell_status(ws, stream, item)
            continue
        look = viewer.look
        if still and item.reused is not None and (item.reused, look) == shown:
            await send(ws, _still(item))
            continue
        shown = item.reused or item.frame, look
        text, data = await (_plain(drawing, item) if look is None else _drawn(drawing, look, item))
        viewer.acks.sent(item.frame.seq)
        await send(ws, text, data)
        viewer.subscription.sent += 1


async def _plain(drawing: Drawing, result: FrameResult) -> tuple[str, bytes]:
    """Make the two messages for a viewer that draws: the result, and the picture as it came with the mask after it."""
    jpeg = await drawing.plain(result)

    def make() -> tuple[str, bytes]:
        message = protocol.viewer_frame(result, epoch=EPOCH, jpeg_bytes=len(jpeg))
        return protocol.encode(message), jpeg if result.mask_png is None else jpeg + result.mask_png

    return result.once("viewer", make)


async def _drawn(drawing: Drawing, look: Look, result: FrameResult) -> tuple[str, bytes]:
    """Make the two messages for viewers that can't draw, once for all viewers with the same look."""
    data = await drawing.jpeg(result, look)
    real = look.on(result)

    def make() -> tuple[str, bytes]:
        message = protocol.viewer_frame(result, epoch=EPOCH, jpeg_bytes=len(data), rendered=real.mode)
        return protocol.encode(message), data

    return result.once(("viewer", real), make)


def _still(result: FrameResult) -> str:
    return result.once("still", lambda: protocol.encode(protocol.still(result, epoch=EPOCH)))


async def listen(ws: WebSocket, hub: Hub) -> None:
    """Serve a listener: results, events or both. Raises the error that ended its session."""
    name = ws.query_params.get("stream")
    events = _flag(ws, "events", default=False)
    results = _flag(ws, "results", default=not events)
    if not (events or results):
        raise BadRequest("results=0 without events=1: expected one of the two")
    async with AsyncExitStack() as stack:
        mailbox = await stack.enter_async_context(hub.subscribe_events(name)) if events else None
        subscription = await stack.enter_async_context(_subscribed(hub, name)) if results else None
        loops = [_listener_reads(ws)]
        if mailbox is not None:
            loops.append(_sends_events(ws, mailbox))
        if subscription is not None:
            loops.append(_sends_results(ws, subscription))
        await until_end(*loops)


def _subscribed(hub: Hub, name: str | None) -> AbstractAsyncContextManager[Subscription]:
    if name is None:
        return hub.subscribe_all(backlog=BACKLOG)
    return hub.subscribe(name, backlog=BACKLOG, kind="listener")


async def _listener_reads(ws: WebSocket) -> None:
    while True:
        data = await receive(ws)
        if len(data) > protocol.MAX_TEXT:
            raise TooLarge(f"message of {len(data)} bytes: expected nothing from a listener")


async def _sends_events(ws: WebSocket, mailbox: Mailbox[Event]) -> None:
    while True:
        await send(ws, protocol.encode(await mailbox.get()))


async def _sends_results(ws: WebSocket, subscription: Subscription) -> None:
    while True:
        item = await subscription.mailbox.get()
        if isinstance(item, FrameResult):
            await send(ws, _listed(item))
            subscription.sent += 1


def _listed(result: FrameResult) -> str:
    return result.once("json", lambda: protocol.encode(protocol.result_message(result, mask_follows=False)))
