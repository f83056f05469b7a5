"""Links of the SDK: each is one connection, over TCP or WebSocket, that publishes or subscribes to one stream."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import NamedTuple, Protocol, TypeAlias
from urllib.parse import urlsplit

from sightline.client.answers import Item
from sightline.client.supply import Jpeg
from sightline.core.errors import ConfigError, ProtocolError, SightlineError, Unreachable
from sightline.wire.messages import Adapt, Hello, Pong
from sightline.wire.requests import FrameHead

CA_PATH = "/ca.crt"
CONNECT_S = 10.0
LONGEST = 80 << 20
"""Bytes. More than any server sends in one message."""
HEARTBEAT_S = 10.0
SILENT_S = 25.0
"""Seconds without an answer to heartbeats after which a server counts as gone."""


class Limits(Protocol):
    """Limits and initial picture settings in the server's hello, over either transport."""

    max_pending: int
    max_fps: float
    max_message_bytes: int
    max_pixels: int
    fps: float
    quality: float
    width: int


class Wish(NamedTuple):
    """The pictures that the server asks for."""

    fps: float
    quality: float
    """JPEG quality, 0 to 1."""
    width: int
    """Maximum length of the longer side in pixels."""
    max_pending: int
    reason: str = ""
    """Reason for the request; empty for the settings that every stream begins with."""

    @classmethod
    def of(cls, asked: Limits | Adapt) -> Wish:
        """Return what a server's message asks for. Raises ProtocolError where no pictures are like that."""
        reason = asked.reason if isinstance(asked, Adapt) else ""
        wish = cls(asked.fps, asked.quality, asked.width, asked.max_pending, reason)
        if not (0 < wish.fps < inf and 0 < wish.quality <= 1 and wish.width > 0 and wish.max_pending > 0):
            raise ProtocolError(f"it asks for pictures that can't be: {wish}"[:300])
        return wish


class Receiver(Protocol):
    """Receiver of a link's messages. Called on the loop; keeps what it needs within bounds."""

    def receive(self, item: Item, /) -> None:
        """Take a result, a dropped frame's notice, or an event."""

    def refused(self, error: SightlineError, seq: int | None) -> None:
        """Handle the server's refusal of the stream, or of one frame of it."""

    def asked(self, wish: Wish) -> None:
        """Handle the server's request for other pictures."""

    def lost(self, error: SightlineError) -> None:
        """Handle the end of the link and its reason."""


class Link(Protocol):
    """A connection to a server."""

    limits: Limits

    async def send(self, head: FrameHead, jpeg: Jpeg) -> None:
        """Send a frame; waits while the server doesn't read. On a link that is lost nothing happens."""

    async def close(self) -> None:
        """Close the connection and release everything."""


def limits_of(hello: Hello) -> Hello:
    """Return the limits in a server's first message. Raises ProtocolError where nothing could be sent within them."""
    Wish.of(hello)
    if not (0 < hello.max_fps < inf and hello.max_message_bytes > 0):
        raise ProtocolError(f"it takes {hello.max_fps} pictures a second, of {hello.max_message_bytes} bytes")
    return hello


Open: TypeAlias = Callable[[Receiver], Awaitable[Link]]


class Clock:
    """Offset of the server's clock to ours, estimated from the fastest ping so far."""

    def __init__(self) -> None:
        self.offset: float | None = None
        """Milliseconds by which the server's clock is ahead; None before the first answer to a ping."""
        self._fastest = float("inf")

    def take(self, pong: Pong) -> None:
        """Use the answer to a ping, assuming that both directions took the same time."""
        now = time.time() * 1000
        took = now - pong.timestamp
        if 0 <= took < self._fastest:
            self._fastest = took
            self.offset = pong.server_time - (pong.timestamp + now) / 2


class Address:
    """A server: where it is, what we show to it, and whom we trust to vouch for it."""

    def __init__(self, url: str, *, token: str | None = None, ca: str | os.PathLike[str] | None = None) -> None:
        """Check the URL. ``ca`` is a PEM file trusted in addition to the system's authorities. Raises ConfigError."""
        self.url = check_url(url)
        self.token = token
        if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
            raise ConfigError("the token has characters that no token has: expected it as `sightline token` made it")
        self.secure = self.url.startswith(("wss:", "tcps:"))
        self._ca = ca
        self._context: ssl.SSLContext | None = None
        if token is not None and not self.secure and not _is_here(urlsplit(url).hostname or ""):
            raise ConfigError(
                f"address {self.url!r}: a token would be overheard on the way; expected wss:// or tcps://"
            )

    def at(self, url: str) -> Address:
        """Another server with the same token and authority, on whose word we go there. Raises ConfigError."""
        if self.secure and not url.startswith(("wss:", "tcps:")):
            raise ConfigError(f"address {url!r}: {self.url} sends us on without TLS; expected wss:// or tcps://")
        return Address(url, token=self.token, ca=self._ca)

    def context(self) -> ssl.SSLContext | None:
        """TLS context for connecting; None without TLS. Raises ConfigError."""
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
    """Error for a server that can't prove its identity."""
    return Unreachable(
        f"the certificate of {url} is not trusted: {error.verify_message}. From a server with --lan download {CA_PATH} "
        "once, and name that file with ca= or in SIGHTLINE_CA"
    )


def check_url(url: str) -> str:
    """The URL without a trailing slash, with ws for http. Raises ConfigError for an unsupported URL."""
    url = re.sub(r"^http(?=s?://)", "ws", url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"address {url!r}: the port is not a number from 0 to 65535") from None
    known = parts.scheme in ("ws", "wss") or (parts.scheme in ("tcp", "tcps") and port)
    if not known or not parts.hostname:
        raise ConfigError(f"address {url!r}: expected tcp://HOST:PORT, tcps://HOST:PORT, ws://HOST:PORT or wss://HOST")
    if "@" in parts.netloc:  # not shown: it may hold a password
        raise ConfigError(
            f"address {parts.scheme}://{parts.netloc.rpartition('@')[2]}: expected it without a user and a password; "
            "what a server asks for is a token, as token= or in SIGHTLINE_TOKEN"
        )
    if parts.query or parts.fragment:
        raise ConfigError(f"address {url!r}: expected one without ? and #")
    return url.rstrip("/")


def unreachable(url: str, error: OSError, command: str) -> Unreachable:
    """Error for a server that does not answer, with the reason and a remedy."""
    if isinstance(error, ConnectionRefusedError):
        why = "nothing listens there"
    else:
        why = error.strerror or str(error) or "no answer in time"
    return Unreachable(f"can't reach {url}: {why}. Start a server with: {command}")
