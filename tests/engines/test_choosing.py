"""The engine that nobody named: real graphs in whole numbers are tried, others are not."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline import profiles
from sightline.core.errors import ConfigError
from sightline.engines import openvino
from sightline.engines._select import choose, is_quantized

MakeGraph = Callable[..., Path]
both = pytest.mark.skipif(openvino.available() is not None, reason="OpenVINO is not installed")


def test_what_computes_in_whole_numbers_is_told_by_its_operators(assets: Path, make_graph: MakeGraph) -> None:
    assert is_quantized(assets / "models/yolov8n_640_int8.onnx")
    assert not is_quantized(assets / "models/yolox_nano.onnx")
    assert not is_quantized(make_graph({"QuantizeLinear": np.zeros(1, np.float32)})), "a tensor's name is no operator"
    empty = make_graph({"y": np.zeros(1, np.float32)})
    empty.write_bytes(b"")
    assert not is_quantized(empty)


@both
def test_a_quantized_graph_is_tried_once_and_the_times_are_told(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    file = assets / "models/yolov8n-seg_320_int8.onnx"
    name, reason = choose("auto", "cpu", "auto", file)
    times = dict(part.split(" ")[:2] for part in reason.partition(": ")[2].split(", "))
    assert set(times) == {"onnx", "openvino"}
    assert name == min(times, key=lambda engine: float(times[engine]))
    assert choose("auto", "cpu", "auto", file) == (name, reason)


@both
@pytest.mark.parametrize("name", ["nano", "person"])
def test_what_sightline_train_wrote_is_not_tried(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    engine, reason = choose("auto", "cpu", "auto", profiles.shipped()[name])
    assert (engine, reason.partition(",")[0]) == ("onnx", "it is as fast with what sightline train writes")


@both
def test_only_what_can_run_the_graph_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    file = tmp_path / "broken.onnx"
    file.write_bytes(b"\x22\x0bConvInteger and nothing else")
    assert choose("auto", "cpu", "auto", file) == ("onnx", "no engine could run the graph on trial")


@both
def test_a_precision_decides() -> None:
    assert choose("auto", "cpu", "bf16") == ("openvino", "the one that may compute in bf16 on a processor")
    with pytest.raises(ConfigError, match="precision 'int8': expected one of auto, "):
        choose("auto", "cpu", "int8")
