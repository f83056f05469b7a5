"""Pages of other origins: the setting ``allowed_origins`` opens what is for viewing to its pages, and to no others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from sightline.core.errors import ConfigError
from sightline.security.embedding import normal
from sightline.security.origin import OriginMiddleware
from sightline.settings.settings import load_settings

ALLOWED = ("https://home.example", "https://Cams.Example:443/", "http://localhost:3000")
PICTURES = (
    "/mjpeg/door",
    "/video/door.mp4",
    "/snapshot/door.jpg",
    "/api/streams/door/thumbnail.jpg",
    "/api/streams/door/zones",
)
OPEN = (*PICTURES, "/embed/door", "/embed.js", "/static/0123456789ab/pages/embed.js", "/api/webrtc", "/whep/door")
CLOSED = (
    *("/", "/view/door", "/camera/door", "/join", "/events", "/api/session", "/api/streams", "/api/streams/door"),
    *(
        "/api/models",
        "/api/tickets",
        "/api/streams/door/zones/a",
        "/api/streams/door/heatmap.png",
        "/stats",
        "/metrics",
    ),
    *(
        "/whip/door",
        "/mjpeg/door/x",
        "/embed.js/x",
        "/embed/",
        "/embed",
        "/api/events",
        "/ws/camera/door",
        "/api/predict",
    ),
)


@dataclass
class Answer:
    """What a request got."""

    status: int
    headers: dict[str, str]
    cookie: str | None
    """The cookie that the app saw."""

    @property
    def shared(self) -> bool:
        """Whether a browser lets another origin's page have it."""
        return self.status == 200 and self.headers.get("cross-origin-resource-policy") == "cross-origin"


async def ask(path: str, headers: dict[str, str], *, method: str = "GET", origins: tuple[str, ...] = ALLOWED) -> Answer:
    seen: list[str | None] = []

    async def page(request: Request) -> PlainTextResponse:
        seen.append(request.headers.get("cookie"))
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/{path:path}", page, methods=["GET", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"])])
    guard = OriginMiddleware(app, loopback_only=True, allowed_hosts=tuple, allowed_origins=lambda: origins)
    raw = [(k.encode(), v.encode("latin-1")) for k, v in {"host": "127.0.0.1:8000", **headers}.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "scheme": "http", "headers": raw}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    await guard(scope, receive, send)
    told = {k.decode().lower(): v.decode() for k, v in sent[0]["headers"]}
    return Answer(sent[0]["status"], told, seen[0] if seen else None)


@pytest.mark.parametrize("origin", ["https://home.example", "https://cams.example", "http://localhost:3000"])
@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
@pytest.mark.parametrize("referer", ["https://evil.example/", "null", None])
async def test_an_allowed_origin_gets_what_is_open_and_nothing_else(
    origin: str, site: str | None, referer: str | None
) -> None:
    asked = {"origin": origin, "cookie": "a=b"}
    asked |= {} if site is None else {"sec-fetch-site": site}
    asked |= {} if referer is None else {"referer": referer}
    for path in OPEN:
        answer = await ask(path, asked, method="POST" if path == "/whep/door" else "GET")
        assert answer.shared, path
        assert answer.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers["vary"]
        assert answer.cookie is None, path
    for path in CLOSED:
        answer = await ask(path, asked)
        assert (answer.status, answer.headers.get("access-control-allow-origin")) == (403, None), path


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "null", "", "https://", "https://home.example/", "https://home.example:8443"),
        *(
            "http://home.example",
            "https://home.example.evil.example",
            "https://home-example",
            "https://evilhome.example",
        ),
        *("https://home.example@evil.example", "https://evil.example#https://home.example", "https://home.example."),
        *("HTTPS://HOME.EXAMPLE", "https://HOME.example", "https://home.example, https://evil.example"),
        *("http://localhost", "http://localhost:3001", "https://localhost:3000", "http://127.0.0.1:3000"),
        *("wss://home.example", "*", "https://*", "https://h\u00f6me.example"),
    ],
)
@pytest.mark.parametrize("referer", ["https://home.example/", None])
async def test_any_other_origin_is_refused_everywhere(origin: str, referer: str | None) -> None:
    asked = {"origin": origin} | ({} if referer is None else {"referer": referer})
    for path in (*OPEN, *CLOSED):
        answer = await ask(path, asked)
        assert (answer.status, answer.headers.get("access-control-allow-origin")) == (403, None), path


@pytest.mark.parametrize(
    ("referer", "shared"),
    [
        *(("https://home.example", True), ("https://home.example/", True), ("https://home.example/a?b#c", True)),
        *((None, False), ("", False), ("https://evil.example/", False), ("https://home.example.evil.example/", False)),
        *(("https://home.example@evil.example/", False), ("https://home.example:8443/", False), ("null", False)),
        *(
            ("https://evil.example/?https://home.example", False),
            ("https://[::1", False),
            ("http://localhost:3000/", True),
        ),
    ],
)
@pytest.mark.parametrize("site", ["cross-site", None])
async def test_an_image_is_judged_by_the_page_that_it_stands_in(
    referer: str | None, shared: bool, site: str | None
) -> None:
    """A browser sends no Origin for it. Where it may not be had, the browser drops it."""
    asked = {"cookie": "a=b"} | ({} if site is None else {"sec-fetch-site": site})
    asked |= {} if referer is None else {"referer": referer}
    for path in (*PICTURES, "/embed/door"):
        answer = await ask(path, asked)
        assert (answer.status, answer.shared) == (200, shared), path
        assert answer.cookie == (None if shared else "a=b")
    for path in CLOSED:
        assert not (await ask(path, asked)).shared, path


