"""The harness of ``make race``: cameras, a contestant in a program of its own, and the report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from common import child
from race.cameras import COUNT, FPS, due, judged, most_held, run_cameras, stamped_jpegs
from race.contestants import _stamp
from race.environments import contestant
from race.jobs import JOBS, US
from race.report import markdown, page, terminal


@given(st.integers(0, COUNT - 1))
def test_a_number_in_the_pixels_survives_jpeg(number: int) -> None:
    image = np.full((360, 640, 3), 90, np.uint8)
    _stamp.stamp(image, number)
    jpeg = cv2.imencode(".jpg", image)[1]
    assert _stamp.read(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)) == number
    assert _stamp.read(cv2.imdecode(jpeg, cv2.IMREAD_REDUCED_COLOR_8), _stamp.BLOCK // 8) == number


def test_the_plain_loop_answers_a_camera(assets: Path) -> None:
    with child(run_cameras, stamped_jpegs()) as pipe, contestant("plain loop", Path(sys.executable)) as loop:
        port, started = pipe.recv()
        model = str(assets / "models" / "yolox_nano.onnx")
        answer = loop.ask("cameras", urls=[f"http://127.0.0.1:{port}/0"], model=model, seconds=2)
    found = judged(answer, 1, 2, started)
    assert 0 < found.share <= 1
    assert 0 < found.p95_ms < 20_000


def test_a_frame_counts_once_and_only_in_its_time() -> None:
    rows = [(0, n % COUNT, due(0, n, 0.0) + 0.1) for n in range(590, 640)]
    end = due(0, 640, 0.0)
    found = judged({"seen": [*rows, *rows], "ended": end + 0.3}, 1, 30 / FPS, 0.0)
    assert (found.share, round(found.p95_ms), found.held) == (1.0, 100, True)
    halved = judged({"seen": rows[::2], "ended": end + 0.3}, 1, 30 / FPS, 0.0)
    assert (halved.share, halved.held) == (0.5, False)


@given(st.integers(0, 12), st.integers(1, 12))
def test_the_most_cameras_are_found_from_wherever_the_search_begins(can: int, first: int) -> None:
    class Tried:
        def __init__(self, count: int) -> None:
            self.held = count <= can

    most: Any = most_held
    assert most(Tried, first) == can


def test_the_report_tells_who_failed_and_which_goals_are_met() -> None:
    sides: dict[str, Any] = {
        side: {"rounds": [{"held": 4}, {"held": 6}], "failed": ""} for side in JOBS["cameras"].sides
    }
    sides["plain loop"]["rounds"] = [{"held": 5}]
    sides["Ultralytics"] = {"rounds": [], "failed": "not installed: <ERROR> of pip"}
    load = {"average": 1.5, "busy": 30.0}
    where = {"date": "2026-11-29", "cores": 2, "processor": "x86_64", "system": "Linux", "python": "3.11.7"}
    found = {
        **where,
        **{"command": "make race", "rounds": 2, "seconds": 4, "load_before": load, "load_after": load},
        "jobs": {"cameras": sides},
    }
    told, drawn = markdown(found), page(found)
    assert f"| {US} | 5 (4 to 6) |" in told
    assert "| Ultralytics | not installed: &lt;ERROR> of pip |" in told
    assert f"Goal, {US}: at least 1 times plain loop: met." in told
    assert f"Goal, {US}: at least 7 cameras: missed." in told
    assert "&lt;ERROR&gt;" in drawn
    assert drawn.count('<div class="bar ours"') == 1
    assert "load of the machine: before 1.5" in terminal(found).lower()
