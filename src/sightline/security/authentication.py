"""What stands before every route and socket where tokens are asked for: nobody gets past without one."""

from __future__ import annotations

import ipaddress
import json
import time
from collections import OrderedDict
from typing import TypeVar

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from sightline.core.errors import Forbidden, LimitReached, SightlineError, Unauthorized
from sightline.core.net import is_loopback
from sightline.security.authorization import IDENTITY, Access, Identity
from sightline.security.tokens import digest
from sightline.wire import json as protocol

T = TypeVar("T")

COOKIE = "__Host-sightline"
"""Browsers take one of this name only from a secure page, and give it back only there."""
PUBLIC = frozenset(
    {
        *("/", "/join", "/trust", "/ca.crt", "/ca.mobileconfig", "/favicon.ico"),
        *("/health", "/ready", "/api/session", "/api/trust"),
    }
)
PUBLIC_FOLDERS = ("/static/", "/camera/", "/view/")
"""Pages themselves hold nothing of anybody; what they show they must ask for."""
SAFE = ("GET", "HEAD", "OPTIONS")


class Tries:
    """Wrong tokens and tickets by address. Who shows too many different ones is not looked at for a while.

    The same wrong one again is no guess: a page that was signed out must not shut its neighbours out. Nor may who
    guesses shut out those whose token was right before.
    """

    BURST = 20
    EVERY_S = 3.0
    """Another one is allowed after so long."""
    MOST = 4096
    """Addresses, and right tokens, remembered."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()
        """By address: what was shown, and when, newest last."""
        self._right: OrderedDict[str, None] = OrderedDict()

    def check(self, address: str, shown: str) -> None:
        """Raises LimitReached for who has shown too many that are wrong."""
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
        """That was one of ours."""
        _remember(self._right, digest(shown), None, self.MOST)

    def wrong(self, address: str, shown: str) -> None:
        """That was none."""
        if address not in self._wrong:
            _remember(self._wrong, address, OrderedDict(), self.MOST)
        _remember(self._wrong[address], digest(shown), time.monotonic(), self.BURST)


def _remember(kept: OrderedDict[str, T], key: str, value: T, most: int) -> None:
    kept.setdefault(key, value)
    if len(kept) > most:
        kept.popitem(last=False)


def address_of(connection: HTTPConnection, *, proxied: bool) -> str:
    """Where a request comes from.

    ``proxied``: by a program on this machine, which then says itself for whom it asks.
    """
    host = connection.client.host if connection.client else "?"
    if proxied and is_loopback(host):
        told = connection.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        host = told[:64] or host
    return network_of(host)


def network_of(host: str) -> str:
    """An IPv4 address as it is; of an IPv6 address its network, in which one machine has as many as it likes."""
    try:
        if isinstance(ipaddress.ip_address(host), ipaddress.IPv6Address):
            return str(ipaddress.ip_network((host, 64), strict=False))
    except ValueError:
        pass
    return host


class AuthenticationMiddleware:
    """ASGI middleware. Finds out who asks; strangers get to the public pages only."""

    def __init__(self, app: ASGIApp, *, access: Access, tries: Tries, proxied: bool) -> None:
        self._app = app
        self._access = access
        self._tries = tries
        self._proxied = proxied

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._access.enabled and scope["type"] in ("http", "websocket"):
            connection = HTTPConnection(scope)
            try:
                scope[IDENTITY] = self._identify(connection)
            except SightlineError as e:
                await _refuse(scope, receive, send, e)
                return
        await self._app(scope, receive, send)

    def _identify(self, connection: HTTPConnection) -> Identity | None:
        path = connection.scope["path"]
        public = path in PUBLIC or path.startswith(PUBLIC_FOLDERS)
        given = connection.headers.get("authorization")
        if given is not None:
            kind, _, token = given.partition(" ")
            if kind.lower() != "bearer":
                raise Unauthorized("Authorization: expected Bearer TOKEN")
            return self._known(connection, token.strip())
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
            if public:  # its time is over: the page says so, and where to sign in again
                return None
            raise

    def _known(self, connection: HTTPConnection, token: str) -> Identity:
        return identify(self._access, self._tries, address_of(connection, proxied=self._proxied), token)


def identify(access: Access, tries: Tries, address: str, token: str) -> Identity:
    """Whose token that is. Raises Unauthorized, or LimitReached for who guesses."""
    tries.check(address, token)
    try:
        identity = access.identify(token)
    except Unauthorized:
        tries.wrong(address, token)
        raise
    tries.right(token)
    return identity


async def _refuse(scope: Scope, receive: Receive, send: Send, error: SightlineError) -> None:
    if scope["type"] == "websocket":  # pages can't read a refused handshake
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": protocol.error_message(error)})
        await send({"type": "websocket.close", "code": 1008, "reason": error.message[:120]})
        return
    body = json.dumps({"error": {"code": error.code, "message": error.message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if isinstance(error, Unauthorized):
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
