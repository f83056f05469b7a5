"""TCP connection of the SDK."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from typing import TypeAlias, cast, get_args
from urllib.parse import urlsplit

import msgspec

from sightline.client.answers import Dropped, Result, error_of, with_picture_of
from sightline.client.links import (
    CONNECT_S,
    HEARTBEAT_S,
    LONGEST,
    SILENT_S,
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
from sightline.core.errors import ProtocolError, SightlineError, TooLarge, Unreachable
from sightline.core.events import Event
from sightline.wire import msgpack as frames
from sightline.wire.messages import Adapt, ErrorMessage, Hello, Pong, Position, Status
from sightline.wire.requests import Auth, FrameHead, Ping, Subscribe

log = logging.getLogger(__name__)


Message: TypeAlias = Hello | Adapt | Status | Result | Dropped | ErrorMessage | Pong | Position | Event
KNOWN = {str(kind.__struct_config__.tag) for kind in get_args(Message)}
_message: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


class _Kind(msgspec.Struct):
    type: str


_kind = msgspec.msgpack.Decoder(_Kind)


async def connect(
    address: Address, receiver: Receiver, first: Subscribe | None = None, *, session: str = ""
) -> TcpLink:
    url = address.url
    parts = urlsplit(url)
    link: TcpLink | None = None
    try:
        async with asyncio.timeout(CONNECT_S):
            loop = asyncio.get_running_loop()
            _, link = await loop.create_connection(
                lambda: TcpLink(address, receiver, session), str(parts.hostname), parts.port or 0, ssl=address.context()
            )
            await link.hello
    except BaseException as e:
        if link is not None:
            await link.close()
        if isinstance(e, TimeoutError):
            raise Unreachable(f"{url} said nothing for {CONNECT_S:g} s: is it what serve --tcp-port names?") from None
        if isinstance(e, ssl.SSLCertVerificationError):
            raise untrusted(url, e) from None
        if isinstance(e, ssl.SSLError):
            raise Unreachable(f"{url} does not answer as a TLS server: {e}") from None
        if isinstance(e, OSError):
            raise unreachable(url, e, f"sightline serve --tcp-port {parts.port}") from None
        raise
    if first is not None:
        link.say(first)
    return link


class TcpLink(asyncio.BufferedProtocol):
    """A connection over TCP."""

    limits: Limits

    def __init__(self, address: Address, receiver: Receiver, session: str) -> None:
        self._url = address.url
        self._token = address.token
        self._receiver = receiver
        self._session = session
        """Session id to send with the first frame; empty afterwards."""
        self._splitter = frames.Splitter(LONGEST)
        self._clock = Clock()
        self._shown: Result | None = None
        """Last result that came with a picture."""
        self._loop = asyncio.get_running_loop()
        self.hello: asyncio.Future[None] = self._loop.create_future()
        self._room = asyncio.Event()
        self._room.set()
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Authenticate and start the heartbeat."""
        self._transport = cast("asyncio.Transport", transport)
        self._heard = self._loop.time()
        if self._token is not None:
            self.say(Auth(self._token))
        self._beat()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Buffer for the next bytes."""
        return self._splitter.room()

    def buffer_updated(self, nbytes: int) -> None:
        """Handle received bytes."""
        if self._over:
            return
        self._heard = self._loop.time()
        try:
            for data in self._splitter.received(nbytes):
                self._take(data)
        except (TooLarge, ProtocolError) as e:
            self._lose(ProtocolError(f"{self._url} does not speak as Sightline does over TCP: {e}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Report that the connection is lost."""
        self._lose(Unreachable(f"the connection to {self._url} was lost" + (f": {exc}" if exc else "")))
        self._room.set()

    def pause_writing(self) -> None:
        """Pause sending: the server doesn't read."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Resume sending: the server reads again."""
        self._room.set()

    def say(self, message: frames.PeerMessage) -> None:
        """Send a small message."""
        self._transport.write(frames.prefixed(frames.encode(message)))

    async def send(self, head: FrameHead, jpeg: Jpeg) -> None:
        """Send a frame: head and picture one after the other, without a copy of both."""
        if not self._room.is_set():
            await self._room.wait()
        if self._over:
            return
        if self._clock.offset is not None:
            head.clock_offset = self._clock.offset
        if self._session:
            head.session, self._session = self._session, ""
        for part in frames.for_tcp(frames.with_binaries(frames.encode(head), data=jpeg)):
            self._transport.write(part)

    async def close(self) -> None:
        """Close at once; whatever is still under way is discarded."""
        self._over = True
        self._heartbeat.cancel()
        self._transport.abort()
        await asyncio.sleep(0)  # the socket is released in the loop's next round, which may be its last
        if self.hello.done() and not self.hello.cancelled():
            self.hello.exception()  # has been raised already, or nobody needs it any more

    def _beat(self) -> None:
        if self._loop.time() - self._heard > SILENT_S:
            self._lose(Unreachable(f"{self._url} has not answered for {SILENT_S:g} s"))
            return
        self._heartbeat = self._loop.call_later(HEARTBEAT_S, self._beat)
        self.say(Ping(time.time() * 1000))

    def _take(self, data: memoryview) -> None:
        try:
            message = frames.decode(_message, data, "a message of the server")
        except ProtocolError:
            kind = frames.decode(_kind, data, "a map with a type").type
            if kind in KNOWN:
                raise
            log.debug("%s: a message of type %s, which this version does not know", self._url, kind)
            return
        if isinstance(message, Result):
            if message.picture is not None:
                self._shown = message
            elif message.reused and self._shown is not None:
                message = with_picture_of(self._shown, message)
            self._receiver.receive(message)
        elif isinstance(message, (Dropped, Event, Position)):
            self._receiver.receive(message)
        elif isinstance(message, Pong):
            self._clock.take(message)
        elif isinstance(message, ErrorMessage):
            error = error_of(message.code, message.message, message.url)
            if message.stream or message.of:
                self._receiver.refused(error, message.seq)
            else:
                self._lose(error)
        elif isinstance(message, Adapt):
            self._receiver.asked(Wish.of(message))
        elif isinstance(message, Status):
            log.debug("%s: %s: %s", self._url, message.stream, message.message)
        elif not self.hello.done():
            self.limits = limits_of(message)
            self.hello.set_result(None)

    def _lose(self, error: SightlineError) -> None:
        if self._over:
            return
        self._over = True
        self._heartbeat.cancel()
        self._transport.abort()
        self._room.set()
        if self.hello.done():
            self._receiver.lost(error)
        else:
            self.hello.set_exception(error)
