"""``sightline doctor``, in environments that are ill on purpose."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from sightline.cli import doctor_checks as checks

Ill: TypeAlias = tuple[int, dict[str, dict[str, Any]]]
"""The status, and what was found by what it is about."""


def doctor(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sightline", "doctor", *args],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, "SIGHTLINE_PORT": "0", **environment},
    )


def findings(**environment: str) -> Ill:
    done = doctor("--json", **environment)
    assert done.stderr == ""
    return done.returncode, {finding["what"]: finding for finding in json.loads(done.stdout)}


def install(folder: Path, name: str, version: str) -> None:
    """As far as Python's records go."""
    records = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    records.mkdir()
    (records / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_a_sound_installation_is_well() -> None:
    done = doctor()
    assert done.returncode == 0, done.stdout
    for what in ("Python", "machine", "OpenCV", "engine onnx", "port", "model"):
        assert what in done.stdout
    assert "problem" not in done.stdout
    assert "All is well." in done.stdout
    assert "┃" not in done.stdout, "plain where it is no terminal"


def test_it_says_which_opencv_is_live_and_how_fast_the_model_is() -> None:
    import cv2

    code, found = findings()
    assert code == 0
    assert cv2.__version__ in found["OpenCV"]["detail"]
    assert "opencv-python-headless" in found["OpenCV"]["detail"]
    assert "motion: loaded in" in found["model"]["detail"]
    assert "ms for 640x360" in found["model"]["detail"]
    assert "works on cpu in fp32" in found["engine onnx"]["detail"]


def test_it_says_which_engine_runs_the_model_and_why() -> None:
    _, found = findings(SIGHTLINE_MODEL="nano", SIGHTLINE_PRECISION="fp32")
    assert re.search(r"nano with \w+ on cpu in fp32: .*; this engine: \w+", found["model"]["detail"])


@pytest.fixture(scope="module")
def ill(tmp_path_factory: pytest.TempPathFactory) -> Ill:
    """Find what is wrong where much is. A run costs seconds."""
    folder = tmp_path_factory.mktemp("ill")
    install(folder, "opencv-python", "5.0.0.93")
    install(folder, "onnxruntime-gpu", "1.31.1")
    (folder / "nvidia-smi").write_text("#!/bin/sh\n")
    (folder / "nvidia-smi").chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return findings(PYTHONPATH=str(folder), PATH=path, SIGHTLINE_MODLE="motion")


def test_two_opencvs_in_one_environment_are_told_with_the_command(ill: Ill) -> None:
    found = ill[1]["OpenCV"]
    assert found["state"] == "problem"
    assert "opencv-python 5.0.0.93" in found["detail"]
    assert "uninstall" in found["mend"]
    assert "opencv-python-headless opencv-python &&" in found["mend"]
    assert found["mend"].endswith("install opencv-python-headless")
    assert not found["stops_serve"], "it serves all the same"


def test_both_onnx_runtimes_are_told_with_the_command(ill: Ill) -> None:
    found = ill[1]["ONNX Runtime"]
    assert found["state"] == "problem"
    assert "onnxruntime onnxruntime-gpu &&" in found["mend"]
    assert found["mend"].endswith("install 'onnxruntime-gpu[cuda,cudnn]'")


@pytest.mark.skipif(sys.platform == "win32", reason="makes a script executable")
def test_a_graphics_card_that_lies_idle_is_told(ill: Ill) -> None:
    from sightline.engines import onnx

    if onnx.available("cuda:0") is None:
        pytest.skip("ONNX Runtime can use a card here")
    found = ill[1]["graphics card"]
    assert found["state"] == "note"
    assert "onnxruntime-gpu" in found["mend"]
    assert not found["stops_serve"]


def test_a_wrong_setting_is_told_and_the_rest_is_looked_at(ill: Ill) -> None:
    code, found = ill
    assert code == 1
    assert "SIGHTLINE_MODLE" in found["settings"]["detail"]
    assert found["engine onnx"]["state"] == "ok"


def test_an_opencv_that_can_not_be_imported_stops_everything_but_the_doctor(tmp_path: Path) -> None:
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    code, found = findings(PYTHONPATH=str(tmp_path))
    assert code == 1
    assert "libGL.so.1" in found["OpenCV"]["detail"]
    assert found["OpenCV"]["stops_serve"]
    assert "install opencv-python-headless" in found["OpenCV"]["mend"]
    assert [what for what, finding in found.items() if finding["state"] == "problem"] == ["OpenCV"]


def test_a_port_that_is_taken_is_told_and_stops_serve() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = doctor(SIGHTLINE_PORT=str(port))
    assert done.returncode == 1
    assert f"127.0.0.1:{port} can't be used" in done.stdout
    assert f"sightline serve --port {port + 1}" in done.stdout
    assert "Problems: 1, of which 1 stop `sightline serve`." in done.stdout


def test_the_model_of_the_settings_is_tried(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(b"nonsense")
    code, found = findings(SIGHTLINE_MODEL=str(tmp_path / "mine.onnx"))
    assert code == 1
    assert "mine.onnx" in found["model"]["detail"]
    assert "model" in found["settings"]["detail"]


def test_a_check_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("the thermometer burst")

    monkeypatch.setattr(checks, "CHECKS", (broken, *checks.CHECKS[:1]))
    first, second = checks.examine()
    assert (first.state, first.detail) == ("problem", "the check failed: RuntimeError: the thermometer burst")
    assert second.what == "Python"
