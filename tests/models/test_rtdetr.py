"""RT-DETR and D-FINE: exact boxes from made graphs of both exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.predictions import Detections
from sightline.models.base import GraphModel, Options
from sightline.zoo.loader import load_model

GREY = np.full((48, 128, 3), 128, np.uint8)
KIND = {"model_type": "rt_detr_v2"}


def raw(classes: int = 80) -> dict[str, NDArray[np.float32]]:
    """Three sure boxes in a set of ten: one of them is of two classes."""
    logits = np.full((10, classes), -9, np.float32)
    boxes = np.full((10, 4), 0.5, np.float32)
    logits[3, 2], boxes[3] = 2.0, [0.5, 0.5, 0.25, 0.5]
    logits[7, 5], boxes[7] = 1.0, [0.5, 0.5, 0.25, 0.5]
    logits[8, [0, 4]], boxes[8] = [3.0, 0.0], [0.1, 0.1, 0.4, 0.4]
    return {"logits": logits, "pred_boxes": boxes}


def check(found: object) -> None:
    """What ``raw`` says of a picture of 128x48."""
    assert isinstance(found, Detections)
    assert found.class_id.tolist() == [0, 2, 5, 4]
    np.testing.assert_allclose(found.confidence, 1 / (1 + np.exp([-3.0, -2, -1, 0])), atol=1e-3)
    middle, corner = [48.0, 12.0, 80.0, 36.0], [0.0, 0.0, 38.4, 14.4]  # what lies outside is cut off
    np.testing.assert_allclose(found.xyxy, [corner, middle, middle, corner], atol=0.05)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_logits_and_boxes(make_graph: Callable[..., Path], dtype: str, is_open: bool, engine: str) -> None:
    pytest.importorskip("openvino") if engine == "openvino" else None
    size = (None, None) if is_open else (64, 64)
    file = make_graph(raw(), size=size, batch=None, dtype=dtype, open_outputs=is_open, metadata=KIND)
    model = load_model(str(file), engine=engine, imgsz=64 if is_open else None)
    assert (model.card.family, model.card.label(5), len(model.card.labels)) == ("rtdetr", "bus", 80)
    for found in model.predict([GREY, GREY]):
        check(found)
    model.options = Options(confidence=0.0, max_detections=7)
    assert len(getattr(model.predict([GREY])[0], "confidence", ())) == 7
    model.options = Options(confidence=1.0)
    assert not len(getattr(model.predict([GREY])[0], "confidence", [1]))


def authors_export(file: Path, dtype: str = "float32") -> Path:
    """Turn ``logits`` and ``pred_boxes`` into what the authors' export gives: labels, boxes and scores."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto
    number = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    model = onnx.load(file)
    graph = model.graph
    graph.input.append(helper.make_tensor_value_info("orig_target_sizes", kind.INT64, ["batch", 2]))
    # Centre and size to corners.
    turn = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]], dtype)
    graph.initializer.append(onnx.numpy_helper.from_array(turn, "turn"))
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([1], np.int64), "one"))
    graph.node.extend(
        [
            helper.make_node("ArgMax", ["logits"], ["labels"], axis=2, keepdims=0),
            helper.make_node("ReduceMax", ["logits"], ["best"], axes=[2], keepdims=0),
            helper.make_node("Sigmoid", ["best"], ["scores"]),
            helper.make_node("Cast", ["orig_target_sizes"], ["sides"], to=number),
            helper.make_node("Concat", ["sides", "sides"], ["scale"], axis=1),
            helper.make_node("Unsqueeze", ["scale", "one"], ["scales"]),
            helper.make_node("MatMul", ["pred_boxes", "turn"], ["shares"]),
            helper.make_node("Mul", ["shares", "scales"], ["boxes"]),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("labels", kind.INT64, ["batch", 10]))
    graph.output.append(helper.make_tensor_value_info("boxes", number, ["batch", 10, 4]))
    graph.output.append(helper.make_tensor_value_info("scores", number, ["batch", 10]))
    onnx.save(model, file)
    return file


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("engine", ["onnx", "openvino"])
@pytest.mark.parametrize("size", [(64, 64), (96, 64), (None, None)])
def test_labels_boxes_and_scores(
    make_graph: Callable[..., Path], dtype: str, engine: str, size: tuple[int | None, int | None]
) -> None:
    pytest.importorskip("openvino") if engine == "openvino" else None
    file = authors_export(make_graph(raw(), size=size, batch=None, dtype=dtype), dtype)
    file.with_name("labels.txt").write_text("ant\nbee\ncow\ndog\nelk\nfox\n")
    model = load_model(str(file), engine=engine, imgsz=64 if None in size else None)
    assert model.card.family == "rtdetr"
    for found in model.predict([GREY, GREY]):
        assert isinstance(found, Detections)
        assert [model.card.label(i) for i in found.class_id.tolist()] == ["ant", "cow", "fox"]
        np.testing.assert_allclose(
            found.xyxy, [[0.0, 0.0, 38.4, 14.4], [48.0, 12.0, 80.0, 36.0], [48.0, 12.0, 80.0, 36.0]], atol=0.1
        )


def test_the_input_is_stretched_rgb_from_0_to_1(make_graph: Callable[..., Path]) -> None:
    model = load_model(str(make_graph(raw(), metadata=KIND)), engine="onnx")
    assert isinstance(model, GraphModel)
    tensor, _ = model.preprocess(np.full((32, 128, 3), (0, 51, 255), np.uint8))
    assert tensor.shape == (1, 3, 64, 64)
    for channel, expected in zip(tensor[0], (1, 0.2, 0), strict=True):
        np.testing.assert_allclose(channel, expected, atol=1e-6)


def test_logits_and_boxes_of_no_stated_kind_are_not_guessed(make_graph: Callable[..., Path]) -> None:
    file = make_graph(raw())  # RF-DETR's look the same, and take another input
    with pytest.raises(ModelError, match=r"fits several families \(rfdetr, rtdetr\)") as refused:
        load_model(str(file), engine="onnx")
    assert "--family rfdetr or --family rtdetr" in str(refused.value)
    check(load_model(str(file), engine="onnx", family="rtdetr").predict([GREY])[0])


def test_what_transformers_writes_beside_a_file_is_believed(make_graph: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "onnx"
    folder.mkdir()
    file = make_graph(raw(6), size=(None, None), open_outputs=True).rename(folder / "model.onnx")
    names = {str(i): name for i, name in enumerate(("ant", "bee", "cow", "dog", "elk", "fox"))}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "d_fine", "id2label": names}))
    wanted = {"do_rescale": True, "rescale_factor": 0.5, "do_normalize": True, "image_mean": [1, 2, 3]}
    wanted |= {"image_std": [1, 1, 2], "size": {"height": 96, "width": 128}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(wanted))
    model = load_model(str(file), engine="onnx")
    assert isinstance(model, GraphModel)
    assert (model.card.family, model.input_size, model.card.label(5)) == ("rtdetr", (128, 96), "fox")
    check(model.predict([GREY])[0])
    tensor, _ = model.preprocess(np.full((32, 128, 3), (20, 40, 60), np.uint8))
    assert [float(channel.max()) for channel in tensor[0]] == [29, 18, 3.5]
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json: expected JSON"):
        load_model(str(file), engine="onnx")
