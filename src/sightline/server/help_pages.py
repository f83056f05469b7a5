"""The documentation, as the server itself shows it: Markdown of the folder ``docs``, which a wheel brings along."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from functools import lru_cache
from html import escape
from itertools import pairwise
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from markdown_it import MarkdownIt
from markdown_it.token import Token
from starlette.concurrency import run_in_threadpool

from sightline.core.errors import NotFound
from sightline.security.origin import POLICY
from sightline.server import languages
from sightline.server.assets import ENGLISH
from sightline.server.pages import page, policy, send_page

FOLDERS = (Path(__file__).parents[1] / "help", Path(__file__).parents[3] / "docs")
"""Where the documents are: in a wheel, and in a checkout."""
GROUPS = {
    "Cameras and models": ("cameras", "phones", "sources", "models", "gallery", "browser", "troubleshooting"),
    "What happens": (
        "analytics",
        "rules",
        "events",
        "recording",
        "timeline",
        "notifications",
        "outputs",
        "home-assistant",
    ),
    "Pages and programs": ("embedding", "clients", "protocol", "webrtc", "python"),
    "A server": ("deploy", "security", "settings", "cli", "tuning", "reliability", "stress", "benchmarks"),
    "More": ("training", "extending", "languages", "architecture", "decisions"),
}
"""Order of the documents. Those that are not named stand under the last."""
COMMENT = re.compile(r"^<!--.*?-->\n*", re.S)
KINDS = {".webp": "image/webp", ".svg": "image/svg+xml", ".png": "image/png"}


def folder() -> Path | None:
    """Folder of the documents; None for a build without them."""
    return next((one for one in FOLDERS if (one / "settings.md").is_file()), None)


def documents() -> dict[str, Path]:
    """The documents by name."""
    found = folder()
    return {} if found is None else {path.stem: path for path in sorted(found.glob("*.md"))}


def document(name: str, language: str = ENGLISH) -> str:
    """A document as a page, in a frame of this language. Raises NotFound."""
    path = documents().get(name)
    if path is None:
        raise NotFound(f"no document is called {name[:80]!r}: /help lists them")
    text = COMMENT.sub("", path.read_text("utf-8"))
    back = f'<p class="hint"><a href="/help">{escape(languages.said("All documents", language))}</a></p>'
    body = f'{back}\n{_about_english(language)}<article lang="en">\n{html(text)}</article>'
    return _framed(_title(text, name), body, language)


def contents(language: str = ENGLISH) -> str:
    """The page that lists the documents, in this language but for their own words. Raises NotFound without them."""
    texts = {name: COMMENT.sub("", path.read_text("utf-8")) for name, path in documents().items()}
    if not texts:
        raise NotFound("this build has no documentation: expected one from a wheel or a checkout")
    named = [name for names in GROUPS.values() for name in names]
    groups = {**GROUPS, "More": (*GROUPS["More"], *(name for name in texts if name not in named))}
    title = languages.said("Help", language)
    parts = [f"<h1>{escape(title)}</h1>\n{_about_english(language)}"]
    for group, names in groups.items():
        rows = [_row(name, texts[name]) for name in names if name in texts]
        heading = escape(languages.said(group, language))
        parts.append(f'<section><h2>{heading}</h2><ul lang="en">{"".join(rows)}</ul></section>')
    return _framed(title, "\n".join(parts), language)


def html(text: str) -> str:
    """Markdown as HTML, with links as this server has them. Raw HTML in it is shown as text."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    seen: Counter[str] = Counter()
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", _anchor(inline, seen))
    for token in tokens:
        _place(token.children or [])
    made: str = markdown.renderer.render(tokens, markdown.options, {})
    made = made.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")
    return made.replace("<pre>", '<pre tabindex="0">')


def _anchor(heading: Token, seen: Counter[str]) -> str:
    """The name by which links of other documents know a heading: as code hosts make it."""
    words = "".join(child.content for child in heading.children or [])
    name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}-{seen[name] - 1}"


def _place(tokens: list[Token]) -> None:
    """Have links and pictures lead to this server's own, and nowhere where it has none."""
    leads = True
    for token in tokens:
        if token.type == "link_open":
            address = _address(str(token.attrs.get("href", "")))
            leads = address is not None
            token.attrs = {"href": address} if address is not None else {}
        elif token.type == "image":
            token.attrs["src"] = f"/help/{token.attrs.get('src', '')}"
        if token.type in ("link_open", "link_close") and not leads:
            token.tag = "span"


def _address(link: str) -> str | None:
    """Where a link of a document leads; None for a file that only a checkout has."""
    if re.match(r"https?:|#", link):
        return link
    found = re.fullmatch(r"([\w-]+)\.md(#.*)?", link)
    return None if found is None else f"/help/{found[1]}{found[2] or ''}"


def _title(text: str, name: str) -> str:
    found = re.search(r"^# (.+)$", text, re.M)
    return found[1] if found else name


def _row(name: str, text: str) -> str:
    """Title and first sentence."""
    pairs = pairwise(MarkdownIt("commonmark").parse(text))
    paragraph = next((inline for opening, inline in pairs if opening.type == "paragraph_open"), None)
    spoken = [] if paragraph is None else paragraph.children or []
    words = "".join(" " if part.type == "softbreak" else part.content for part in spoken)
    first = re.split(r"[.:]\s", f"{words} ", maxsplit=1)[0].rstrip()
    return f'<li><a href="/help/{name}">{escape(_title(text, name))}</a><p class="hint">{escape(first)}.</p></li>'


def _about_english(language: str) -> str:
    """In another language: that the documents are English."""
    words = languages.said("The documentation is in English.", language)
    return "" if language == ENGLISH else f'<p class="hint">{escape(words)}</p>\n'


def _framed(title: str, body: str, language: str) -> str:
    words = {"title": escape(title), "body": body}
    return re.sub(r"\{(\w+)\}", lambda key: words[key[1]], page("help.html", language))


@lru_cache(128)
def _packed(name: str | None, language: str, newest: int) -> bytes:
    """A page as it is sent. ``newest``: when the documents were changed last."""
    return gzip.compress((contents(language) if name is None else document(name, language)).encode(), 9, mtime=0)


def _made(name: str | None, language: str) -> bytes:
    return _packed(name, language, max((path.stat().st_mtime_ns for path in documents().values()), default=0))


async def _send(request: Request, name: str | None) -> Response:
    language = languages.wanted(request)
    made = await run_in_threadpool(_made, name, language)
    return send_page(request, made, Vary=languages.VARY, **{POLICY: policy("help.html", language)})


def add(app: FastAPI) -> None:
    """Add the routes of the documentation."""

    @app.get("/help", include_in_schema=False)
    async def all_documents(request: Request) -> Response:
        return await _send(request, None)

    @app.get("/help/{name}", include_in_schema=False)
    async def one_document(request: Request, name: str) -> Response:
        return await _send(request, name)

    @app.get("/help/images/{file:path}", include_in_schema=False)
    async def picture(file: str) -> Response:
        found = folder()
        path = None if found is None else (found / "images" / file).resolve()
        if path is None or found is None or not path.is_relative_to((found / "images").resolve()) or not path.is_file():
            raise NotFound("no picture of the documentation has this name")
        return FileResponse(path, media_type=KINDS.get(path.suffix), headers={"Cache-Control": "max-age=3600"})
