"""``/ws``: results and events as JSON, without pictures."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress

from starlette.websockets import WebSocket

from sightline.core.errors import BadRequest, ProtocolError, TooLarge
from sightline.core.events import Event, EventFilter
from sightline.core.mailbox import Mailbox
from sightline.core.types import FrameResult
from sightline.streams.hub import Hub
from sightline.streams.subscription import Subscription
from sightline.transports._viewer import pong
from sightline.transports.websocket.session import Socket, WebSocketSession, flag, text_frame
from sightline.wire import json as protocol
from sightline.wire.messages import Position
from sightline.wire.requests import Ping

MOST_DIGITS = 16
"""Of an event's number."""
BACKLOG = 64
"""Maximum number of results waiting for a listener; the oldest are dropped."""

_read: protocol.Reader[Ping] = protocol.Reader(Ping)


async def listen(ws: WebSocket, socket: Socket, hub: Hub) -> None:
    """Serve a listener: results, events or both. Raises the error that ended its session."""
    name = ws.query_params.get("stream")
    events = flag(ws, "events", default=False)
    results = flag(ws, "results", default=not events)
    if not (events or results):
        raise BadRequest("results=0 without events=1: expected one of the two")
    async with AsyncExitStack() as stack:
        mailbox = await stack.enter_async_context(_events(hub, name, ws.query_params)) if events else None
        subscription = await stack.enter_async_context(_subscribed(hub, name)) if results else None
        listener = WebSocketListener(socket, mailbox, subscription)
        if events and flag(ws, "position", default=False) and "after" not in ws.query_params and hub.journal:
            listener.say(text_frame(Position(hub.journal.newest)))
        await listener.run()


def _events(hub: Hub, name: str | None, query: Mapping[str, str]) -> AbstractAsyncContextManager[Mailbox[Event]]:
    """Subscribe to the events that a query asks for. Raises BadRequest."""
    wanted = EventFilter(name, query.get("kind"), query.get("class"), query.get("zone"), query.get("rule"))
    after = query.get("after")
    if after is not None and not (after.isascii() and after.isdecimal() and len(after) <= MOST_DIGITS):
        raise BadRequest(f"after={after[:20]}: expected the number of an event")
    return hub.subscribe_events(name, wanted=wanted, after=None if after is None else int(after))


def _subscribed(hub: Hub, name: str | None) -> AbstractAsyncContextManager[Subscription]:
    if name is None:
        return hub.subscribe_all(backlog=BACKLOG)
    return hub.subscribe(name, backlog=BACKLOG, kind="listener")


class WebSocketListener(WebSocketSession):
    """A listener, which asks for the server's clock at most. Whatever else it says means nothing."""

    def __init__(self, socket: Socket, events: Mailbox[Event] | None, subscription: Subscription | None) -> None:
        super().__init__(socket)
        self._events, self._subscription = events, subscription
        if events is not None:
            events.on_change = self.changed
        if subscription is not None:
            subscription.mailbox.on_change = self.changed

    def hear(self, data: str | bytes) -> None:
        if len(data) > protocol.MAX_TEXT:
            raise TooLarge(f"message of {len(data)} bytes: expected nothing from a listener")
        with suppress(ProtocolError):
            self.say(text_frame(pong(_read(data))))

    def push(self) -> None:
        events, subscription = self._events, self._subscription
        while events is not None and (self.room or events.closed) and (event := events.take()) is not None:
            self.socket.write(text_frame(event))
        if subscription is None:
            return
        results = subscription.mailbox
        while (self.room or results.closed) and (item := results.take()) is not None:
            if isinstance(item, FrameResult):
                self.socket.write(_listed(item))
                subscription.sent += 1


def _listed(result: FrameResult) -> bytes:
    return result.once("json", lambda: text_frame(protocol.result_message(result, mask_follows=False)))
