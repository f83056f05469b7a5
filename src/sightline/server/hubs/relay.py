"""Passes on what concerns a stream of another hub, so that a browser needs to know one hub only.

The other hub checks by itself who asks: cookies and tokens go with the request, and are valid on all hubs. Only
addresses of the settings are ever asked. What was passed on once is not passed on again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Callable
from urllib.parse import parse_qsl, urlencode

import httpx2
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from sightline.core.errors import BadRequest, Moved, NotFound, SightlineError, Unreachable
from sightline.core.types import STREAM_NAME
from sightline.security.authentication import CONNECTION, PUBLIC_FOLDERS, subprotocol
from sightline.security.authorization import IDENTITY, Identity
from sightline.security.refusal import ErrorPage, for_people, refuse
from sightline.server.hubs.hubs import Hubs
from sightline.server.hubs.seal import HEADER
from sightline.server.hubs.socket import refuse_socket, relay_socket

log = logging.getLogger(__name__)

OF_CONNECTION = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding")
) | {"upgrade", "host", "date", HEADER}
"""Headers of one connection, or that each hub makes for itself."""
OF_STREAM = re.compile(
    r"/(?:api/(?:streams|camera|recordings)|mjpeg|whip|whep|ws/(?:camera|view|playback))/(?P<stream>[^/]+)(?:/.*)?"
    r"|/(?:snapshot|video)/(?P<shot>[^/]+)\.(?:jpg|mp4)"
)
"""Paths that name a stream. A test holds it to the routes."""
OF_ANY = re.compile(r"/api/(events|exports|replays)/(?!live$)[^/]+(/.*)?")
"""Paths that name something by a number that is known to one hub only."""
OF_SHARE = re.compile(r"/(?:(?:api|ws)/shared|api/shares)/(?P<id>[0-9a-f]{12})(?:\.[^/]*(?:/file)?)?")
"""Paths of a share link, which names the share by its id."""
OF_TOKEN = re.compile(r"/api/tokens/(?P<id>[^/]+)")
"""Paths of a token, by its id."""
HUBS_ONLY = "/api/hubs/"
"""Paths for hubs alone."""
HUB, MOVES = "hub", "moves"
"""Words of a query: the hub that is meant, and that who asks goes to another one by itself."""


class RelayMiddleware:
    """ASGI middleware, behind that which finds out who asks. ``hubs`` returns None where there is one hub only."""

    def __init__(self, app: ASGIApp, *, hubs: Callable[[], Hubs | None], page: ErrorPage) -> None:
        self._app, self._hubs, self._page = app, hubs, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or (hubs := self._hubs()) is None:
            await self._app(scope, receive, send)
            return
        try:
            address = self._address(scope, hubs)
            self._check_moves(scope, address)
            if address is None and _of_any(scope):
                await self._here_or_there(scope, receive, send, hubs)
            elif address is None:
                await self._app(scope, receive, send)
            elif scope["type"] == "websocket":
                await self._relay_socket(scope, receive, send, hubs, address)
            else:
                await relay_request(scope, receive, send, hubs, address)
        except ClientDisconnect:
            log.debug("%s: who asked has left", scope["path"])
        except Moved as e:  # in answer to the handshake: who asks for this can read it
            await refuse(scope, send, e, None, [(b"location", e.url.encode())])
        except SightlineError as e:
            if scope["type"] == "websocket":
                await refuse_socket(WebSocket(scope, receive, send), e)
            else:
                await refuse(scope, send, e, self._page(scope, e.status, e.message) if for_people(scope) else None)

    def _address(self, scope: Scope, hubs: Hubs) -> str | None:
        """Return the address of the hub that a request is for; None for this one. Raises a SightlineError."""
        connection = HTTPConnection(scope)
        if (sealed := connection.headers.get(HEADER)) is not None:
            if not scope["path"].startswith(HUBS_ONLY):  # whose routes check it, and answer under the seal
                query = scope["query_string"].decode("latin-1")
                hubs.seal.check(sealed, scope.get("method", "GET"), _target(scope, query))
            return None
        named = connection.query_params.get(HUB)
        if named is not None:
            if named not in hubs.peers:
                raise BadRequest(f"hub={named[:80]}: expected one of {', '.join(hubs.peers)}")
            return None if named == hubs.own else named
        identity: Identity | None = scope.get(IDENTITY)
        if scope["path"] == "/api/session" and scope.get("method") == "DELETE" and identity is not None:
            return hubs.peer_of_token(identity.hash)
        if (share := OF_SHARE.fullmatch(scope["path"])) is not None:
            return hubs.peer_of_share(share["id"])
        if (token := OF_TOKEN.fullmatch(scope["path"])) is not None:
            return hubs.peer_of_token_id(token["id"])
        stream = stream_of(connection)
        if stream is None or not STREAM_NAME.fullmatch(stream):
            return None
        place = hubs.placed(stream)
        if place == "":
            raise Unreachable("this hub has just started and looks for the others: expected another try in a second")
        return place

    async def _here_or_there(self, scope: Scope, receive: Receive, send: Send, hubs: Hubs) -> None:
        """Answer what only its number names, such as an event: the hub that has it is found by asking all."""
        here = _UnlessMissing(send, unknown=scope["path"].split("/")[3])
        await self._app(scope, receive, here)
        if here.missing is None:
            return
        for peer in hubs.others:
            there = _UnlessMissing(send, unknown=here.unknown)
            try:
                await relay_request(scope, receive, there, hubs, peer.address)
            except Unreachable:
                continue
            if there.missing is None:
                return
        for message in here.missing:
            await send(message)

    def _check_moves(self, scope: Scope, address: str | None) -> None:
        """Raise Moved for a WebSocket of a program that goes to the right hub by itself."""
        if address and scope["type"] == "websocket" and HTTPConnection(scope).query_params.get(MOVES) == "1":
            url = address.replace("http", "ws", 1)
            raise Moved(f"the stream is at the hub {address}: expected a connection there", url)

    async def _relay_socket(self, scope: Scope, receive: Receive, send: Send, hubs: Hubs, address: str) -> None:
        ws = WebSocket(scope, receive, send)
        target = _target(scope, _query(scope))
        headers = [(name, value) for name, value in _headers(scope, address) if not name.startswith("sec-websocket-")]
        headers.append((HEADER, hubs.seal.request("GET", target)))
        try:
            async with hubs.peers[address].while_alive():
                await relay_socket(ws, address + target, headers, hubs.context, subprotocol(scope))
        except TimeoutError as e:
            await refuse_socket(ws, _gone(address, e))


class _UnlessMissing:
    """Sends an answer, but for one that says that there is nothing of that id: that is kept.

    Such an answer names the id. Another one is of who has it: nothing is recorded of the event, for instance.
    """

    def __init__(self, send: Send, unknown: str) -> None:
        self._send = send
        self.unknown = unknown
        self.missing: list[Message] | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == NotFound.status:
            self.missing = []
        if self.missing is None:
            await self._send(message)
            return
        self.missing.append(message)
        whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        if whole and self.unknown.encode() not in b"".join(one.get("body", b"") for one in self.missing):
            for one in self.missing:
                await self._send(one)
            self.missing = None


def _of_any(scope: Scope) -> bool:
    """True for what any hub may have, and was not passed on yet."""
    asked = scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "DELETE") and OF_ANY.fullmatch(scope["path"])
    return bool(asked) and HEADER not in Headers(scope=scope)


def stream_of(connection: HTTPConnection) -> str | None:
    """Return the stream that a path or query names; None for none, and for pages, which are the same everywhere."""
    path = connection.scope["path"]
    if (found := OF_STREAM.fullmatch(path)) is not None:
        return found["stream"] or found["shot"]
    return None if path.startswith(PUBLIC_FOLDERS) else connection.query_params.get("stream")


async def relay_request(scope: Scope, receive: Receive, send: Send, hubs: Hubs, address: str) -> None:
    """Pass a request on, and the answer back as it comes. Raises Unreachable."""
    begun = False

    async def said(message: Message) -> None:
        nonlocal begun
        begun = True
        await send(message)

    try:
        async with hubs.peers[address].while_alive():
            await _relay_request(scope, receive, said, hubs, address)
    except TimeoutError as e:
        if not begun:
            raise _gone(address, e) from None
        _cut_off(scope, "it is gone")


async def _relay_request(scope: Scope, receive: Receive, send: Send, hubs: Hubs, address: str) -> None:
    request = Request(scope, receive)
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    url, content = address + _target(scope, _query(scope)), request.stream() if has_body else None
    try:
        asked = hubs.relaying.build_request(request.method, url, headers=_headers(scope, address), content=content)
        asked.headers[HEADER] = hubs.seal.request(request.method, asked.url.raw_path.decode("latin-1"))
        answer = await hubs.relaying.send(asked, stream=True)
    except (httpx2.HTTPError, OSError) as e:
        raise _gone(address, e) from None
    try:
        response = StreamingResponse(_body(answer, request), answer.status_code)
        response.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower().decode("latin-1") not in OF_CONNECTION
        ]
        await response(scope, receive, send)
    finally:
        await answer.aclose()


async def pass_on(request: Request, hubs: Hubs, address: str, body: bytes) -> Response:
    """Have another hub answer a request, with another body. Raises Unreachable."""
    headers = [(name, value) for name, value in _headers(request.scope, address) if name != "content-length"]
    target = _target(request.scope, "")
    headers.append((HEADER, hubs.seal.request(request.method, target)))
    try:
        async with hubs.peers[address].while_alive():
            answer = await hubs.relaying.request(request.method, address + target, headers=headers, content=body)
    except (httpx2.HTTPError, OSError) as e:
        raise _gone(address, e) from None
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))


async def _body(answer: httpx2.Response, request: Request) -> AsyncGenerator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
    except (httpx2.HTTPError, OSError) as e:  # the rest is missing, which an orderly end would hide
        _cut_off(request.scope, e)


def _cut_off(scope: Scope, why: object) -> None:
    log.info("%s was cut off by its hub: %s", scope["path"], why)
    scope["state"][CONNECTION].close()


def _gone(address: str, error: Exception) -> Unreachable:
    return Unreachable(f"the hub {address} does not answer ({type(error).__name__}): expected another try in a moment")


def _headers(scope: Scope, address: str) -> list[tuple[str, str]]:
    """Headers for the other hub. A page of ours is one of its own to it, as all hubs have the same pages."""
    found = [(name, value) for name, value in Headers(scope=scope).items() if name not in OF_CONNECTION]
    found = [(name, address if name == "origin" else value) for name, value in found]
    names = {name for name, _ in found}
    return found if "accept-encoding" in names else [*found, ("accept-encoding", "identity")]


def _query(scope: Scope) -> str:
    """The query without the words that are for this hub."""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if not any(name in (HUB, MOVES) for name, _ in pairs):
        return str(scope["query_string"].decode("latin-1"))
    return urlencode([(name, value) for name, value in pairs if name not in (HUB, MOVES)])


def _target(scope: Scope, query: str) -> str:
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    return f"{path}?{query}" if query else str(path)
