"""OpenVINO's own sides; what all engines have in common is in tests/conformance."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.core.errors import ConfigError, ModelError
from sightline.engines import openvino
from sightline.profiles import WEIGHTS

pytestmark = pytest.mark.skipif(openvino.available() is not None, reason="OpenVINO is not installed")

VALUE = {"y": np.arange(6, dtype=np.float32).reshape(2, 3)}


def test_it_is_for_processors(make_graph: Callable[..., Path]) -> None:
    assert openvino.devices() == ["cpu"]
    with pytest.raises(ConfigError, match="runs on cpu, not on cuda:0; use the engine onnx"):
        openvino.open(make_graph(VALUE), device="cuda:0")


def test_a_broken_file_leaves_no_noise_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "broken.onnx"
    file.write_bytes(b"not a graph at all " * 30)
    with pytest.raises(ModelError, match=r"broken\.onnx: OpenVINO can't read it; expected an ONNX file"):
        openvino.open(file)
    assert capfd.readouterr().err == ""


def test_the_reason_of_a_failing_run_is_passed_on(make_graph: Callable[..., Path]) -> None:
    engine = openvino.open(make_graph(VALUE), threads=1)
    with pytest.raises(ModelError, match=r"images \(1, 3, 8, 8\)"):
        engine.run({"images": np.zeros((1, 3, 8, 8), np.float32)})
    with pytest.raises(ModelError, match="failed"):
        engine.run({"picture": np.zeros((1, 3, 64, 64), np.float32)})
    engine.run({"images": np.zeros((1, 3, 64, 64), np.float32)})  # and it still works


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system tells nobody where a thread may run")
def test_threads_are_pinned_to_no_core() -> None:
    """Else all models would share the first cores, and other programs there would hold them up."""
    engine = openvino.open(WEIGHTS / "nano.onnx", threads=1)
    feeds = {spec.name: np.zeros([side or 1 for side in spec.shape], spec.dtype) for spec in engine.inputs.values()}
    done = threading.Event()
    found: list[int] = []

    def run() -> None:
        found.append(threading.get_native_id())
        while not done.is_set():
            engine.run(feeds)

    everywhere = os.sched_getaffinity(0)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        while not found:
            time.sleep(0.001)
        for _ in range(100):
            assert os.sched_getaffinity(found[0]) == everywhere
            time.sleep(0.002)
    finally:
        done.set()
        thread.join()
        engine.close()


def test_nothing_is_reported_to_anybody(make_graph: Callable[..., Path]) -> None:
    code = (
        "import sys; from pathlib import Path; from sightline.engines import openvino\n"
        "openvino.open(Path(sys.argv[1])).close()\n"
        "print([name for name, module in sys.modules.items() if 'openvino_telemetry' in name and module])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, make_graph(VALUE)], capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stdout.strip() == "[]"
