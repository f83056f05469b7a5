"""What people type by mistake: the reason in a line and the status, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sightline.cli import app
from sightline.core.errors import ConfigError


def refused(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code != 0
    assert isinstance(done.exception, ConfigError)
    return done.exception.message


def test_what_the_system_refuses_is_one_line(tmp_path: Path) -> None:
    """Here a data folder whose name is too long for any file system."""
    env = os.environ | {"SIGHTLINE_DATA": str(tmp_path / ("x" * 300))}
    command = [sys.executable, "-m", "sightline", "recordings", "list"]
    ended = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("error: ")
    assert "File name too long" in ended.stderr


def test_ctrl_c_while_a_command_is_being_loaded_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "sightline", "models"]
    ended = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_server_goes_on_where_its_output_can_not_be_written() -> None:
    """A log on a full disk, or `| head`."""
    command = [sys.executable, "-m", "sightline", "serve", "--model", "motion", "--port", "0"]
    with Path("/dev/full").open("wb") as full, subprocess.Popen(command, stdout=full, stderr=subprocess.PIPE) as server:
        assert server.stderr is not None
        said = b""
        for line in server.stderr:
            said += line
            if b"motion is ready" in line:
                server.send_signal(signal.SIGINT)
    assert b"motion is ready" in said
    assert server.returncode == 0, said
    assert b"Traceback" not in said
    assert b"Exception ignored" not in said


def test_two_sources_of_one_name_are_told() -> None:
    said = refused("serve", "--model", "motion", "--source", "a=synthetic:street", "--source", "a=synthetic:noise")
    assert said == "--source a=...: there are two of that name; expected one"


def test_a_settings_file_that_is_no_text_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.toml").write_bytes("preset = 'lan' # für".encode("latin-1"))
    monkeypatch.setenv("SIGHTLINE_CONFIG", str(tmp_path / "own.toml"))
    assert "own.toml: 'utf-8' codec can't decode" in refused("models")


def test_an_address_of_a_cluster_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("SIGHTLINE_DATA", str(tmp_path))
    assert "--ip 300.1.1.1: expected this machine's address" in refused("cluster", "start", "--ip", "300.1.1.1")
