"""ONNX Runtime's own sides; what all engines have in common is in tests/conformance."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.core.errors import ConfigError, ModelError
from sightline.engines import onnx

VALUE = {"y": np.arange(6, dtype=np.float32).reshape(2, 3)}


def test_a_card_that_is_not_there_is_a_clear_error(make_graph: Callable[..., Path]) -> None:
    if "cuda:0" in onnx.devices():
        pytest.skip("this ONNX Runtime knows CUDA")
    assert onnx.devices() == ["cpu"]
    missing = onnx.available("cuda:0")
    assert missing is not None
    assert "pip install 'onnxruntime-gpu" in missing
    with pytest.raises(ConfigError, match="cuda:0 needs; run: pip uninstall -y onnxruntime"):
        onnx.open(make_graph(VALUE), device="cuda:0")


def test_the_reason_of_a_failing_run_is_passed_on(make_graph: Callable[..., Path]) -> None:
    engine = onnx.open(make_graph(VALUE), threads=1)
    with pytest.raises(ModelError, match=r"images \(1, 3, 8, 8\)"):
        engine.run({"images": np.zeros((1, 3, 8, 8), np.float32)})
    with pytest.raises(ModelError, match="failed"):
        engine.run({"images": np.zeros((1, 3, 64, 64), np.float64)})
    with pytest.raises(ModelError, match="failed"):
        engine.run({"picture": np.zeros((1, 3, 64, 64), np.float32)})
    engine.run({"images": np.zeros((1, 3, 64, 64), np.float32)})  # and it still works


def test_weights_are_no_inputs(assets: Path) -> None:
    """Old files list their weights among the inputs."""
    engine = onnx.open(assets / "models/SINet.onnx")
    assert list(map(str, engine.inputs.values())) == ["data: float32[1x3x320x320]"]


def test_what_is_bound_gives_what_a_plain_run_gives(make_graph: Callable[..., Path]) -> None:
    """The way that a card takes, here on the processor."""
    import onnxruntime

    file = make_graph({**VALUE, "z": np.ones(4, np.float32)}, batch=None)
    bound = onnx.Bound(onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"]), "cpu", 0)
    plain = onnx.open(file, threads=1)
    for batch in (1, 1, 3, 2):
        feeds = {"images": np.full((batch, 3, 64, 64), batch, np.float32)}
        for made, expected in zip(bound.run(feeds), plain.run(feeds).values(), strict=True):
            np.testing.assert_array_equal(made, expected)


def test_threads_that_wait_do_not_spin(make_graph: Callable[..., Path]) -> None:
    """Else those of one model take the cores from the next, and an idle one is not idle."""
    engine: Any = onnx.open(make_graph(VALUE))
    options = engine._session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_nothing_is_reported_to_anybody(make_graph: Callable[..., Path], tmp_path: Path) -> None:
    """ONNX Runtime keeps what it is about to report, and an identity of this machine, in the home folder."""
    code = (
        "import sys, numpy as np; from pathlib import Path; from sightline.engines import onnx\n"
        "engine = onnx.open(Path(sys.argv[1]))\n"
        "engine.run({'images': np.zeros((1, 3, 64, 64), np.float32)})"
    )
    silent = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY")
    home = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"), str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in silent} | home
    subprocess.run([sys.executable, "-c", code, make_graph(VALUE)], env=environment, timeout=100, check=True)
    assert list((tmp_path / "home").rglob("*")) == []
