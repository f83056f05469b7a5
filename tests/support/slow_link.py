"""A TCP proxy as a bad link: it is slow on the way from the server to its peer, and has faults both ways."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

CHUNK = 1024
FREE = 100e6


Fault: TypeAlias = Callable[[bytes], Awaitable[bytes]]
"""What becomes of bytes from the peer on their way. May raise Reset; empty bytes are the end of what it sends."""


class Reset(Exception):
    """Both connections end without a word."""


@dataclass
class Link:
    """``rate`` and ``fault`` may be changed at any time."""

    port: int
    rate: float = FREE
    """Bytes a second."""
    fault: Fault | None = None

    async def run(self, target: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass everything on, both ways, until either side ends."""
        behind, before = await asyncio.open_connection(*target, limit=CHUNK)
        try:
            with contextlib.suppress(OSError):
                await asyncio.gather(self._pass(reader, before, slow=False), self._pass(behind, writer, slow=True))
        except Reset:
            before.transport.abort()
            writer.transport.abort()
        finally:
            for one in (before, writer):
                one.close()
                with contextlib.suppress(OSError):
                    await one.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        try:
            while data := await reader.read(CHUNK):
                if slow and self.rate < FREE:
                    await asyncio.sleep(len(data) / self.rate)
                if not slow and self.fault is not None:
                    data = await self.fault(data)
                    if not data:
                        writer.write_eof()
                        return
                writer.write(data)
                await writer.drain()
            writer.close()
        except BaseException:
            writer.close()
            raise


@asynccontextmanager
async def slow_link(url: str, rate: float = FREE) -> AsyncGenerator[Link]:
    """In front of the server at ``url``. The buffers of its sockets are small, so that the link is what is slow."""
    place = urlsplit(url)
    target = str(place.hostname), int(place.port or 0)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    link = Link(listener.getsockname()[1], rate)
    server = await asyncio.start_server(lambda r, w: link.run(target, r, w), sock=listener, limit=CHUNK)
    try:
        yield link
    finally:
        server.close()
