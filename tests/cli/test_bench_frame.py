"""``sightline bench frame`` on a real server."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sightline.cli.bench_frame import STAGES, Part, advice


def bench(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sightline", "bench", "frame", "--model", "motion", "--seconds", "0.5", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_parts_of_a_frames_way_add_up() -> None:
    done = bench("--json", "--streams", "2", "--fps", "20")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["model"], found["streams"], found["fps"]) == ("motion", 2, 20)
    assert found["results"] > 0
    assert [part["name"] for part in found["parts"]] == list(STAGES)
    assert sum(part["mean_ms"] for part in found["parts"]) == pytest.approx(found["mean_ms"], abs=0.02)
    assert sum(part["share"] for part in found["parts"]) == pytest.approx(1, abs=0.01)
    assert all(part["mean_ms"] >= 0 for part in found["parts"])
    assert next(part for part in found["parts"] if part["name"] == "infer")["mean_ms"] > 0
    assert found["advice"]


def test_the_table_ends_with_what_would_help() -> None:
    done = bench()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("motion, 1 stream of 30 frames/s: ")
    rows = [line.split() for line in done.stdout.splitlines()[2:] if line]
    assert rows[0][:3] == ["part", "mean", "ms"]
    assert [row[0] for row in rows[1 : len(STAGES) + 2]] == [*STAGES, "all"]
    assert "Faster: " in done.stdout.splitlines()[-1]


def test_a_source_that_is_not_there_is_refused() -> None:
    done = bench("--source", "nowhere.mp4")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("slow", "word"),
    [
        ("infer", "bench engines dogs.onnx"),
        ("decode", "smaller than 1280x720"),
        ("preprocess", "--imgsz"),
        ("postprocess", "--conf"),
        ("encode", "fewer stages"),
        ("loop", "less else to do"),
    ],
)
def test_the_advice_is_about_what_takes_most(slow: str, word: str) -> None:
    parts = [
        Part(name, what, 9.0 if name == slow else 0.5, 10, 0.7 if name == slow else 0.04)
        for name, what in STAGES.items()
    ]
    said = advice(parts, results=100, dropped={}, model="dogs.onnx", size=(1280, 720))
    assert len(said) == 1
    assert word in said[0]


def test_frames_that_wait_are_told_first() -> None:
    parts = [Part(name, what, 9.0 if name == "queue" else 0.5, 10, 0.1) for name, what in STAGES.items()]
    said = advice(parts, results=60, dropped={"replaced": 40}, model="dogs.onnx", size=(1280, 720))
    assert said[0].startswith("Frames wait 9.0 ms for the model and 40 of 100 had no result: send fewer")
    assert len(said) == 2
