"""HTML pages. ``web/parts`` has what several of them share."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from functools import cache
from html import escape

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.requests import HTTPConnection
from starlette.types import Scope

from sightline.core.types import check_stream_name
from sightline.security.origin import HEADERS, POLICY
from sightline.security.refusal import Page
from sightline.server import languages
from sightline.server.assets import ALWAYS_ASK, ENGLISH, WEB, Assets, address, modules, packed

SHEET = re.compile(r'<link rel="stylesheet" href="/static/([^"]+)">')
FIRST = re.compile(r'<script src="/static/([^"]+)"></script>')
"""A script that comes before the first paint."""
SCRIPT = re.compile(r' *<script type="module" src="/static/([^"]+)"></script>\n')
PART = re.compile(r"<!-- (\w+/[\w-]+\.\w+) -->\n")
FRAMED = "embed.html"
"""The page for other people's pages. Its policy says which: see ``security/embedding.py``."""
PAGES = {
    "/": "index.html",
    "/camera/{stream}": "camera.html",
    "/view/{stream}": "view.html",
    "/embed/{stream}": "embed.html",
    "/wall": "wall.html",
    "/events": "events.html",
    "/timeline": "timeline.html",
    "/share/{link}": "share.html",
    "/settings": "settings.html",
    "/models": "models.html",
    "/join": "join.html",
    "/trust": "trust.html",
    "/docs": "docs.html",
}
"""By path."""
DOCUMENTS = ("docs.html",)
"""Pages that are English, as what they show is."""
EMBED = """const known = {known};
const asked = [document.documentElement.lang, ...navigator.languages].map((one) => one.slice(0, 2).toLowerCase());
export const { SightlineViewer } = await import(known[asked.find((one) => Object.hasOwn(known, one)) ?? "en"]);
"""
"""The script of pages of other people: in the language of the page, or else in one of the browser's."""


def whole(name: str) -> str:
    """A page in English with its parts inserted, and theirs."""
    text = (WEB / "pages" / name).read_text("utf-8")
    while (filled := PART.sub(lambda part: (WEB / part[1]).read_text("utf-8"), text)) != text:
        text = filled
    return text


@cache
def page(name: str, language: str = ENGLISH) -> str:
    """A page in a language. What its first paint needs stands in it: a browser asks for nothing else before.

    Its modules come last, and are all asked for at once. Its files have addresses that last.
    """
    text = languages.translated(whole(name), language)
    text = text.replace("<!-- languages -->", languages.options())
    if name != FRAMED:
        text = SHEET.sub(lambda sheet: f"<style>\n{_bare(sheet[1])}</style>", text)
        text = FIRST.sub(lambda script: f"<script>\n{_bare(script[1])}</script>", text)
    if script := SCRIPT.search(text):
        text = text.replace(script[0], "").replace("  </body>", f"{script[0]}{_preloads(script[1])}  </body>")
    return text.replace('"/static/', f'"{address("", language)}')


def _bare(name: str) -> str:
    """A file without its comments and empty lines."""
    return re.sub(r"\n\s*\n", "\n", gzip.decompress(packed(WEB / name)).decode()).lstrip()


def _preloads(entry: str) -> str:
    link = '    <link rel="modulepreload" fetchpriority="low" href="/static/%s">\n'
    return "".join(link % name for name in modules(entry)[1:])


@cache
def _packed(name: str, language: str) -> bytes:
    return gzip.compress(page(name, language).encode(), 9, mtime=0)


def _answer(request: Request, name: str) -> Response:
    language = languages.wanted(request) if name not in DOCUMENTS else ENGLISH
    own = {} if name == FRAMED else {POLICY: policy(name, language)}
    return send_page(request, _packed(name, language), Vary=languages.VARY, **own)


def send_page(request: Request, packed: bytes, **more: str) -> Response:
    """Answer with a page that is compressed already, unless the browser has it. ``more``: headers."""
    headers = {**ALWAYS_ASK, "ETag": f'W/"{hashlib.sha256(packed).hexdigest()[:12]}"', **more}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return HTMLResponse(packed, headers={**headers, "Content-Encoding": "gzip"})
    return HTMLResponse(gzip.decompress(packed), headers=headers)


TEXTS = {
    401: ("Please sign in", "This server shows this only to those it knows."),
    403: ("This is not allowed here", ""),
    404: ("There is nothing here", ""),
}
"""Title of an error's page, and words in place of those that are for programs."""
ALONE = ("error.html", "away.html")
"""Pages that must do without files of this server."""
POLICY_ALONE = (
    "default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Their Content-Security-Policy."""


def error_page(scope: Scope, status: int, message: str, *, out: tuple[str, str] | None = None) -> Page:
    """A page for people that tells an error. ``out`` is the address and the text of the link that leads on."""
    language = languages.wanted(HTTPConnection(scope))
    title, said = TEXTS.get(status, ("This page can't be shown", ""))
    said = languages.said(said or message, language)
    href, link = out or (("/join", "Sign in") if status == 401 else ("/", "All streams"))
    sentence = said[:1].upper() + said[1:] + ("" if said.endswith((".", "!", "?")) else ".")
    words = {
        "title": languages.said(title, language),
        "message": sentence,
        "href": href,
        "out": languages.said(link, language),
    }
    html = re.sub(r"\{(title|message|href|out)\}", lambda key: escape(words[key[1]]), page("error.html", language))
    return Page(html, policy("error.html", language))


@cache
def policy(name: str, language: str) -> str:
    """The Content-Security-Policy of a page, which allows what stands in it by its hash."""
    style, script = (_hashes(name, language, tag) for tag in ("style", "script"))
    if name in ALONE:
        return POLICY_ALONE.format(style=style or "'none'", script=script or "'none'")
    allowed = HEADERS[POLICY].replace("style-src 'self'", f"style-src 'self' {style}".rstrip())
    return allowed.replace("script-src 'self'", f"script-src 'self' {script}".rstrip())


def _hashes(name: str, language: str, tag: str) -> str:
    own = re.findall(rf"<{tag}>(.*?)</{tag}>", page(name, language), re.S)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in own]
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def add(app: FastAPI) -> None:
    """Add the routes of the pages and of their files."""
    for path, name in PAGES.items():
        app.get(path, include_in_schema=False)(_page_route(name))

    @app.get("/embed.js", include_in_schema=False)
    async def embed_script() -> Response:
        known = {code: address("pages/embed.js", code) for code in (ENGLISH, *languages.languages())}
        script = EMBED.replace("{known}", json.dumps(known))
        return Response(script, media_type="text/javascript", headers=ALWAYS_ASK)

    @app.get("/away", include_in_schema=False)
    async def away(request: Request) -> Response:
        return _answer(request, "away.html")

    @app.get("/language.json", include_in_schema=False)
    async def language(request: Request) -> Response:
        words = languages.spoken(languages.wanted(request))
        return JSONResponse(words, headers={**ALWAYS_ASK, "Vary": languages.VARY})

    @app.get("/favicon.ico", include_in_schema=False)
    async def favicon() -> FileResponse:
        return FileResponse(WEB / "icons" / "favicon.svg", headers=ALWAYS_ASK)

    app.mount("/static", Assets(), name="static")


def _page_route(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if "stream" in request.path_params:
            check_stream_name(request.path_params["stream"])
        return _answer(request, name)

    return answer
