"""The documentation tells the truth: what is made is up to date, links lead somewhere, plugins are named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sightline.core import registry

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")])
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


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in ("engines", "models", "renderers", "sources", "sinks") for name in registry.names(kind)],
)
def test_every_plugin_is_documented(kind: registry.Kind, name: str) -> None:
    text = " ".join(page.read_text() for page in PAGES)
    assert re.search(rf"`{name}`", text), f"{kind}/{name}.py is not named in the docs"


@pytest.mark.parametrize("mode", registry.names("renderers"))
def test_every_mode_has_its_picture_in_the_gallery(mode: str) -> None:
    assert f"(images/modes/{mode}.webp)" in (ROOT / "docs" / "gallery.md").read_text()


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    reached = {m[1] for m in LINK.finditer(readme)}
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert pages <= reached, f"not linked from the README: {sorted(pages - reached)}"
