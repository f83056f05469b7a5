"""Refusals in front of all routes: JSON for programs, a page for people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import NamedTuple, Protocol

from starlette.datastructures import Headers
from starlette.types import Scope, Send

from sightline.core.errors import SightlineError


class Page(NamedTuple):
    """A page that needs no other file, and the Content-Security-Policy that allows just that."""

    html: str
    policy: str


class ErrorPage(Protocol):
    """Makes a page that tells an error to whom ``scope`` is of.

    ``out`` is the address and the text of a link that leads on.
    """

    def __call__(self, scope: Scope, status: int, message: str, *, out: tuple[str, str] | None = None) -> Page: ...


def no_page(scope: Scope, status: int, message: str, *, out: tuple[str, str] | None = None) -> Page:
    """An ErrorPage for apps that have none."""
    return Page(escape(message), "default-src 'none'")


def for_people(scope: Scope) -> bool:
    """True if a browser asks for a page, and no program for data."""
    accepts = Headers(scope=scope).get("accept", "")
    return scope["type"] == "http" and "text/html" in accepts and not scope["path"].startswith("/api/")


async def refuse(
    scope: Scope, send: Send, error: SightlineError, page: Page | None, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with the error, or with the ``page`` that tells it."""
    if page is None:
        body = json.dumps({"error": {"code": error.code, "message": error.message}}).encode()
        sent = [(b"content-type", b"application/json")]
    else:
        body = page.html.encode()
        sent = [(b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", page.policy.encode())]
    sent += [(b"content-length", str(len(body)).encode()), *headers]
    start = "http.response.start" if scope["type"] == "http" else "websocket.http.response.start"
    await send({"type": start, "status": error.status, "headers": sent})
    await send({"type": start.replace("start", "body"), "body": body})
