"""A peer of the TCP data plane that knows nothing of the SDK: sockets and plain msgpack."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec

from support.serving import picture
from support.waiting import within

Map = dict[str, Any]
_names = itertools.count()


def fresh() -> str:
    """A stream's name that no other test uses: the last one's camera may not have left yet."""
    return f"fresh-{next(_names)}"


def packed(message: object) -> bytes:
    """A message with its length."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4, "big") + body


def frame(stream: str, seq: int, jpeg: bytes | None = None, **more: object) -> Map:
    """A frame as any client would send it."""
    data = picture(seq) if jpeg is None else jpeg
    return {
        "type": "frame",
        "stream": stream,
        "seq": seq,
        "timestamp": 1000 + seq,
        "format": "jpeg",
        "data": data,
    } | more


class TcpPeer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *messages: object) -> None:
        await self.send_raw(b"".join(map(packed, messages)))

    async def send_raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> Map:
        length = int.from_bytes(await within(self.reader.readexactly(4), 30), "big")
        message: Map = msgspec.msgpack.decode(await self.reader.readexactly(length))
        return message

    async def next(self, *types: str) -> Map:
        """The next message of one of these types."""
        while True:
            message = await self.receive()
            if message["type"] in types:
                return message

    async def publish(self, stream: str, count: int, *, start: int = 0) -> list[Map]:
        """Send frames one at a time, each after the answer to the one before."""
        answers = []
        for seq in range(start, start + count):
            await self.send(frame(stream, seq))
            answer = await self.next("result", "dropped", "error")
            assert (answer.get("stream"), answer.get("seq")) == (stream, seq), answer
            answers.append(answer)
        return answers

    async def refused(self) -> Map:
        """The error that the server ends the connection with."""
        message = await self.next("error")
        while "stream" in message:
            message = await self.next("error")
        assert await within(self.reader.read(), 30) == b"", "nothing comes after that"
        return message


@asynccontextmanager
async def tcp_peer(
    url: str,
    *,
    token: str | None = None,
    tls: ssl.SSLContext | None = None,
    greeted: bool = True,
    receive_bytes: int | None = None,
) -> AsyncGenerator[TcpPeer]:
    """Connect; the server's hello has been read, where it sends one to who has said nothing or shown a token.

    ``receive_bytes``: what the system keeps for this peer until it is read.
    """
    parts = urlsplit(url)
    connection = socket.socket()
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (parts.hostname, parts.port))
    name = None if tls is None else parts.hostname
    reader, writer = await asyncio.open_connection(sock=connection, ssl=tls, server_hostname=name)
    peer = TcpPeer(reader, writer)
    try:
        if token is not None:
            await peer.send({"type": "auth", "token": token})
        if not greeted:
            yield peer
            return
        hello = await peer.receive()
        assert hello["type"] == "hello", hello
        yield peer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
