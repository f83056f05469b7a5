"""The command that installs an extra (fault 70)."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from sightline.core.install import DISTRIBUTION, install_command

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OURS = (
    ".py",
    ".md",
    ".toml",
    ".ipynb",
    ".yaml",
    ".sh",
    ".service",
    ".html",
    ".js",
    ".json",
    ".txt",
    "Dockerfile",
    "Makefile",
)


def clone(folder: Path) -> Path:
    """The folder of packages of a made-up clone."""
    (folder / "src").mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    return folder / "src"


def test_a_wheel_is_named_as_pip_knows_it(tmp_path: Path) -> None:
    assert install_command("mqtt", tmp_path / "site-packages") == f"pip install '{DISTRIBUTION}[mqtt]'"
    assert install_command("mqtt", tmp_path / "src") == f"pip install '{DISTRIBUTION}[mqtt]'"


def test_a_clone_is_installed_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = clone(tmp_path / "my clone")
    assert install_command("mqtt", source) == f"pip install -e '{tmp_path}/my clone[mqtt]'"
    monkeypatch.chdir(source.parent)
    assert install_command("mqtt", source) == "pip install -e '.[mqtt]'"


def test_the_current_folder_may_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = clone(tmp_path / "clone")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert install_command("mqtt", source) == f"pip install -e '{tmp_path}/clone[mqtt]'"


def test_the_name_is_the_project_s() -> None:
    assert PROJECT["name"] == DISTRIBUTION


def test_no_text_has_people_install_another_project() -> None:
    """Every command that installs Sightline, in code, docs and messages, names a package and extras that there are."""
    texts = [
        path
        for folder in (
            ROOT / "src",
            ROOT / "docs",
            ROOT / "deploy",
            ROOT / "notebooks",
            ROOT / "examples",
            ROOT / "bench",
        )
        for path in folder.rglob("*")
        if path.name.endswith(OURS) and "vendor" not in path.parts
    ]
    texts += [path for path in ROOT.iterdir() if path.name.endswith(OURS)]
    assert len(texts) > 200
    named = set()
    for path in texts:
        text = path.read_text("utf-8")
        assert not re.search(r"""(?<![\w./-])sightline\[|pip install (-\S+ )*["']?sightline(?![\w-])""", text), path
        named |= set(re.findall(rf"{DISTRIBUTION}\[(\w+)\]|install_command\(['\"](\w+)", text))
    extras = {extra for pair in named for extra in pair if extra}
    assert extras
    assert extras <= set(PROJECT["optional-dependencies"])
