"""Checks of Host and Origin in front of every route and socket, and security headers on every response."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sightline.core.errors import Forbidden, TooLarge
from sightline.core.net import is_address, is_loopback, split_host
from sightline.security.authentication import opening_of
from sightline.security.embedding import Embedding, is_preflight, preflight, without_cookie
from sightline.security.refusal import ErrorPage, Page, for_people, no_page, refuse

POLICY = "Content-Security-Policy"
HEADERS = {
    POLICY: (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; worker-src 'self'; media-src 'self' blob:; manifest-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
SECURE_HEADERS = {"Cross-Origin-Opener-Policy": "same-origin"}
"""Headers for origins that browsers trust; on others browsers ignore them, with an error in the console."""

FILES = re.compile(r"/static/(?!(?:.*/)?vendor/)(?!.*worker\.js).*")
"""Paths of the pages' files that no worker begins with. Of vendor's some do."""
FILE_HEADERS = {name: HEADERS[name] for name in ("Cross-Origin-Resource-Policy", "X-Content-Type-Options")}
"""Headers of those files. The others concern pages and workers, and would be a third of a first visit's bytes."""

MAX_BODY = 1 << 20
"""Maximum size of a request body in bytes, where a path has none of its own."""


class OriginMiddleware:
    """ASGI middleware. A page of another origin, or a name rebound to this machine, gets 403 and nothing else.

    Pages of ``allowed_origins`` get what ``embedding`` opens to them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        loopback_only: bool,
        allowed_hosts: Callable[[], Iterable[str]],
        allowed_origins: Callable[[], tuple[str, ...]] = tuple,
        public_url: Callable[[], str | None] = lambda: None,
        lan_hosts: Callable[[], Iterable[str]] = tuple,
        bodies: Mapping[str, int] | None = None,
        page: ErrorPage = no_page,
    ) -> None:
        """``allowed_hosts`` and ``allowed_origins`` return what is allowed now.

        ``public_url`` returns the address of a tunnel or a proxy with TLS, once that is known.

        ``lan_hosts`` returns names that are known, besides addresses, to those who come by LAN mode.

        ``bodies``: bytes that a request may have, by a pattern of its path.
        """
        self._bodies = bodies or {}
        self._app = app
        self._page = page
        self._public_url = public_url
        self._lan_hosts = lan_hosts
        self._loopback_only = loopback_only
        self._allowed = allowed_hosts
        self._embedding = Embedding(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        secure = scope["scheme"] in ("https", "wss") or self._by_proxy(asked)
        guest = None if self._own(asked, secure=secure) else self._embedding.guest(scope, asked)
        why = self._refusal(scope, asked, secure=secure, guest=guest)
        if why is not None:
            await refuse(scope, send, Forbidden(why), self._page_of(scope, asked) if for_people(scope) else None)
            return

        trusted = secure or is_loopback(split_host(asked["host"])[0])
        path = scope["path"]
        wanted = self._wanted(path, trusted=trusted)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in wanted.items():
                    headers.setdefault(name, value)
                self._embedding.tell(path, headers, guest)
            await send(message)

        if guest is not None:
            scope = without_cookie(scope)
            if is_preflight(scope, asked):
                await Response(status_code=204, headers=preflight(path))(scope, receive, send_with_headers)
                return
        if scope["type"] == "http":
            most = next((most for path, most in self._bodies.items() if re.fullmatch(path, scope["path"])), MAX_BODY)
            await self._app(scope, _limited(receive, most), send_with_headers)
        else:
            await self._app(scope, receive, send)

    def _wanted(self, path: str, *, trusted: bool) -> dict[str, str]:
        """Headers that an answer has, unless it brings its own."""
        if FILES.fullmatch(path):
            return FILE_HEADERS
        wanted = HEADERS | SECURE_HEADERS if trusted else dict(HEADERS)
        wanted[POLICY] = self._embedding.policy(path, wanted[POLICY])
        return wanted

    def _by_proxy(self, headers: Headers) -> bool:
        """True for requests through the tunnel or proxy, which has then handled TLS."""
        public = self._public_url()
        return public is not None and headers.get("host", "").lower() == urlsplit(public).netloc.lower()

    def _page_of(self, scope: Scope, headers: Headers) -> Page:
        """Tell a person what to do: most open the server by a name that it does not know."""
        host = split_host(headers.get("host", ""))[0]
        if self._known(scope, host):
            return self._page(scope, 403, "another site led here, and this server answers its own pages only")
        server, port = scope.get("server") or ("localhost", None)
        at = f"{scope['scheme']}://{f'[{server}]' if ':' in server else server}{f':{port}' if port else ''}/"
        words = (
            f"this server does not know that it is called “{host[:80]}”: open it by its address, or have that name "
            "added to “allowed_hosts” in its settings"
        )
        return self._page(scope, 403, words, out=(at, f"Open {at}"))

    def _refusal(self, scope: Scope, headers: Headers, *, secure: bool, guest: str | None) -> str | None:
        if len(headers.getlist("host")) != 1:
            return "expected exactly one Host header"
        host, _ = split_host(headers["host"])
        if not (self._known(scope, host) or self._by_proxy(headers)):
            return f"Host {host[:80]!r} is not served here: expected this machine's address, or add it to allowed_hosts"
        if guest is not None or "origin" not in headers or self._own(headers, secure=secure):
            return None
        return f"Origin {headers['origin'][:80]!r} is not this server's own page"

    def _own(self, headers: Headers, *, secure: bool) -> bool:
        """True for the server's own pages, as far as an ``Origin`` tells it."""
        origins, hosts = headers.getlist("origin"), headers.getlist("host")
        if len(origins) != 1 or len(hosts) != 1 or origins[0] == "null":
            return False
        host, port = split_host(hosts[0])
        scheme, _, rest = origins[0].partition("://")
        origin_host, origin_port = split_host(rest)
        origin_default = "443" if scheme.lower() in ("https", "wss") else "80"
        return origin_host == host and (origin_port or origin_default) == (port or ("443" if secure else "80"))

    def _known(self, scope: Scope, host: str) -> bool:
        lan = opening_of(scope) > 0
        if is_loopback(host) or ((lan or not self._loopback_only) and is_address(host)):
            return True
        return host in (allowed.lower() for allowed in (*self._allowed(), *(self._lan_hosts() if lan else ())))


def _limited(receive: Receive, most: int) -> Receive:
    """Wrap ``receive`` so that it raises TooLarge for a body above the limit."""
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise TooLarge(f"a request of more than {most} bytes: expected less")
        return message

    return limited
