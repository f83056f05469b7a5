"""A WebSocket peer that may break every rule: it writes frames byte by byte, and reads what the server says to that."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from support.waiting import within

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
WAIT_S = 30.0


def frame(
    opcode: int, payload: bytes = b"", *, last: bool = True, reserved: int = 0, mask: bytes | None = bytes(4)
) -> bytes:
    """One frame. ``reserved``: the three bits, 0 to 7. Without a mask it is one that no client may send."""
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size < 1 << 16:
        length = b"\x7e" + struct.pack(">H", size)
    else:
        length = b"\x7f" + struct.pack(">Q", size)
    head = bytes([(0x80 if last else 0) | reserved << 4 | opcode])
    if mask is None:
        return head + length + payload
    masked = payload if mask == bytes(4) else bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    return head + bytes([length[0] | 0x80]) + length[1:] + mask + masked


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """A close frame as a client sends it."""
    return frame(CLOSE, struct.pack(">H", code) + reason)


@dataclass(frozen=True)
class Said:
    """One frame of the server's."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int | None:
        """The code of a close frame; None for another one, or without a code."""
        return struct.unpack(">H", self.payload[:2])[0] if self.opcode == CLOSE and len(self.payload) > 1 else None


class RawWebSocket:
    """An open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send these bytes; nothing happens where the server has left already."""
        with suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def receive(self) -> Said | None:
        """The next frame; None where the connection has ended."""
        try:
            head = await within(self.reader.readexactly(2), WAIT_S)
            size = head[1] & 0x7F
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self.reader.readexactly(8), "big")
            return Said(head[0] & 0x0F, await self.reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def rest(self) -> list[Said]:
        """All frames until the connection ends."""
        found = []
        while (said := await self.receive()) is not None:
            found.append(said)
        return found


@asynccontextmanager
async def raw_websocket(
    place: tuple[str, int],
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    buffer: int | None = None,
) -> AsyncGenerator[RawWebSocket]:
    """Connect and upgrade. Raises ConnectionRefusedError with the status line where the server does not.

    ``buffer``: bytes that the system keeps of what is not read.
    """
    host, port = place
    connection = socket.socket()
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, place)
    name = None if tls is None else host
    reader, writer = await asyncio.open_connection(sock=connection, ssl=tls, server_hostname=name)
    try:
        more = "".join(f"{key}: {value}\r\n" for key, value in (headers or {}).items())
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{more}\r\n".encode()
        )
        try:
            head = await within(reader.readuntil(b"\r\n\r\n"), WAIT_S)
        except asyncio.IncompleteReadError as e:
            head = e.partial
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise ConnectionRefusedError(head.partition(b"\r\n")[0].decode("latin-1") or "closed without a word")
        yield RawWebSocket(reader, writer)
    finally:
        writer.transport.abort()
