from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message

from sightline.core.net import is_loopback, split_host
from sightline.security.origin import OriginMiddleware


async def ask(
    headers: list[tuple[str, str]], *, loopback_only: bool = True, scheme: str = "http"
) -> tuple[int, dict[str, str]]:
    """The status and the headers that a request gets."""

    async def page(_: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    guard = OriginMiddleware(
        Starlette(routes=[Route("/", page)]), loopback_only=loopback_only, allowed_hosts=lambda: ["Cam.example"]
    )
    raw = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": scheme, "headers": raw}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    await guard(scope, receive, send)
    return sent[0]["status"], {k.decode(): v.decode() for k, v in sent[0]["headers"]}


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:80", "[::1]:8000", "127.8.8.8", "cam.example"]
)
async def test_own_names_are_served(host: str) -> None:
    status, headers = await ask([("host", host)])
    assert status == 200
    assert "script-src 'self'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "10.0.0.1", "", "[::1", "localhost:x", "a@localhost", "0x7f.1"]
)
async def test_other_names_are_not(host: str) -> None:
    assert (await ask([("host", host)]))[0] == 403


async def test_plain_addresses_are_served_where_we_listen_on_more_than_loopback() -> None:
    assert (await ask([("host", "10.0.0.1:8000")], loopback_only=False))[0] == 200
    assert (await ask([("host", "evil.example")], loopback_only=False))[0] == 403


async def test_there_must_be_exactly_one_host() -> None:
    assert (await ask([]))[0] == 403
    assert (await ask([("host", "localhost"), ("host", "evil.example")]))[0] == 403


@pytest.mark.parametrize(
    ("host", "origin", "scheme", "status"),
    [
        ("localhost:8000", "http://localhost:8000", "http", 200),
        ("localhost", "http://localhost", "http", 200),
        ("cam.example", "https://cam.example", "https", 200),
        ("cam.example", "https://cam.example:443", "https", 200),
        ("localhost:8000", "http://localhost:8001", "http", 403),
        ("localhost:8000", "http://127.0.0.1:8000", "http", 403),
        ("localhost:8000", "null", "http", 403),
        ("localhost:8000", "", "http", 403),
        ("localhost:8000", "http://localhost:8000.evil.example", "http", 403),
    ],
)
async def test_only_our_own_pages_may_ask(host: str, origin: str, scheme: str, status: int) -> None:
    assert (await ask([("host", host), ("origin", origin)], scheme=scheme))[0] == status


async def test_pages_are_isolated_where_browsers_allow_it() -> None:
    assert "cross-origin-opener-policy" in (await ask([("host", "localhost")]))[1]
    plain = (await ask([("host", "10.0.0.1")], loopback_only=False))[1]
    assert "cross-origin-opener-policy" not in plain


@given(st.text(st.characters(max_codepoint=255)))
def test_any_host_header_is_split_or_empty(value: str) -> None:
    host, port = split_host(value)
    assert isinstance(host, str)
    assert port == "" or port.isdigit()
    assert is_loopback(host) in (True, False)


@given(st.text(max_size=40).filter(lambda text: text.isprintable() and text.isascii()))
async def test_any_origin_is_judged_and_only_our_own_is_let_in(text: str) -> None:
    for origin in (text, f"http://{text}", "http://[::1"):
        status, _ = await ask([("host", "localhost"), ("origin", origin)])
        ours = split_host(origin.partition("://")[2]) in (("localhost", ""), ("localhost", "80"), ("localhost", "443"))
        assert status in ((200, 403) if ours else (403,))
