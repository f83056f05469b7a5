"""Links to a server: one connection each, over TCP or WebSocket, that publishes or subscribes to one stream."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeAlias
from urllib.parse import urlsplit

from sightline.client.answers import Answer
from sightline.client.supply import Jpeg
from sightline.core.errors import ConfigError, SightlineError, Unreachable
from sightline.core.events import Event
from sightline.wire.messages import Pong
from sightline.wire.requests import FrameHead

CA_PATH = "/ca.crt"
CONNECT_S = 10.0
HEARTBEAT_S = 10.0
SILENT_S = 25.0
"""Seconds without an answer to our heartbeats after which a server counts as gone."""


class Limits(Protocol):
    """Limits and first wishes of a server, as its hello tells them over either transport."""

    max_pending: int
    max_fps: float
    max_message_bytes: int
    max_pixels: int
    fps: float
    quality: float
    width: int


class Wish(NamedTuple):
    """Pictures that the server asks for."""

    fps: float
    quality: float
    """Quality of the JPEG, 0 to 1."""
    width: int
    """Pixels of the longer side."""
    max_pending: int
    reason: str = ""
    """Reason, where it is not what streams begin with."""


class Receiver(Protocol):
    """Receives what comes over a link. It is called on the loop, and keeps what comes within bounds."""

    def receive(self, answer: Answer | Event, /) -> None:
        """Take a result, a dropped frame's notice, or an event."""

    def refused(self, error: SightlineError, seq: int | None) -> None:
        """Note that the server refuses the stream, or one frame of it."""

    def asked(self, wish: Wish) -> None:
        """Note that the server asks for other pictures."""

    def lost(self, error: SightlineError) -> None:
        """Note that the link is over, and why."""


class Link(Protocol):
    """A connection to a server."""

    limits: Limits

    async def send(self, head: FrameHead, jpeg: Jpeg) -> None:
        """Send a frame, and wait while the server doesn't read. On a link that is lost nothing happens."""

    async def close(self) -> None:
        """Give everything back."""


Open: TypeAlias = Callable[[Receiver], Awaitable[Link]]


class Clock:
    """Measures how far the server's clock is ahead of ours, by the fastest ping so far."""

    def __init__(self) -> None:
        self.offset: float | None = None
        """Milliseconds to add to our clock for the server's; None before the first ping came back."""
        self._fastest = float("inf")

    def take(self, pong: Pong) -> None:
        """Take an answer to a ping. Half of its time is counted for the way there."""
        now = time.time() * 1000
        took = now - pong.timestamp
        if 0 <= took < self._fastest:
            self._fastest = took
            self.offset = pong.server_time - (pong.timestamp + now) / 2


class Address:
    """Address of a server, with the token that is shown to it and the authority that vouches for it."""

    def __init__(self, url: str, *, token: str | None = None, ca: str | os.PathLike[str] | None = None) -> None:
        """``ca``: PEM file of an authority, trusted besides the system's. Raises ConfigError."""
        self.url = check_url(url)
        self.token = token
        self.secure = self.url.startswith(("wss:", "tcps:"))
        self._ca = ca
        self._context: ssl.SSLContext | None = None
        if token is not None and not self.secure and not _is_here(urlsplit(url).hostname or ""):
            raise ConfigError(
                f"address {self.url!r}: a token would be overheard on the way; expected wss:// or tcps://"
            )

    def context(self) -> ssl.SSLContext | None:
        """Return the TLS context for connecting; None where that is not over TLS. Raises ConfigError."""
        if self.secure and self._context is None:
            context = ssl.create_default_context()
            try:
                if self._ca is not None:
                    context.load_verify_locations(self._ca)
            except (OSError, ssl.SSLError) as e:
                raise ConfigError(f"authority {self._ca}: {e.strerror or e}; expected a PEM file") from None
            self._context = context
        return self._context


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def untrusted(url: str, error: ssl.SSLCertVerificationError) -> Unreachable:
    """Make the error of a server that can't prove to be the one that was asked for."""
    return Unreachable(
        f"the certificate of {url} is not trusted: {error.verify_message}. From a server with --lan download {CA_PATH} "
        "once, and name that file with ca= or in SIGHTLINE_CA"
    )


def check_url(url: str) -> str:
    """Return the URL without a slash at its end; http means WebSocket. Raises ConfigError where it is none of ours."""
    url = re.sub(r"^http(?=s?://)", "ws", url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"address {url!r}: the port is not a number from 0 to 65535") from None
    known = parts.scheme in ("ws", "wss") or (parts.scheme in ("tcp", "tcps") and port)
    if not known or not parts.hostname:
        raise ConfigError(f"address {url!r}: expected tcp://HOST:PORT, tcps://HOST:PORT, ws://HOST:PORT or wss://HOST")
    return url.rstrip("/")


def unreachable(url: str, error: OSError, command: str) -> Unreachable:
    """Make the error that says why nobody answers there, and what to do."""
    if isinstance(error, ConnectionRefusedError):
        why = "nothing listens there"
    else:
        why = error.strerror or str(error) or "no answer in time"
    return Unreachable(f"can't reach {url}: {why}. Start a server with: {command}")
