"""``sightline run`` that is ended: by a person, the system, or whoever reads from it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.clips import moving, read_clip, write_clip
from support.rtsp import RtspServer, free_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
COMMAND = (sys.executable, "-m", "sightline", "run")


@contextmanager
def running(*args: str | Path, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*COMMAND, *map(str, args)], stderr=subprocess.PIPE, **more)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.stderr.read().decode() if process.stderr else "it ended"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def line_count(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes: long enough to be interrupted, where it is taken at its own pace."""
    return write_clip(tmp_path_factory.mktemp("clips") / "long.mp4", [moving(i) for i in range(1200)], fps=10)


@pytest.fixture(scope="module")
def large_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its pictures take long to encode."""
    pictures = [moving(i, 1920, 1080) for i in range(100)]
    return write_clip(tmp_path_factory.mktemp("clips") / "large.mp4", pictures, fps=10)


def test_ctrl_c_leaves_complete_files_that_agree(long_clip: Path, tmp_path: Path) -> None:
    video, jsonl = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    with running(long_clip, "--latest", "--save", video, "--jsonl", jsonl) as process:
        until(lambda: line_count(jsonl) > 15, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert re.search(r"stopped +\d+ frames", err.decode())
    assert "Traceback" not in err.decode()
    rows = lines(jsonl)
    times, _ = read_clip(video)
    assert 15 < len(rows) < 600
    assert times == pytest.approx([row["timestamp"] / 1000 for row in rows], abs=0.001)


@pytest.mark.parametrize("apart_s", [0.0, 0.02, 0.2])
def test_ctrl_c_twice_leaves_files_that_agree_too(apart_s: float, large_clip: Path, tmp_path: Path) -> None:
    """It hung for good where the second came while a frame was being encoded: two threads shared an encoder."""
    video, jsonl = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    with running(large_clip, "--model", "motion", "--save", video, "--jsonl", jsonl) as process:
        until(lambda: line_count(jsonl) > 15, process)
        process.send_signal(signal.SIGINT)
        time.sleep(apart_s)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode in (130, -signal.SIGINT), "the second may come when all is done"
    assert "Traceback" not in err.decode()
    assert read_clip(video)[0] == pytest.approx([row["timestamp"] / 1000 for row in lines(jsonl)], abs=0.001)


def test_a_polite_kill_ends_it_as_ctrl_c_does(long_clip: Path, tmp_path: Path) -> None:
    jsonl = tmp_path / "out.jsonl"
    with running(long_clip, "--latest", "--jsonl", jsonl) as process:
        until(lambda: line_count(jsonl) > 3, process)
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert len(lines(jsonl)) > 3


def test_a_process_that_is_killed_leaves_files_that_can_be_read(long_clip: Path, tmp_path: Path) -> None:
    video, jsonl = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    with running(long_clip, "--latest", "--save", video, "--jsonl", jsonl) as process:
        until(lambda: line_count(jsonl) > 40, process)
        process.kill()
        process.communicate(timeout=20)
    rows = lines(jsonl)
    times, _ = read_clip(video)
    assert len(rows) > 40
    assert len(times) > 10, "the encoder holds some frames back; the rest is there"
    assert times == pytest.approx([row["timestamp"] / 1000 for row in rows[: len(times)]], abs=0.001)


def test_a_reader_that_goes_away_ends_it_as_the_tools_of_the_shell_end(long_clip: Path) -> None:
    with running(long_clip, "--latest", "--jsonl", "-", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["seq"] >= 0
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read().decode()
        assert process.wait(20) == 128 + signal.SIGPIPE
    assert "error" not in err
    assert "Traceback" not in err


def test_a_camera_on_the_network_is_waited_for(tmp_path: Path) -> None:
    out, port = tmp_path / "out.jsonl", free_port()

    def count() -> int:
        return len(out.read_text().splitlines()) if out.exists() else 0

    with RtspServer(port) as camera, running(camera.url, "--jsonl", out) as process:
        until(lambda: count() > 5, process)
        camera.__exit__(None, None, None)
        with RtspServer(port, size=(192, 128)):  # known by its size: frames of the first may still be under way
            until(lambda: '"width":192' in out.read_text(), process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"rtsp://127.0.0.1:{port}: the other side ended the stream; trying again" in err.decode()
