from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from sightline.cli.pip_command import exactly

SAID = "it is missing; run: pip uninstall -y one && pip install 'two[three]'"


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH: not the one of this Python."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str) -> None:
    path = folder / (f"{name}.exe" if os.name == "nt" else name)
    path.touch(mode=0o755)


def test_the_pip_of_another_environment_is_not_meant(somewhere: Path) -> None:
    pytest.importorskip("pip")
    program(somewhere, "pip")
    pip = f"{sys.executable} -m pip"
    assert exactly(SAID) == f"it is missing; run: {pip} uninstall -y one && {pip} install 'two[three]'"
    assert exactly("no such file") == "no such file"


def test_where_the_environment_is_active_a_command_stays_short(
    somewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(somewhere, "pip")
    monkeypatch.setattr(sys, "executable", str(Path(shutil.which("pip") or "").with_name("python")))
    assert exactly(SAID) == SAID


@pytest.mark.skipif(os.name != "posix", reason="the shell of other systems quotes in another way")
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_python_below_a_folder_with_a_space_is_one_word(
    somewhere: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    python = str(somewhere / "Anna Müller" / "bin" / "python")
    monkeypatch.setattr(sys, "executable", python)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if tool == "uv" else name)
    program(somewhere, "uv")
    assert python in shlex.split(exactly("pip install 'two[three]'"))
