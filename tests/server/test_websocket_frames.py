"""Frames as they may come: whole, in pieces, several in one read. All of them are heard, as the library would."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any, NamedTuple

import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from sightline.security.authentication import CONNECTION
from sightline.security.connections import Connections
from sightline.server.uvicorn_websocket import TimedWebSocket
from support.raw_websocket import BINARY, CLOSE, CONT, PING, TEXT, frame

REQUEST = (
    b"GET /ws/camera/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
MOST = 70_000
"""Bytes of the largest message that is taken."""


class Part(NamedTuple):
    """A part of what a client sends, which need not be a frame."""

    kind: str
    size: int = 1
    mask: bytes = bytes(4)

    def sent(self) -> bytes:
        payload = bytes(self.size)
        if self.kind == "pieces":
            first, last = frame(BINARY, payload, last=False, mask=self.mask), frame(CONT, payload, mask=self.mask)
            return first + frame(PING, b"x") + last
        if self.kind in KINDS:
            return KINDS[self.kind]
        return frame(TEXT if self.kind == "text" else BINARY, payload, mask=self.mask)


KINDS = {
    "no UTF-8": frame(TEXT, b"\xff"),
    "ping": frame(PING, b"x"),
    "close": frame(CLOSE, b"\x03\xe8"),
    "unknown": frame(3),
    "not masked": frame(TEXT, b"x", mask=None),
    "reserved": frame(TEXT, b"x", reserved=1),
    "beginning": b"\x81",
}
FAULTS = {"no UTF-8", "unknown", "not masked", "reserved", "beginning"}
sizes = st.one_of(st.integers(0, 10), st.sampled_from([125, 126, 127, 128, 300, 65535, 65536, MOST, MOST + 1]))
common = st.builds(Part, st.sampled_from(["text", "binary", "pieces"]), sizes, st.sampled_from([bytes(4), b"maSK"]))
parts = st.lists(st.one_of(common, common, st.sampled_from(sorted(KINDS)).map(Part)), max_size=8)


def reference(data: bytes) -> list[str | bytes]:
    """What the library alone makes of it, up to the first fault."""
    protocol = ServerProtocol(max_size=MOST)
    protocol.receive_data(REQUEST)
    protocol.send_response(protocol.accept(protocol.events_received()[0]))  # type: ignore[arg-type]
    heard: list[str | bytes] = []
    protocol.receive_data(data)
    came: list[Frame] = []
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            came.append(event)
            if event.fin:
                message = b"".join(bytes(part.data) for part in came)
                with contextlib.suppress(UnicodeDecodeError):
                    heard.append(message.decode() if came[0].opcode is Opcode.TEXT else message)
                    came = []
                    continue
                break
    return heard


class Transport(asyncio.Transport):
    """A transport that leads nowhere."""

    closing = False

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: Any) -> None: ...

    def write_eof(self) -> None: ...

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.closing = True

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Heard:
    """A session that writes down what it hears."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []

    def received(self, data: str | bytes) -> None:
        self.messages.append(data)

    def changed(self) -> None: ...

    def gone(self) -> None: ...


async def idle(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


CONFIG = uvicorn.Config(idle, ws=TimedWebSocket, ws_per_message_deflate=False, ws_max_size=MOST, log_config=None)


@given(parts, st.lists(st.integers(0, 200_000), max_size=6))
def test_every_way_of_cutting_gives_the_messages_of_the_library(parts: list[Part], cuts: list[int]) -> None:
    data = b"".join(part.sent() for part in parts)

    async def play() -> list[str | bytes]:
        server_state = uvicorn.server.ServerState()
        app_state = {CONNECTION: Connections(9, 9).come("127.0.0.1")}
        ws = TimedWebSocket(config=CONFIG, server_state=server_state, app_state=app_state)
        transport, heard = Transport(), Heard()
        ws.connection_made(transport)
        ws.data_received(REQUEST)
        ws.conn.send_response(ws.response)
        ws.attach(heard)  # type: ignore[arg-type]
        edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
        for begin, end in itertools.pairwise(edges):
            if not transport.closing:
                ws.data_received(data[begin:end])
        ws.connection_lost(None)
        for task in server_state.tasks:
            task.cancel()
        await asyncio.gather(*server_state.tasks, return_exceptions=True)
        return heard.messages

    heard, expected = asyncio.run(play()), reference(data)
    if FAULTS.isdisjoint(part.kind for part in parts) and all(part.size <= MOST // 2 for part in parts):
        assert heard == expected
    else:  # what came in one read with a fault may go with it
        assert heard == expected[: len(heard)]


@given(st.integers(0, 30_000))
def test_an_answer_to_a_close_is_heard_behind_what_was_being_sent(size: int) -> None:
    async def closes(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})

    async def play() -> bool:
        config = uvicorn.Config(closes, ws=TimedWebSocket, ws_max_size=MOST, log_config=None)
        app_state = {CONNECTION: Connections(9, 9).come("127.0.0.1")}
        ws = TimedWebSocket(config=config, server_state=uvicorn.server.ServerState(), app_state=app_state)
        transport = Transport()
        ws.connection_made(transport)
        ws.data_received(REQUEST)
        async with asyncio.timeout(30):
            while not ws.close_sent:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)
        ws.data_received(frame(TEXT, b"x" * size) + KINDS["close"])
        ended = transport.closing
        ws.connection_lost(None)
        return ended

    assert asyncio.run(play()), "the peer has agreed: there is nothing to wait for"
