"""Authentication in front of every route and socket: without a token only public paths are reachable."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from dataclasses import replace
from typing import TypeVar

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from sightline.core.errors import Forbidden, LimitReached, ShuttingDown, SightlineError, Unauthorized
from sightline.core.net import is_loopback
from sightline.security.authorization import CLOSED, EVERYBODY, IDENTITY, Access, Identity
from sightline.security.refusal import ErrorPage, for_people, no_page, refuse
from sightline.security.tokens import digest
from sightline.wire import json as protocol

T = TypeVar("T")

COOKIE = "__Host-sightline"
"""Cookie name; browsers accept a name with this prefix only from a secure page and send it back only there."""
CONNECTION = "sightline.connection"
"""Key of the connection in the state of a scope: see ``connections.OpenConnection``."""
PUBLIC = frozenset(
    {
        *("/", "/away", "/docs", "/events", "/help", "/join", "/models", "/settings", "/timeline", "/trust", "/wall"),
        *("/ca.crt", "/ca.mobileconfig", "/favicon.ico", "/embed.js", "/language.json"),
        *("/health", "/ready", "/api/session", "/api/trust"),
        *("/api/hubs/state", "/api/hubs/shared"),  # sealed with the hubs' secret
    }
)
SHARED = ("/api/shared/", "/ws/shared/")
"""What a share link is good for: see ``server.api.shares``."""
PUBLIC_FOLDERS = ("/static/", "/camera/", "/view/", "/embed/", "/help/", "/share/", *SHARED)
"""Path prefixes that are public: files, pages, links. Pages hold no data; they must ask for what they show."""
SAFE = ("GET", "HEAD", "OPTIONS")
PROTOCOL = "sightline"
"""WebSocket subprotocol of pages that bring a token."""
TOKEN_PROTOCOL = "sightline.token."
"""Beginning of another one, whose rest is the token. It is the only header of a socket that a page can write."""


def is_public(path: str) -> bool:
    """True for what anybody may have who reaches the server."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDERS)


def opening_of(scope: Scope) -> int:
    """Number of the opening of LAN mode by which a connection came; 0 for the server's own listeners.

    The listener says it, and nothing that a peer sends.
    """
    connection = scope.get("state", {}).get(CONNECTION)
    return 0 if connection is None else int(connection.opening)


