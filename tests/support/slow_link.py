"""A TCP proxy as a slow link: so many bytes a second pass from the server to its peer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

CHUNK = 1024
FREE = 100e6


@dataclass
class Link:
    """``rate`` may be changed at any time."""

    port: int
    rate: float = FREE
    """Bytes a second."""

    async def run(self, target: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass everything on, both ways, until either side ends."""
        behind, before = await asyncio.open_connection(*target, limit=CHUNK)
        with contextlib.suppress(OSError):
            await asyncio.gather(self._pass(reader, before, slow=False), self._pass(behind, writer, slow=True))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        try:
            while data := await reader.read(CHUNK):
                if slow and self.rate < FREE:
                    await asyncio.sleep(len(data) / self.rate)
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


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
