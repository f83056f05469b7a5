"""Files of the pages: asked for once, small, and the same to the reader; and pages that tell errors to people."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Request, expect
from starlette.exceptions import HTTPException

from sightline.server import assets, pages
from support.browsing import browsing, listen_for_errors
from support.serving import Running, camera, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving() as running:
        yield running


async def test_a_file_with_its_version_is_kept_for_ever_and_others_are_asked_for(server: Running) -> None:
    for name in ("lib/dom.js", "css/style.css", "icons/favicon.svg", "icons/icon-192.png"):
        kept = await server.http.get(assets.address(name))
        assert kept.headers["cache-control"] == "public, max-age=31536000, immutable", name
        plain = await server.http.get(f"/static/{name}")
        assert plain.headers["cache-control"] == "no-cache", name
        again = await server.http.get(f"/static/{name}", headers={"If-None-Match": plain.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), name
        older = await server.http.get(f"/static/{'0' * 12}/{name}")  # a page from before an upgrade
        assert (older.content, older.headers["cache-control"]) == (kept.content, "no-cache"), name


async def test_scripts_come_compressed_without_comments_and_with_every_line_where_it_was(server: Running) -> None:
    source = (assets.WEB / "lib" / "dom.js").read_text()
    packed = await server.http.get("/static/lib/dom.js")
    assert packed.headers["content-encoding"] == "gzip"
    assert "/**" not in packed.text
    ours, theirs = source.split("\n"), packed.text.split("\n")
    assert len(ours) == len(theirs)
    bare = [re.sub(r"/\*\*.*?\*/", "", line) for line in ours]
    assert all(sent.strip() in ("", line.strip()) for line, sent in zip(bare, theirs, strict=True))
    raw = await server.http.get("/static/lib/dom.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in raw.headers
    assert raw.text == source


async def test_a_file_that_is_kept_compressed_is_sent_so_or_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = bytes(range(256)) * 100
    (tmp_path / "runtime.wasm.gz").write_bytes(gzip.compress(was))
    (tmp_path / "secret.json.gz").write_bytes(gzip.compress(was))
    monkeypatch.setattr(assets, "WEB", tmp_path)
    transport = httpx2.ASGITransport(app=assets.Assets())
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as http:
        for taken, coding in (("gzip", "gzip"), ("identity", None)):
            answer = await http.get("/runtime.wasm", headers={"Accept-Encoding": taken})
            assert (answer.content, answer.headers.get("content-encoding")) == (was, coding)
            assert answer.headers["content-type"] == "application/wasm"
            known = {"Accept-Encoding": taken, "If-None-Match": answer.headers["etag"]}
            assert (await http.get("/runtime.wasm", headers=known)).status_code == 304
            assert (await http.head("/runtime.wasm", headers={"Accept-Encoding": taken})).status_code == 200
        for name in ("/other.wasm", "/secret.json", "/../runtime.wasm.gz/x.wasm"):
            with pytest.raises(HTTPException, match="404"):
                await http.get(name)


@pytest.mark.parametrize("name", ["capture/worker.js", "infer/worker.js", "vendor/any.mjs"])
async def test_what_a_worker_begins_with_has_a_pages_headers(server: Running, name: str) -> None:
    """Without them a page that is isolated may not start it."""
    page = await server.http.get("/embed/x")
    for path in (assets.address(name), f"/static/{name}"):
        worker = await server.http.get(path)
        for header in ("content-security-policy", "cross-origin-embedder-policy"):
            assert worker.headers[header] == page.headers[header], path


async def test_a_page_is_asked_for_but_sent_once(server: Running) -> None:
    first = await server.http.get("/view/x")
    assert first.headers["content-encoding"] == "gzip"
    again = await server.http.get("/view/x", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "file", sorted([*assets.WEB.rglob("*.js"), *assets.WEB.rglob("*.css")]), ids=lambda path: path.name
)
async def test_only_comments_are_left_out(file: object) -> None:
    path = assets.WEB / str(file)
    text = gzip.decompress(assets.packed(path)).decode()
    assert bare(text) == bare(path.read_text())


def bare(text: str) -> str:
    """A file without comments and spaces."""
    return re.sub(r"\s+", "", re.sub(r"/\*.*?\*/|^[ \t]*//[^\n]*", "", text, flags=re.S | re.M))


@pytest.mark.parametrize("path", ["/", "/camera/x", "/timeline", "/help", "/docs"])
async def test_a_page_asks_for_nothing_before_its_first_paint(server: Running, path: str) -> None:
    """Its styles and the script of its theme stand in it, and its policy allows these alone."""
    page = await server.http.get(path, headers={"Accept-Language": "de"})
    head, _, body = page.text.partition("<body")
    assert not re.search(r'rel="stylesheet"|<script [^>]*src=', head)
    assert '<script type="module"' in body
    for tag in ("style", "script"):
        own = [hashlib.sha256(text.encode()).digest() for text in re.findall(rf"<{tag}>(.*?)</{tag}>", head, re.S)]
        hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in own]
        (allowed,) = re.findall(rf"{tag}-src ([^;]+)", page.headers["content-security-policy"])
        assert [one for one in allowed.split() if "sha256" in one] == hashes != [], tag
        assert "'unsafe-inline'" not in allowed


async def test_all_modules_of_a_page_are_named_in_it() -> None:
    text = pages.page("view.html")
    for name in ("elements/sightline-viewer.js", "lib/dom.js", "wire/socket.js"):
        link = f'<link rel="modulepreload" fetchpriority="low" href="{assets.address(name)}">'
        assert link in text
    assert '"/static/pages' not in text


@pytest.mark.parametrize(
    ("path", "headers", "status", "says"),
    [
        ("/nowhere", {}, 404, "There is nothing here"),
        ("/view/a b", {}, 400, "1 to 64"),
        ("/", {"Host": "cam.example"}, 403, "cam.example"),
        ("/view/x", {"Origin": "https://evil.example"}, 403, "Another site"),
    ],
)
async def test_people_get_a_page_and_programs_json(
    server: Running, path: str, headers: dict[str, str], status: int, says: str
) -> None:
    """Fault 47."""
    page = await server.http.get(path, headers=HTML | headers)
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert says in page.text
    assert "<script" not in page.text
    assert re.fullmatch(r"default-src 'none'; style-src 'sha256-[^']+';.*", page.headers["content-security-policy"])
    program = await server.http.get(path, headers=headers)
    assert program.status_code == status
    assert program.json()["error"]["message"]


async def transferred(asked: list[Request]) -> int:
    """Bytes of the answers, without pictures and results, which come over the socket.

    What a page asks again and again counts once: how often depends on the machine.
    """
    sizes = [await request.sizes() for request in {request.url: request for request in asked}.values()]
    return sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)


async def test_a_browser_opens_a_page_in_one_request_when_it_comes_back(server: Running) -> None:
    """Fault 55, and 47 as a person sees it."""
    async with browsing("--host-resolver-rules=MAP cam.test 127.0.0.1") as browser:
        page = await browser.new_page()
        errors = listen_for_errors(page)
        async with camera(server, "x"):
            asked: list[Request] = []
            page.on("requestfinished", lambda request: asked.append(request))
            await page.goto(f"{server.url}/view/x")
            await expect(page.locator("#model-name")).to_have_text("motion")
            assert await transferred(asked) < 90_000
            asked.clear()
            await page.reload()
            await expect(page.locator("#model-name")).to_have_text("motion")
            await expect(page.locator("body")).to_have_attribute("data-state", "live")
            assert await transferred(asked) < 5_000
            assert not [request.url for request in asked if "/api/models" in request.url]
            await page.locator("#model-chosen").click()
            await expect(page.locator("#model-offers-list button.offer").first).to_be_visible()
            await page.locator("#model-offers-close").click()

        await page.goto(f"{server.url.replace('127.0.0.1', 'cam.test')}/view/x")
        await expect(page.locator("h1")).to_have_text("This is not allowed here")
        assert await page.locator("body").evaluate("e => getComputedStyle(e).margin") == "0px", "its style is allowed"
        await page.locator("a.main").click()
        await expect(page.locator("h1")).to_have_text("Streams")
        assert errors == []
