"""What the pages take from npm: the build goes on without it, and says so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

NPM = Path(__file__).resolve().parents[2] / "packaging" / "npm"


def test_without_npm_there_are_no_files_and_the_reason_is_told(tmp_path: Path) -> None:
    shutil.copytree(NPM, tmp_path / "packaging" / "npm", ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    command = [sys.executable, str(tmp_path / "packaging" / "npm" / "vendor.py")]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "The pages do without in-browser mode and plots: npm is not installed"
    assert not (tmp_path / "src").exists()


def test_the_lock_file_pins_what_is_asked_for_and_names_no_host() -> None:
    asked = json.loads((NPM / "package.json").read_text())["dependencies"]
    text = (NPM / "package-lock.json").read_text()
    locked = json.loads(text)["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in asked} == asked
    assert all("integrity" in entry for path, entry in locked.items() if path)
    assert not re.search(r"https?://", text)
