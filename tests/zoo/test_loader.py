"""From a name or a path to a warm model, and clear words where that can't be."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest

from sightline.core.boxes import overlap
from sightline.core.errors import ConfigError, ModelError
from sightline.core.predictions import Detections
from sightline.core.registry import load, names
from sightline.engines import openvino
from sightline.zoo.catalogue import list_models
from sightline.zoo.loader import check_model, load_model, pick_engine
from sightline.zoo.options import LoadKeywords, LoadOptions

WITHOUT_OPENVINO = openvino.available() is not None
YOLOX = {"output": np.zeros((84, 8), np.float32)}  # of a 64x64 input


def test_the_built_in_models_are_listed_and_load() -> None:
    cards = {card.name: card for card in list_models()}
    assert cards["motion"].labels == ("motion",)
    model = load_model("motion", confidence=0.6)
    assert model.card == cards["motion"]
    assert model.options.confidence == 0.6
    assert model.engine is None
    assert model.input_size is None
    check_model("motion")


def test_a_file_is_loaded_warm_and_says_what_it_is(make_graph: Callable[..., Path]) -> None:
    file = make_graph(YOLOX, name="my dogs.onnx")
    check_model(str(file), engine="onnx")
    model = load_model(str(file), engine="onnx", confidence=0.4)
    assert model.engine is not None
    assert (model.engine.name, model.engine.device) == ("onnx", "cpu")
    assert model.options.confidence == 0.4
    assert model.max_batch == 1  # batching does not pay on a processor
    card = model.card
    assert (card.name, card.family, card.task, card.input_size) == ("my dogs", "yolox", "detect", (64, 64))
    assert (card.path, card.size_bytes) == (str(file), file.stat().st_size)
    model.close()


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_confidence_is_checked(confidence: float) -> None:
    with pytest.raises(ConfigError, match="expected 0 to 1"):
        load_model("motion", confidence=confidence)


def test_a_built_in_model_has_no_input_size() -> None:
    with pytest.raises(ConfigError, match="no input size to choose"):
        load_model("motion", imgsz=320)


@pytest.mark.parametrize("check", [check_model, load_model])
def test_what_is_neither_a_name_nor_a_file(check: Callable[..., object], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'moton'.*the path of an \.onnx file, kserve:.*, or one of: .*motion"):
        check("moton")
    with pytest.raises(ConfigError, match="no such file, and no model of that name"):
        check(str(tmp_path))
    weights = tmp_path / "yolo.pt"
    weights.write_bytes(b"PK")
    with pytest.raises(ConfigError, match=r"export it to ONNX first: yolo export model=yolo\.pt format=onnx"):
        check(str(weights))


@pytest.mark.parametrize("check", [check_model, load_model])
@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:", "cuda:x", "CPU", "", "cuda:0 "])
def test_a_device_is_cpu_or_a_numbered_card(check: Callable[..., object], device: str) -> None:
    with pytest.raises(ConfigError, match="expected 'cpu' or 'cuda:N'"):
        check("motion", device=device)


def test_an_unknown_engine() -> None:
    with pytest.raises(ConfigError, match="no plugin 'tensorrt' in engines: expected one of kserve, onnx, openvino"):
        check_model("motion", engine="tensorrt")


def test_an_engine_that_can_not_use_the_device_is_said_before_anything_loads() -> None:
    with pytest.raises(ConfigError, match="cuda:0"):
        check_model("motion", engine="openvino", device="cuda:0")


@pytest.mark.parametrize("name", [name for name in names("engines") if not hasattr(load("engines", name), "READS")])
def test_an_engine_asked_for_is_the_one_that_is_used(make_graph: Callable[..., Path], name: str) -> None:
    if name == "openvino" and WITHOUT_OPENVINO:
        pytest.skip("OpenVINO is not installed")
    assert pick_engine(name, "cpu") == (name, "asked for by name")
    model = load_model(str(make_graph(YOLOX)), engine=name, threads=1, precision="fp32")
    assert model.engine is not None
    assert (model.engine.name, model.engine.precision) == (name, "fp32")
    assert model.engine_reason == "asked for by name"


@pytest.mark.parametrize("check", [check_model, load_model])
def test_a_precision_that_no_engine_has_is_said(check: Callable[..., object], make_graph: Callable[..., Path]) -> None:
    file = str(make_graph(YOLOX))
    with pytest.raises(ConfigError, match="engine 'onnx' computes in fp32 on this cpu"):
        check(file, engine="onnx", precision="bf16")
    with pytest.raises(ConfigError, match="precision 'half': expected one of auto, fp32, bf16, fp16"):
        check("motion", precision="half")


@pytest.mark.skipif(WITHOUT_OPENVINO, reason="OpenVINO is not installed")
def test_auto_follows_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    assert pick_engine("auto", "cpu") == ("openvino", "it is installed and the faster one on an x86 processor")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert pick_engine("auto", "cpu") == ("onnx", "the processor is no x86 one but arm64")


def test_auto_is_onnx_where_openvino_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "available", lambda device="cpu": "OpenVINO is not installed; run: pip ...")
    name, reason = pick_engine("auto", "cpu")
    assert name == "onnx"
    assert "OpenVINO is not installed; run: pip" in reason


def test_the_choice_is_logged(make_graph: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sightline"):
        load_model(str(make_graph(YOLOX)))
    name, reason = pick_engine("auto", "cpu")
    assert f"engine {name} on cpu in " in caplog.text
    assert reason in caplog.text
    assert "tiny.onnx: family yolox, 64x64" in caplog.text


def test_an_unknown_graph_is_described(make_graph: Callable[..., Path]) -> None:
    with pytest.raises(ModelError) as refused:
        load_model(str(make_graph({"keypoints": np.zeros((17, 3), np.float32)})), engine="onnx")
    message = str(refused.value)
    assert "Inputs: images: float32[1x3x64x64]" in message
    assert "Outputs: keypoints: float32[1x17x3]" in message
    for family in ("yolox", "ultralytics", "rtdetr", "rfdetr", "endtoend", "semantic"):
        assert f"\n  {family}: " in message


def test_a_family_may_be_said_where_the_file_leaves_it_open(make_graph: Callable[..., Path]) -> None:
    either = np.zeros((84, 6), np.float32)  # YOLOX of one class, or 84 final rows
    file = str(make_graph({"output": either}))
    for family in ("yolox", "endtoend"):
        assert load_model(file, engine="onnx", family=family).card.family == family
        check_model(file, engine="onnx", family=family)
    with pytest.raises(ModelError, match=r"does not fit the family semantic.*\n.*\n.*\nExpected one of:\n  semantic: "):
        load_model(file, engine="onnx", family="semantic")
    for check in (check_model, load_model):
        with pytest.raises(ConfigError, match="family 'motion': expected one of birefnet, damoyolo, detector, "):
            check(file, engine="onnx", family="motion")
        with pytest.raises(ConfigError, match="built-in model 'motion' is of no family"):
            check("motion", engine="onnx", family="yolox")


@pytest.mark.parametrize("odd", [{"dtype": "float64"}, {"batch": 4}])
def test_graphs_that_take_no_single_picture_are_unknown(
    make_graph: Callable[..., Path], odd: dict[str, object]
) -> None:
    with pytest.raises(ModelError, match="of no family that is supported"):
        load_model(str(make_graph(YOLOX, **odd)), engine="onnx")


def test_broken_metadata_about_the_size_is_not_believed(make_graph: Callable[..., Path]) -> None:
    file = make_graph(YOLOX, size=(None, None), metadata={"imgsz": "99999999999"})
    with pytest.raises(ModelError, match="imgsz"):
        load_model(str(file), engine="onnx")


def test_an_open_graph_that_says_nothing_is_fed_640(make_graph: Callable[..., Path]) -> None:
    cells = np.zeros((80 * 80 + 40 * 40 + 20 * 20, 6), np.float32)
    model = load_model(str(make_graph({"output": cells}, size=(None, None), open_outputs=True)), engine="onnx")
    assert model.input_size == model.card.input_size == (640, 640)
    model = load_model(str(make_graph({"output": cells}, size=(None, 640), open_outputs=True)), engine="onnx")
    assert model.input_size == (640, 640)


def test_threads_must_be_a_sensible_number(make_graph: Callable[..., Path]) -> None:
    for threads in (0, -1, 100_000):
        with pytest.raises(ConfigError, match="threads"):
            load_model(str(make_graph(YOLOX)), engine="onnx", threads=threads)


@pytest.mark.skipif(WITHOUT_OPENVINO, reason="OpenVINO is not installed")
@pytest.mark.parametrize("name", ["yolox_nano", "yolov8n_640_int8", "yolov8n-seg_320_int8"])
def test_both_engines_find_the_same(assets: Path, name: str) -> None:
    image = cv2.imread(str(assets / "images/bus.jpg"))
    found = {}
    for engine in ("onnx", "openvino"):
        model = load_model(str(assets / f"models/{name}.onnx"), engine=engine, confidence=0.5)
        (found[engine],) = model.predict([image])  # type: ignore[list-item]
    one, other = found["onnx"], found["openvino"]
    assert isinstance(one, Detections)
    assert isinstance(other, Detections)
    assert sorted(one.class_id) == sorted(other.class_id)
    assert len(one) >= 3
    for box, class_id in zip(one.xyxy, one.class_id, strict=True):
        assert overlap(other.xyxy[other.class_id == class_id], box).max() > 0.9
    if one.mask is not None and other.mask is not None:
        assert ((one.mask > 0) == (other.mask > 0)).mean() > 0.97


def test_options_are_given_as_a_whole_or_one_by_one() -> None:
    assert load_model("motion", LoadOptions(confidence=0.6)).options.confidence == 0.6
    assert load_model("motion", LoadOptions(confidence=0.6), confidence=0.7).options.confidence == 0.7
    assert [field.name for field in fields(LoadOptions)] == list(LoadKeywords.__annotations__)
