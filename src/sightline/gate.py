"""What stands before every route and socket where tokens are asked for: nobody gets past without one."""

from __future__ import annotations

import ipaddress
import json
import time
from collections import OrderedDict

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from sightline import protocol
from sightline.access import IDENTITY, Access, Identity
from sightline.errors import Forbidden, LimitReached, SightlineError, Unauthorized
from sightline.guard import is_loopback

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
    """Wrong tokens and tickets by address. Who sends too many is not looked at for a while."""

    BURST = 20
    EVERY_S = 3.0
    """A try more is allowed after so long."""
    MOST = 4096
    """Addresses remembered."""

    def __init__(self) -> None:
        self._spent: OrderedDict[str, float] = OrderedDict()
        """When an address would have all its tries again."""

    def check(self, address: str) -> None:
        """Raises LimitReached for who has none left."""
        left = self._spent.get(address, 0.0) - time.monotonic()
        if left > self.BURST * self.EVERY_S - self.EVERY_S:
            raise LimitReached(f"too many wrong tokens or codes came from here: expected a pause of {self.EVERY_S:g} s")

    def failed(self, address: str) -> None:
        """Another wrong one."""
        now = time.monotonic()
        self._spent[address] = max(now, self._spent.get(address, 0.0)) + self.EVERY_S
        self._spent.move_to_end(address)
        if len(self._spent) > self.MOST:
            self._spent.popitem(last=False)


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


class Gate:
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
        address = address_of(connection, proxied=self._proxied)
        self._tries.check(address)
        try:
            return self._access.identify(token)
        except Unauthorized:
            self._tries.failed(address)
            raise


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
