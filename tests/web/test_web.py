"""The pages: their own tests in Node, and what the Content-Security-Policy and the house rules ask of the files."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sightline.server import assets, pages

ROOT = Path(__file__).parents[2]
WEB = ROOT / "src" / "sightline" / "web"
PAGES = sorted((WEB / "pages").glob("*.html"))
VENDOR = WEB / "vendor"
SCRIPTS = sorted(path for path in WEB.rglob("*.js") if VENDOR not in path.parents)


def test_modules_pass_their_own_tests() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the pages' own tests need Node 20 or newer")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").split(".")[0]) < 20:
        pytest.skip(f"node {version.strip()}: the pages' own tests need Node 20 or newer")
    files = [str(path) for path in sorted((ROOT / "tests" / "web").rglob("*.test.js"))]
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, timeout=100, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_a_page_has_nothing_inline_and_nothing_from_elsewhere(page: Path) -> None:
    text = pages.whole(page.name)
    if page.name in pages.ALONE:
        text = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.S)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style", text), "it belongs in a file, which the server puts here"
    assert not re.search(r"\sstyle=|\son\w+=", text), "an inline style or handler is blocked by the policy"
    assert not re.search(r"https?://", text.replace("http://www.w3.org/2000/svg", ""))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_a_page_names_only_files_and_labels_that_exist(page: Path) -> None:
    text = pages.page(page.name)
    assert "<!--" not in text, "a part was not found"
    for name in re.findall(r'"/static/([^"]+)"', text):
        assert (WEB / name.removeprefix(f"{assets.version()}/")).is_file(), name
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids)), "an id is there twice"
    named = re.findall(r'\b(?:for|aria-controls|aria-labelledby|aria-describedby)="([^"]+)"', text)
    assert {part for value in named for part in value.split()} <= set(ids)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: str(p.relative_to(WEB)))
def test_a_script_imports_files_that_exist_and_writes_text_only(script: Path) -> None:
    text = script.read_text()
    for name in re.findall(r"""(?:from|import|new URL\()\s*\(?["'](\.\.?/[^"']+)["']""", text):
        assert (script.parent / name).is_file() or name == "../vendor/", name
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
    assert not re.search(r"""["'`]https?://(?!www\.w3\.org/2000/svg|localhost|home\.example/)""", text)


def test_files_are_short() -> None:
    ours = [path for path in WEB.rglob("*") if path.suffix in {".js", ".css", ".html"} and VENDOR not in path.parents]
    lines = {str(path.relative_to(WEB)): path.read_text().count("\n") for path in ours}
    assert max(lines.values()) <= 360, {name: n for name, n in lines.items() if n > 360}
