"""``sightline bench engines`` on a real file and real engines."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sightline.core.registry import load, names

QUICK = ("--rounds", "3", "--threads", "1", "--instances", "1")


def bench(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sightline", "bench", "engines", *args],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_engine_and_precision_is_timed_or_said_why_not(make_graph: Callable[..., Path]) -> None:
    file = make_graph({"output": np.zeros((84, 8), np.float32)}, size=(None, None), name="dogs.onnx")
    done = bench(str(file), "--imgsz", "64", "--json", *QUICK)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["model"], found["device"], found["threads"], found["instances"]) == ("dogs", "cpu", 1, 1)
    rows = found["rows"]
    timed = {(row["engine"], row["precision"]) for row in rows}
    assert ("onnx", "fp32") in timed
    assert [row["least_ms"] for row in rows] == sorted(row["least_ms"] for row in rows)
    for row in rows:
        assert 0 < row["least_ms"] <= row["median_ms"] <= row["p95_ms"]
        assert row["cpu_ms"] >= 0
        assert row["fps_together"] > 0
    assert {engine for engine, _ in timed} | {case["engine"] for case in found["unavailable"]} == set(names("engines"))
    assert all(case["why"] for case in found["unavailable"])
    if load("engines", "openvino").available() is None:
        assert {("openvino", precision) for precision in load("engines", "openvino").precisions()} <= timed
    assert (found["auto"]["engine"], found["auto"]["precision"]) in timed
    assert found["auto"]["reason"]


def test_the_table_has_the_fastest_first_and_what_auto_takes(make_graph: Callable[..., Path]) -> None:
    done = bench(str(make_graph({"output": np.zeros((84, 8), np.float32)})), *QUICK)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no progress where nobody watches"
    head, *rows = (line.split() for line in done.stdout.splitlines()[2:] if line)
    assert head[:4] == ["engine", "precision", "load", "s"]
    assert rows[0][0] in names("engines")
    assert "--engine auto takes " in done.stdout


def test_a_model_without_a_graph_has_nothing_to_compare() -> None:
    done = bench("motion", *QUICK)
    assert done.returncode == 2
    assert done.stderr.strip() == "error: model 'motion' has no graph that an engine could run"
