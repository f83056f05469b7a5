"""How the SDK reaches a server: one connection, over TCP or WebSocket, that publishes or subscribes to one stream."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeAlias
from urllib.parse import quote, urlsplit

from sightline import frames
from sightline.client.answers import Answer
from sightline.client.supply import Jpeg
from sightline.errors import ConfigError, SightlineError, Unreachable
from sightline.protocol import Pong

CONNECT_S = 10.0
HEARTBEAT_S = 10.0
SILENT_S = 25.0
"""A server that has not answered our heartbeats for so long is gone."""


class Limits(Protocol):
    """What the server's hello tells, over either transport."""

    max_pending: int
    max_fps: float
    max_message_bytes: int
    fps: float
    quality: float
    width: int


class Wish(NamedTuple):
    """What pictures the server asks for."""

    fps: float
    quality: float
    """Of the JPEG, 0 to 1."""
    width: int
    """Pixels of the longer side."""
    max_pending: int


class Receiver(Protocol):
    """Who gets what comes over a link. Called on the loop; keeps what comes, within bounds."""

    def receive(self, answer: Answer) -> None:
        """A result or a dropped frame's notice."""

    def refused(self, error: SightlineError, seq: int | None) -> None:
        """The server refuses the stream, or one frame of it."""

    def asked(self, wish: Wish) -> None:
        """The server asks for other pictures."""

    def lost(self, error: SightlineError) -> None:
        """The link is over, and why."""


class Link(Protocol):
    """A connection to a server."""

    limits: Limits

    async def send(self, head: frames.FrameHead, jpeg: Jpeg) -> None:
        """Send a frame; waits while the server doesn't read. On a link that is lost nothing happens."""

    async def close(self) -> None:
        """Give everything back."""


Open: TypeAlias = Callable[[Receiver], Awaitable[Link]]


class Clock:
    """How far the server's clock is ahead of ours, by the fastest ping so far."""

    def __init__(self) -> None:
        self.offset: float | None = None
        """Milliseconds."""
        self._fastest = float("inf")

    def take(self, pong: Pong) -> None:
        """Half of the way was there, half back."""
        now = time.time() * 1000
        took = now - pong.timestamp
        if 0 <= took < self._fastest:
            self._fastest = took
            self.offset = pong.server_time - (pong.timestamp + now) / 2


def check_url(url: str) -> str:
    """The URL without a slash at its end. Raises ConfigError where it is none of ours."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"address {url!r}: the port is not a number from 0 to 65535") from None
    if parts.scheme not in ("tcp", "ws", "wss") or not parts.hostname or (parts.scheme == "tcp" and not port):
        raise ConfigError(f"address {url!r}: expected tcp://HOST:PORT, ws://HOST:PORT or wss://HOST")
    return url.rstrip("/")


def unreachable(url: str, error: OSError, command: str) -> Unreachable:
    """Why nobody answers there, and what to do."""
    if isinstance(error, ConnectionRefusedError):
        why = "nothing listens there"
    else:
        why = error.strerror or str(error) or "no answer in time"
    return Unreachable(f"can't reach {url}: {why}. Start a server with: {command}")


def publishing(url: str, stream: str) -> Open:
    """Opens links that publish a stream."""
    if url.startswith("tcp:"):
        from sightline.client import tcp

        return lambda receiver: tcp.connect(url, receiver)
    from sightline.client import ws  # only who uses it pays for its import

    return lambda receiver: ws.connect(url, f"/ws/camera/{quote(stream, safe='')}", receiver, camera=True)


def subscribing(url: str, stream: str, *, pictures: bool) -> Open:
    """Opens links that receive a stream."""
    if url.startswith("tcp:"):
        from sightline.client import tcp

        return lambda receiver: tcp.connect(url, receiver, frames.Subscribe(stream, pictures))
    from sightline.client import ws

    name = quote(stream, safe="")
    return lambda receiver: ws.connect(url, f"/ws/view/{name}" if pictures else f"/ws?stream={name}", receiver)