class Tries:
    """Wrong tokens and tickets by address. An address that shows too many different ones has to wait.

    Showing the same wrong one again is not a guess: a page that was signed out must not lock out its neighbours.
    Guessing must not lock out addresses that already signed in.
    """

    BURST = 20
    EVERY_S = 3.0
    """Average seconds between allowed wrong attempts; the limit is BURST of them in BURST * EVERY_S seconds."""
    MOST = 4096
    """Maximum number of addresses, and of valid tokens, that are remembered."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()
        """Digests of what each address showed and the times, newest last."""
        self._right: OrderedDict[str, None] = OrderedDict()

    def check(self, address: str, shown: str) -> None:
        """Raise LimitReached if the address has shown too many wrong tokens or tickets."""
        wrong = self._wrong.get(address)
        key = digest(shown)
        if wrong is None or key in wrong or key in self._right:
            return
        now = time.monotonic()
        while wrong and next(iter(wrong.values())) < now - self.BURST * self.EVERY_S:
            wrong.popitem(last=False)
        if len(wrong) >= self.BURST:
            raise LimitReached("too many wrong tokens or codes came from here: expected a pause of a minute")

    def right(self, shown: str) -> None:
        """Remember a valid token."""
        _remember(self._right, digest(shown), None, self.MOST)

    def wrong(self, address: str, shown: str) -> None:
        """Remember a wrong token or ticket."""
        if address not in self._wrong:
            _remember(self._wrong, address, OrderedDict(), self.MOST)
        _remember(self._wrong[address], digest(shown), time.monotonic(), self.BURST)


def _remember(kept: OrderedDict[str, T], key: str, value: T, most: int) -> None:
    kept.setdefault(key, value)
    if len(kept) > most:
        kept.popitem(last=False)


def address_of(connection: HTTPConnection, *, proxied: bool) -> str:
    """The address that a request comes from.

    With ``proxied``, requests come through a program on this machine, which names the original address: in the last
    of these headers, or at the end of the only one. What stands before may be the peer's own words.
    """
    host = connection.client.host if connection.client else "?"
    if proxied and is_loopback(host):
        told = ",".join(connection.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
        host = told[:64] or host
    return network_of(host)


def network_of(host: str) -> str:
    """An IPv4 address unchanged, or the /64 network of an IPv6 address, as one machine can have any address in it."""
    try:
        if isinstance(ipaddress.ip_address(host), ipaddress.IPv6Address):
            return str(ipaddress.ip_network((host, 64), strict=False))
    except ValueError:
        pass
    return host


class AuthenticationMiddleware:
    """ASGI middleware. Finds out who asks; strangers get to the public pages only."""

    def __init__(self, app: ASGIApp, *, access: Access, tries: Tries, proxied: bool, page: ErrorPage = no_page) -> None:
        self._app = app
        self._page = page
        self._access = access
        self._tries = tries
        self._proxied = proxied

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                identity = self._who(scope)
                if (connection := scope.get("state", {}).get(CONNECTION)) is not None:
                    connection.heard(None if identity is None else identity.hash)
            except SightlineError as e:
                await _refuse(scope, receive, send, e, self._page)
                return
            scope[IDENTITY] = identity
        await self._app(scope, receive, send)

    def _who(self, scope: Scope) -> Identity | None:
        opening = opening_of(scope)
        if opening not in (0, self._access.opening):
            raise ShuttingDown(CLOSED)
        if not (opening or self._access.enabled):
            return EVERYBODY
        identity = self._identify(HTTPConnection(scope))
        return replace(identity, opening=opening) if identity is not None else None

    def _identify(self, connection: HTTPConnection) -> Identity | None:
        path = connection.scope["path"]
        public = is_public(path)
        given = connection.headers.get("authorization")
        if given is not None:
            kind, _, token = given.partition(" ")
            if kind.lower() != "bearer":
                raise Unauthorized("Authorization: expected Bearer TOKEN")
            return self._known(connection, token.strip())
        for protocol_name in connection.scope.get("subprotocols", ()):
            if protocol_name.startswith(TOKEN_PROTOCOL):
                return self._known(connection, protocol_name.removeprefix(TOKEN_PROTOCOL))
        cookie = connection.cookies.get(COOKIE)
        if cookie is None:
            if public:
                return None
            raise Unauthorized("expected a token: sign in, or send Authorization: Bearer TOKEN")
        if "origin" not in connection.headers and connection.scope.get("method", "WEBSOCKET") not in SAFE:
            raise Forbidden("a request with our cookie that changes something: expected an Origin, as browsers send it")
        try:
            return self._known(connection, cookie)
        except SightlineError:
            if public:  # an expired cookie: the page says so, and where to sign in again
                return None
            raise

    def _known(self, connection: HTTPConnection, token: str) -> Identity:
        return identify(self._access, self._tries, address_of(connection, proxied=self._proxied), token)


def subprotocol(scope: Scope) -> str | None:
    """The subprotocol to accept a socket with: browsers want an answer where they named some."""
    return PROTOCOL if PROTOCOL in scope.get("subprotocols", ()) else None


def identify(access: Access, tries: Tries, address: str, token: str) -> Identity:
    """The identity that a token belongs to. Raises Unauthorized, or LimitReached after too many wrong tokens."""
    tries.check(address, token)
    try:
        identity = access.identify(token)
    except Unauthorized:
        tries.wrong(address, token)
        raise
    tries.right(token)
    return identity


async def _refuse(scope: Scope, receive: Receive, send: Send, error: SightlineError, page: ErrorPage) -> None:
    if scope["type"] == "websocket":  # pages can't read a refused handshake
        await receive()
        await send({"type": "websocket.accept", "subprotocol": subprotocol(scope)})
        await send({"type": "websocket.send", "text": protocol.error_message(error)})
        await send({"type": "websocket.close", "code": error.close_code, "reason": error.message[:120]})
        return
    headers = [(b"www-authenticate", b"Bearer")] if isinstance(error, Unauthorized) else []
    await refuse(scope, send, error, page(scope, error.status, error.message) if for_people(scope) else None, headers)
