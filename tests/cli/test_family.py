"""``--family``: says what a file is that may be of two kinds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from sightline.cli import app
from sightline.core.errors import SightlineError


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """``sightline run`` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "sightline", "run", *words], capture_output=True, text=True, timeout=120
    )


def test_a_file_of_two_kinds_runs_once_its_family_is_said(make_graph: Callable[..., Path], tmp_path: Path) -> None:
    outputs = {"logits": np.full((5, 3), 2, np.float32), "pred_boxes": np.full((5, 4), 0.5, np.float32)}
    model, picture, found = str(make_graph(outputs)), tmp_path / "grey.png", tmp_path / "found.jsonl"
    cv2.imwrite(str(picture), np.full((40, 60, 3), 99, np.uint8))
    refused = run(str(picture), "--model", model, "--engine", "onnx")
    assert refused.returncode != 0
    assert "--family rfdetr or --family rtdetr" in " ".join(refused.stderr.split())
    done = run(str(picture), "--model", model, "--engine", "onnx", "--family", "rtdetr", "--jsonl", str(found))
    assert done.returncode == 0, done.stderr
    assert '"xyxy":[15.0,10.0,45.0,30.0]' in found.read_text().replace(" ", "")


@pytest.mark.parametrize("command", [["run", "x.mp4"], ["serve"]])
def test_an_unknown_family_is_refused_at_once(command: list[str]) -> None:
    refused = CliRunner().invoke(app, [*command, "--family", "nonsense"]).exception
    assert isinstance(refused, SightlineError)
    assert "family 'nonsense': expected one of birefnet, damoyolo" in refused.message
