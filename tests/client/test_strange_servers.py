"""The SDK and servers that are none, or that lead it astray: an error in words, and no endless wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from sightline import AsyncClient
from sightline.core.errors import ProtocolError, Unreachable
from sightline.wire import json as protocol
from sightline.wire import msgpack as frames
from sightline.wire.messages import Adapt, Hello
from support.serving import picture
from support.waiting import within

HELLO = Hello(stream="door", model="motion", max_pending=4, max_fps=30, max_message_bytes=1 << 20, max_pixels=1 << 22)
ADAPT = Adapt(stream="door", fps=9, quality=0.5, width=64, reason="load", preset="default", max_pending=1)
STRANGE = [
    [msgspec.structs.replace(HELLO, max_fps=0)],
    [msgspec.structs.replace(HELLO, max_pending=-1)],
    [msgspec.structs.replace(HELLO, quality=40)],
    [HELLO, msgspec.structs.replace(ADAPT, fps=0)],
    [HELLO, msgspec.structs.replace(ADAPT, width=-5)],
]


@asynccontextmanager
async def saying(kind: str, messages: list[Hello | Adapt]) -> AsyncGenerator[str]:
    """A server that says these to whoever comes, and then listens for ever."""

    async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for message in messages:
            writer.write(frames.prefixed(frames.encode(message)))
        while await reader.read(1 << 16):
            pass
        writer.close()

    async def over_ws(ws: ServerConnection) -> None:
        for message in messages:
            await ws.send(protocol.encode(message))
        async for _ in ws:
            pass

    if kind == "tcp":
        async with await asyncio.start_server(over_tcp, "127.0.0.1") as server:
            yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    else:
        async with serve(over_ws, "127.0.0.1") as web:
            yield f"ws://127.0.0.1:{next(iter(web.sockets)).getsockname()[1]}"


@pytest.mark.parametrize("kind", ["tcp", "ws"])
@pytest.mark.parametrize(
    "messages", STRANGE, ids=["no rate", "none pending", "quality", "asks for none", "asks for width"]
)
async def test_what_no_sender_can_obey_is_told(
    kind: str, messages: list[Hello | Adapt], caplog: pytest.LogCaptureFixture
) -> None:
    async with saying(kind, messages) as url, AsyncClient(url) as client:
        with pytest.raises(ProtocolError, match="not speak as Sightline"):
            async for _ in client.publish("door", iter(lambda: picture(), None)):
                pass
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("call", [lambda c: c.publish("door", [picture()]), lambda c: c.subscribe("door")])
async def test_hubs_that_send_one_round_in_a_circle_are_told(
    call: Callable[[AsyncClient], AsyncGenerator[object]],
) -> None:
    asked = 0

    def sent_on(ws: ServerConnection, request: Request) -> Response:
        nonlocal asked
        asked += 1
        return Response(421, "Misdirected", Headers({"Location": url, "Content-Length": "0"}), b"")

    async def never(ws: ServerConnection) -> None:
        raise AssertionError

    async with serve(never, "127.0.0.1", process_request=sent_on) as web:
        url = f"ws://127.0.0.1:{next(iter(web.sockets)).getsockname()[1]}"
        async with AsyncClient(url) as client:
            with pytest.raises(Unreachable, match="for ever"):
                await within(anext(call(client)), 20)
    assert asked == 4
