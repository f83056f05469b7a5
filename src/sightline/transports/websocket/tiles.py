"""``/ws/tiles``: small pictures of many streams on one connection, with everything drawn in.

The pictures of all streams go out in rounds, so that a page has few messages to handle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from starlette.websockets import WebSocket

from sightline.core.errors import ProtocolError, StreamEnded
from sightline.core.types import Detection, Frame, FrameResult
from sightline.security.authorization import access_of
from sightline.streams.hub import Hub
from sightline.streams.overview import Box, Overview
from sightline.streams.rendering import Drawing
from sightline.transports._viewer import Acks, pong
from sightline.transports.websocket.session import Socket, WebSocketSession, binary_frame, text_frame
from sightline.wire import json as protocol
from sightline.wire.messages import Tile, Tiles
from sightline.wire.requests import Ack, Ping, TilesWish

FPS = 10.0
"""Most pictures of a stream a second."""
MOST_PICTURES = 120.0
"""Most pictures a second of a connection: where it has many streams, each gets fewer."""
MAX_TEXT = 16384
"""Bytes of a message: the names of all streams fit."""
WIDTHS = (320, 480, 640, 960, 1280)
"""Longer sides of the pictures, so that those for one page do for another."""

_read: protocol.Reader[TilesWish | Ack | Ping] = protocol.Reader(TilesWish, Ack, Ping, most=MAX_TEXT)


async def show(ws: WebSocket, socket: Socket, hub: Hub, drawing: Drawing) -> None:
    """Serve a page of many streams. Raises the error that ended its session."""
    access = access_of(ws)
    identity = access.require(ws, stream=None)
    session = WebSocketTiles(socket, hub, drawing, lambda name: access.check(identity, "view", stream=name))
    with session.overview:
        await session.run()


class WebSocketTiles(WebSocketSession):
    """A page of many streams, which chooses them by a message whenever others come into sight."""

    def __init__(self, socket: Socket, hub: Hub, drawing: Drawing, check: Callable[[str], None]) -> None:
        """``check`` raises Forbidden for a stream that the page may not show."""
        super().__init__(socket)
        self.overview = Overview(hub, self._came)
        self._drawing, self._check = drawing, check
        self._shown: dict[str, tuple[Frame, tuple[Detection, ...]]] = {}
        """What the page shows of each stream, or will when it is made."""
        self._width = WIDTHS[0]
        self._acks = Acks()
        self._round = 0
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._being_made: asyncio.Future[list[bytes | BaseException]] | None = None

    def hear(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            raise ProtocolError(f"binary message of {len(data)} bytes: expected only text from a viewer")
        message = _read(data)
        if isinstance(message, TilesWish):
            for name in message.streams:
                self._check(name)
            self._choose(message)
        elif isinstance(message, Ping):
            self.say(text_frame(pong(message)))
        elif message.seq is not None:
            self._acks.acknowledge(message.seq)
        self.push()  # an ack makes room

    def _choose(self, wish: TilesWish) -> None:
        width = next((one for one in WIDTHS if one >= wish.width), WIDTHS[-1])
        self.overview.choose(wish.streams)
        self.overview.limit(1 / self._interval)
        same = width == self._width
        self._width = width
        self._shown = {name: shown for name, shown in self._shown.items() if same and name in self.overview}

    @property
    def _interval(self) -> float:
        return max(1 / FPS, len(self.overview) / MOST_PICTURES)

    def _came(self, mailbox: Box) -> None:
        if not mailbox.closed:
            self.changed()
            return
        try:
            mailbox.take()
        except StreamEnded as e:
            self.fail(e)

    def push(self) -> None:
        if self._being_made is not None or not (self._acks.room and self.room):
            return
        if (wait := self._next_at - self.loop.time()) > 0:
            self._timer = self._timer or self.loop.call_later(wait, self._due)
            return
        if results := self._newest():
            self._next_at = self.loop.time() + self._interval
            made = asyncio.gather(*(self._drawing.small(one, self._width) for one in results), return_exceptions=True)
            self._being_made = made
            made.add_done_callback(partial(self._are_made, results))

    def _due(self) -> None:
        self._timer = None
        self.changed()

    def _newest(self) -> list[FrameResult]:
        """Take the newest result of each stream, where it looks otherwise than the one before."""
        found = []
        for name, mailbox in self.overview.mailboxes:
            result = mailbox.take()
            if not isinstance(result, FrameResult):  # how streams stand is told elsewhere
                continue
            shown = result.reused or result.frame, result.detections
            if self._shown.get(name) != shown:
                self._shown[name] = shown
                found.append(result)
        return found

    def _are_made(self, results: list[FrameResult], made: asyncio.Future[list[bytes | BaseException]]) -> None:
        self._being_made = None
        if made.cancelled() or self.ended.done():
            return
        drawn = [(result.frame, jpeg) for result, jpeg in zip(results, made.result(), strict=True)]
        sent = [(frame, jpeg) for frame, jpeg in drawn if isinstance(jpeg, bytes) and frame.stream in self.overview]
        if sent:
            self._round += 1
            self._acks.sent(self._round)
            tiles = tuple(Tile(frame.stream, frame.seq, len(jpeg)) for frame, jpeg in sent)
            head = text_frame(Tiles(self._round, tiles))
            self.socket.write(head + binary_frame(b"".join(jpeg for _, jpeg in sent)))
        self.changed()
