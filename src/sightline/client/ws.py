"""WebSocket connection of the SDK: it uses the same endpoints as the pages and sends a frame as one binary message."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from typing import TypeAlias, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import asdict, replace
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_ws
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from sightline.client.answers import Dropped, Result, as_result, as_reused, error_of
from sightline.client.links import (
    CONNECT_S,
    HEARTBEAT_S,
    LONGEST,
    Address,
    Clock,
    Limits,
    Receiver,
    Wish,
    limits_of,
    unreachable,
    untrusted,
)
from sightline.client.supply import Jpeg
from sightline.core.errors import FAULTS, Moved, ProtocolError, SightlineError, Unreachable, cancelled, told
from sightline.core.events import Event
from sightline.wire import json as protocol
from sightline.wire import msgpack as frames
from sightline.wire.messages import (
    Adapt,
    ErrorMessage,
    Hello,
    JsonDropped,
    JsonResult,
    Pong,
    Position,
    Status,
    Still,
    ViewerFrame,
)
from sightline.wire.requests import Ack, FrameHead, Ping

log = logging.getLogger(__name__)
_wire = log.getChild("wire")
_wire.setLevel(logging.INFO)
"""Logger of the websockets library. Below INFO it logs headers, our token among them."""

Message: TypeAlias = (
    Hello | Adapt | Status | JsonResult | JsonDropped | ViewerFrame | Still | ErrorMessage | Pong | Position | Event
)
KNOWN = {str(kind.__struct_config__.tag) for kind in get_args(Message)}
_message: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


class _Kind(msgspec.Struct):
    type: str


_kind = msgspec.json.Decoder(_Kind)


async def connect(address: Address, path: str, receiver: Receiver, *, camera: bool = False) -> WsLink:
    """Connect to one of the endpoints. Raises Unreachable, or what the server refuses a camera with."""
    url = address.url
    headers = {} if address.token is None else {"Authorization": f"Bearer {address.token}"}
    try:
        ws = await connect_ws(
            url + path,
            compression=None,
            max_size=LONGEST,
            open_timeout=CONNECT_S,
            close_timeout=1,
            ping_interval=HEARTBEAT_S,
            ping_timeout=HEARTBEAT_S,
            ssl=address.context(),
            additional_headers=headers,
            logger=_wire,
        )
    except InvalidStatus as e:
        status = e.response.status_code
        if status == Moved.status:
            raise Moved(f"{url} has not this stream", e.response.headers.get("Location", "")) from None
        raise Unreachable(f"{url}{path} answered with HTTP status {status}: expected Sightline's server") from None
    except ssl.SSLCertVerificationError as e:
        raise untrusted(url, e) from None
    except (ssl.SSLError, InvalidHandshake, EOFError) as e:
        hint = "; one with --lan is at wss://" if url.startswith("ws:") else ""
        raise Unreachable(f"{url} does not answer as a WebSocket server: {e}{hint}") from None
    except OSError as e:  # TimeoutError is an OSError
        raise unreachable(url, e, f"sightline serve --port {urlsplit(url).port or 80}") from None
    link = WsLink(url, receiver, ws, camera=camera)
    if camera:
        try:
            async with asyncio.timeout(CONNECT_S):
                await link.hello
        except BaseException as e:
            await link.close()
            if isinstance(e, TimeoutError):
                raise Unreachable(f"{url}{path} said nothing for {CONNECT_S:g} s") from None
            raise
    return link


class WsLink:
    """A connection over a WebSocket."""

    limits: Limits

    def __init__(self, url: str, receiver: Receiver, ws: ClientConnection, *, camera: bool) -> None:
        self._url = url
        self._receiver = receiver
        self._ws = ws
        self._clock = Clock()
        self._shown: Result | None = None
        """Last result that came with a picture."""
        self._stream = ""
        self._over = False
        self.hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks = [asyncio.create_task(self._read())]
        if camera:
            self._tasks.append(asyncio.create_task(self._beat()))
        else:
            self.hello.set_result(None)

    async def send(self, head: FrameHead, jpeg: Jpeg) -> None:
        """Send a frame as one message."""
        if self._clock.offset is not None:
            head.clock_offset = self._clock.offset
        with contextlib.suppress(ConnectionClosed):  # the reading task reports it
            await self._ws.send(b"".join(frames.with_binaries(frames.encode(head), data=jpeg)))

    async def close(self) -> None:
        """Close the connection and release everything."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        if self.hello.done() and not self.hello.cancelled():
            self.hello.exception()  # has been raised already, or nobody needs it any more
        try:
            await self._ws.close()
        finally:  # even if nobody waits any more for the server to confirm
            self._ws.transport.abort()

    async def _beat(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._ws.send(protocol.encode(Ping(time.time() * 1000)))
                await asyncio.sleep(HEARTBEAT_S)

    async def _read(self) -> None:
        try:
            while True:
                text = await self._ws.recv()
                if isinstance(text, bytes):
                    raise ProtocolError(f"binary message of {len(text)} bytes: expected text before it")
                await self._take(text)
        except ConnectionClosed as e:
            self._lose(Unreachable(f"the connection to {self._url} was lost: {e}"))
        except ProtocolError as e:
            self._lose(ProtocolError(f"{self._url} does not speak as Sightline does over WebSockets: {e}"))
        except FAULTS as e:  # or the caller would wait for ever
            if cancelled(e):
                raise
            log.exception("a message of %s could not be handled", self._url)
            self._lose(SightlineError(f"a message of {self._url} could not be handled: {told(e)}"))

    async def _take(self, text: str) -> None:
        message = _decode(text)
        if isinstance(message, JsonResult):
            mask = await self._binary(message.mask_bytes) if message.mask_bytes else None
            self._receiver.receive(as_result(message, mask=mask))
        elif isinstance(message, ViewerFrame):
            data = await self._binary(message.jpeg_bytes + message.mask_bytes)
            picture, mask = data[: message.jpeg_bytes], data[message.jpeg_bytes :] or None
            self._shown = as_result(message, mask=mask, picture=picture)
            self._receiver.receive(self._shown)
            await self._ws.send(protocol.encode(Ack(message.seq)))
        elif isinstance(message, Still) and self._shown is not None:
            reused = as_reused(self._shown, message)
            self._shown = replace(self._shown, detections=reused.detections)
            self._receiver.receive(reused)
        elif isinstance(message, JsonDropped):
            said = asdict(message) | {"stream": self._stream}
            self._receiver.receive(Dropped(**said))
        elif isinstance(message, (Event, Position)):
            self._receiver.receive(message)
        elif isinstance(message, Pong):
            self._clock.take(message)
        elif isinstance(message, ErrorMessage):
            error = error_of(message.code, message.message, message.url)
            if message.of:
                self._receiver.refused(error, None)
            else:
                self._lose(error)
        elif isinstance(message, Adapt):
            self._receiver.asked(Wish.of(message))
        elif isinstance(message, Status):
            log.debug("%s: %s", self._url, message.message)
        elif isinstance(message, Hello) and not self.hello.done():
            self.limits = limits_of(message)
            self._stream = message.stream or ""
            self.hello.set_result(None)

    async def _binary(self, expected: int) -> bytes:
        data = await self._ws.recv()
        if not isinstance(data, bytes) or len(data) != expected:
            raise ProtocolError(f"{len(data)} {'bytes' if isinstance(data, bytes) else 'letters'}: expected {expected}")
        return data

    def _lose(self, error: SightlineError) -> None:
        if self._over:
            return
        self._over = True
        if self.hello.done():
            self._receiver.lost(error)
        else:
            self.hello.set_exception(error)


def _decode(text: str) -> Message | None:
    try:
        return _message.decode(text)
    except msgspec.DecodeError as e:
        try:
            kind = _kind.decode(text).type
        except msgspec.DecodeError:
            kind = ""
        if kind and kind not in KNOWN:
            log.debug("a message of type %s, which this version does not know", kind)
            return None
        raise ProtocolError(f"text message {text[:60]!r}: {e}") from None
