"""The documentation tells the truth: what is made is up to date, links lead somewhere, plugins are named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from sightline.core import registry

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")])
SPAN = re.compile(r"```.*?```|`([^`\n]+)`", re.S)
FILE = re.compile(r"(?<![\w./-])(?:[\w-]+/)*[\w-]+\.(?:py|js|ipynb|sh|yaml|yml)(?![\w.])")
FOLDER = re.compile(r"(?:[\w-]+/)+")
ELSEWHERE = ("tools/", "configs/", "deploy/ONNX/", "infer_cfg.yml", "photos/", "onnx/", "segformer/")
"""Beginnings of paths in other projects, and folders of the reader's own."""
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def test_made_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "make.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    missing = [m[1] for m in LINK.finditer(page.read_text()) if not (page.parent / m[1]).exists()]
    assert missing == []


def missing(text: str) -> list[str]:
    """Files and folders that a page names as code and that are not there, whether by path or by name alone."""
    spans = [span for span in SPAN.findall(text) if span]
    named = {name for span in spans for name in FILE.findall(span)} | {span for span in spans if FOLDER.fullmatch(span)}
    examples = set(re.findall(r"^`(\w+\.py)`, a plugin of", text, re.M))
    roots = (ROOT, ROOT / "src", ROOT / "src" / "sightline")
    return sorted(
        name
        for name in named - examples
        if not name.startswith(ELSEWHERE)
        and not any((root / name).exists() for root in roots)
        and not ("/" not in name and any((ROOT / "src").rglob(name)))
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_folders_that_are_named_exist(page: Path) -> None:
    assert missing(page.read_text("utf-8")) == []


def test_a_file_that_is_gone_is_noticed() -> None:
    assert missing("`streams/stream.py` and `base.py`, in `streams/`; `python bench/stages.py --model`") == []
    assert missing("`still.py` `outward/` `streams/intake.py`") == ["outward/", "still.py", "streams/intake.py"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in get_args(registry.Kind) for name in registry.names(kind)],
)
def test_every_plugin_is_documented(kind: registry.Kind, name: str) -> None:
    text = " ".join(page.read_text() for page in PAGES)
    assert re.search(rf"`{name}`", text), f"{kind}/{name}.py is not named in the docs"


@pytest.mark.parametrize("mode", registry.names("renderers"))
def test_every_mode_has_its_picture_in_the_gallery(mode: str) -> None:
    assert f"(images/modes/{mode}.webp)" in (ROOT / "docs" / "gallery.md").read_text()


@pytest.mark.parametrize("page", ["reliability.md", "security.md"])
def test_the_tests_that_hold_a_promise_exist(page: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / page).read_text())
    assert len(named) > 10
    gone = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (ROOT / file).read_text()]
    assert gone == []


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    reached = {m[1] for m in LINK.finditer(readme)}
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert pages <= reached, f"not linked from the README: {sorted(pages - reached)}"
