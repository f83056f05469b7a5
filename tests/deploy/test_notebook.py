"""The notebook runs from top to bottom, with a tunnel that leads nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.rtsp import free_port

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "colab.ipynb"
TUNNEL = """#!/bin/sh
echo "|  https://made-up-for-a-test.trycloudflare.com  |" >&2
exec sleep 600
"""
PROFILES = r"(\"fast\", \"balanced\", \"accurate\", \"sota\")"
RUN = """
import sys
from nbclient import NotebookClient
import nbformat
notebook = nbformat.read(sys.argv[1], 4)
try:
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
finally:
    nbformat.write(notebook, sys.argv[2])
"""


def shown(notebook: Any) -> str:
    """Everything that its cells say."""
    said = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            said += [
                *output.get("text", ()),
                *output.get("traceback", ()),
                *output.get("data", {}).get("text/html", ()),
            ]
    return "".join(said)


def test_all_cells_run_from_top_to_bottom(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "cloudflared").write_text(TUNNEL)
    (programs / "cloudflared").chmod(0o755)
    (programs / "sightline").write_text(f'#!/bin/sh\nexec {sys.executable} -m sightline "$@"\n')
    (programs / "sightline").chmod(0o755)
    copy = tmp_path / NOTEBOOK.name
    text = NOTEBOOK.read_text("utf-8").replace("8000", str(free_port()))  # 8000 may be taken here
    assert PROFILES in text
    copy.write_text(
        text.replace(PROFILES, r"(\"person\", \"fast\")"), "utf-8"
    )  # one that is here, one that can't be got
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(copy), str(tmp_path / "done.ipynb")],
        cwd=tmp_path,
        env=os.environ
        | {"PATH": f"{programs}:{os.environ['PATH']}", "SIGHTLINE_DATA": str(tmp_path / "data")}
        | {"SIGHTLINE_WEIGHTS_URL": f"http://127.0.0.1:{free_port()}"},
        capture_output=True,
        text=True,
        check=False,
    )
    notebook = json.loads((tmp_path / "done.ipynb").read_text("utf-8"))
    assert done.returncode == 0, shown(notebook)[-3000:] + done.stderr[-2000:]
    codes = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in codes] == list(range(1, len(codes) + 1))
    assert "https://made-up-for-a-test.trycloudflare.com/join#" in shown(notebook)
    pictures = [output for cell in codes for output in cell["outputs"] if "image/jpeg" in output.get("data", {})]
    assert len(pictures) == 2, "of the stream, and of one profile"
    assert "fast can't be fetched" in shown(notebook)
    assert len((tmp_path / "made.jsonl").read_text("utf-8").splitlines()) > 10


def test_it_installs_a_clone_of_the_repository(tmp_path: Path) -> None:
    """Fault 68. pip is not run: what it would be told is."""
    cells = [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    install = "".join(cells[0]["source"])
    assert '%pip install --quiet "{clone.resolve()}[torch]"' in install
    code = install.replace("%pip install --quiet ", "print(f").replace('[torch]"', '[torch]")').rpartition("assert")[0]
    (tmp_path / "sightline" / "src" / "sightline").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PATH": str(tmp_path)}, stdout=subprocess.PIPE, check=True
    )
    assert done.stdout.decode() == f"{tmp_path}/sightline[torch]\n"


def test_it_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