async def test_frames_of_allowed_origins_alone() -> None:
    for path in ("/embed/door", "/view/door", "/", "/camera/door"):
        for origins in (ALLOWED, ()):
            policy = (await ask(path, {}, origins=origins)).headers["content-security-policy"]
            ancestors = policy.partition("frame-ancestors ")[2]
            opened = path == "/embed/door" and origins
            assert ancestors == (
                "https://home.example https://cams.example http://localhost:3000" if opened else "'none'"
            )


async def socket_is_let_in(path: str, origin: str | None) -> bool:
    seen: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(name for name, _ in scope["headers"])
        await send({"type": "websocket.accept"})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    headers = [(b"host", b"127.0.0.1:8000"), (b"cookie", b"a=b"), (b"referer", b"https://home.example/")]
    headers += [] if origin is None else [(b"origin", origin.encode())]
    guard = OriginMiddleware(app, loopback_only=True, allowed_hosts=tuple, allowed_origins=lambda: ALLOWED)
    await guard({"type": "websocket", "path": path, "scheme": "ws", "headers": headers}, receive, send)
    accepted: bool = sent[0]["type"] == "websocket.accept"
    assert not accepted or (b"cookie" in seen) == (origin in (None, "http://127.0.0.1:8000"))
    return accepted


@pytest.mark.parametrize(
    ("origin", "view", "camera"),
    [
        *(("https://home.example", True, False), ("http://localhost:3000", True, False)),
        *(("http://127.0.0.1:8000", True, True), (None, True, True)),  # the server's own pages, and programs
        *(("https://evil.example", False, False), ("null", False, False), ("https://home.example:8443", False, False)),
        *(("https://home.example.evil.example", False, False), ("HTTPS://HOME.EXAMPLE", False, False)),
        *(("wss://home.example", False, False), ("http://home.example", False, False), ("", False, False)),
    ],
)
async def test_sockets_for_viewing_alone(origin: str | None, view: bool, camera: bool) -> None:
    for path in ("/ws/view/door", "/ws"):
        assert await socket_is_let_in(path, origin) == view
    for path in ("/ws/camera/door", "/ws/view/door/x", "/"):
        assert await socket_is_let_in(path, origin) == camera


async def test_without_the_setting_nothing_is_open() -> None:
    for path in OPEN:
        assert (await ask(path, {"origin": "https://home.example"}, origins=())).status == 403
        answer = await ask(path, {"referer": "https://home.example/"}, origins=())
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("origins", [(), ALLOWED])
async def test_a_browser_does_not_give_a_guest_what_it_keeps_for_our_own_pages(origins: tuple[str, ...]) -> None:
    """What is kept for a year may be older than the setting."""
    for path in OPEN:
        assert "Origin" in (await ask(path, {}, origins=origins)).headers["vary"], path
    for path in CLOSED:
        assert "vary" not in (await ask(path, {}, origins=origins)).headers, path


async def test_a_browser_may_ask_whether_it_may_ask() -> None:
    async def may(path: str, method: str, origin: str = "https://home.example") -> bool:
        asked = {
            "origin": origin,
            "access-control-request-method": method,
            "access-control-request-headers": "authorization",
        }
        answer = await ask(path, asked, method="OPTIONS")
        methods = answer.headers.get("access-control-allow-methods", "").split(", ")
        assert answer.status == (204 if method in methods else 403)
        return answer.status == 204

    assert [await may("/whep/door", method) for method in ("POST", "PUT", "DELETE")] == [True, False, False]
    assert [await may("/whep/door/1", method) for method in ("PATCH", "DELETE", "GET")] == [True, True, False]
    assert [await may(path, "GET") for path in PICTURES] == [True] * len(PICTURES)
    assert [await may("/api/streams/door/zones", "PUT"), await may("/api/tickets", "POST")] == [False, False]
    assert not await may("/whep/door", "POST", "https://evil.example")


@given(st.text(max_size=30), st.sampled_from(["origin", "referer"]))
def test_no_other_words_open_anything(text: str, header: str) -> None:
    for value in (text, f"https://home.example{text}", f"{text}https://home.example", f"https://{text}home.example"):
        try:
            sent = value.encode("latin-1").decode("latin-1")
        except UnicodeEncodeError:
            continue
        origin = sent if header == "origin" else "/".join(sent.split("/")[:3]).partition("?")[0].partition("#")[0]
        if origin not in ("https://home.example", "https://cams.example", "http://localhost:3000"):
            assert not asyncio.run(ask("/mjpeg/door", {header: sent})).shared


@pytest.mark.parametrize(
    "origin",
    [
        *("*", "https://*", "https://*.example", "http://home.example", "home.example", "https://home.example/cams"),
        *(
            "https://a.example https://b.example",
            "https://a.example;script-src *",
            "https://a.example,https://b.example",
        ),
        *(
            "https://user@home.example",
            "null",
            "",
            "https://",
            "file://",
            "https://home.example:",
            "http://localhost.evil",
        ),
        *("http://127.0.0.1.evil.example", "https://home.example\n"),
    ],
)
def test_a_setting_that_is_no_origin_is_refused_in_words(origin: str) -> None:
    with pytest.raises(ConfigError, match=r"allowed_origins\.0: got .*https://HOST"):
        load_settings(allowed_origins=[origin])


def test_an_origin_is_kept_as_browsers_write_it() -> None:
    for origin in ("https://Home.Example", "https://home.example:443", "https://home.example/"):
        assert normal(load_settings(allowed_origins=[origin]).allowed_origins[0]) == "https://home.example"
    assert normal("http://[::1]:80") == "http://[::1]"
    assert normal("http://localhost:8080/") == "http://localhost:8080"
