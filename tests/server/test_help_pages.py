"""The documentation as the server shows it: all of it, with links that lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
import pytest_asyncio

from sightline.server import help_pages
from sightline.server.app import create_app
from sightline.settings.settings import load_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).resolve().parents[2]
HATCHLING = SimpleNamespace(BuildHookInterface=object)
"""In place of the builder, which is not installed where tests run."""
NAMES = sorted(path.stem for path in (ROOT / "docs").glob("*.md"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=create_app(load_settings(model="motion")))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


async def test_all_documents_are_listed_and_their_links_and_pictures_are_here(http: httpx2.AsyncClient) -> None:
    listed = set(re.findall(r'href="/help/([\w-]+)"', (await http.get("/help")).text))
    assert listed == set(NAMES)
    texts = {name: (await http.get(f"/help/{name}")).text for name in NAMES}
    anchors = {name: set(re.findall(r'<h\d id="([^"]+)"', text)) for name, text in texts.items()}
    away = []
    for name, text in texts.items():
        assert text.count("<h1") == 1, name
        for to, anchor in re.findall(r'href="(?:/help/([\w-]+))?(?:#([^"]+))?"', text):
            if (to and to not in texts) or (anchor and anchor not in anchors[to or name]):
                away.append(f"{name}: {to}#{anchor}")
        for picture in re.findall(r'<img src="(/help/[^"]+)"', text):
            answer = await http.get(picture)
            assert answer.headers["content-type"].startswith("image/"), f"{name}: {picture}"
    assert away == []


async def test_panels_and_pages_link_to_documents_that_there_are(http: httpx2.AsyncClient) -> None:
    web = ROOT / "src" / "sightline" / "web"
    linked = {
        link
        for path in [*web.rglob("*.html"), *web.rglob("*.js")]
        if "vendor" not in path.parts
        for link in re.findall(r'"(/help/[\w#-]+)"', path.read_text("utf-8"))
    }
    assert len(linked) > 5
    for link in linked:
        page, _, anchor = link.partition("#")
        text = (await http.get(page)).text
        assert not anchor or f'id="{anchor}"' in text, link


@pytest.mark.parametrize("path", ["/help/none", "/help/images/none.webp", "/help/images/%2e%2e/settings.md"])
async def test_what_is_no_document_is_not_found(http: httpx2.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 404


async def test_a_document_is_asked_for_but_sent_once(http: httpx2.AsyncClient) -> None:
    first = await http.get("/help/settings")
    assert first.headers["content-encoding"] == "gzip"
    again = await http.get("/help/settings", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_html_in_a_document_is_text_and_tables_scroll() -> None:
    made = help_pages.html(
        "# A `b` c\n\n<script>x</script> [out](../bench/RESULTS.md)\n\n| a |\n|---|\n| 1 |\n\n# A b c\n"
    )
    assert 'id="a-b-c"' in made
    assert 'id="a-b-c-1"' in made
    assert "<script" not in made
    assert "<span>out</span>" in made
    assert re.search(r'<div class="wide" tabindex="0"><table>.*</table></div>', made, re.S)


async def test_a_wheel_brings_the_documents_and_a_build_without_them_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    monkeypatch.setitem(sys.modules, "hatchling.builders.hooks.plugin.interface", HATCHLING)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    brought = module.documentation(ROOT / "docs")
    for name in NAMES:
        assert brought[str(ROOT / "docs" / f"{name}.md")] == f"sightline/help/{name}.md"
    assert not [to for to in brought.values() if to.endswith(".py")]
    monkeypatch.setattr(help_pages, "FOLDERS", (tmp_path,))
    answer = await http.get("/help")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
