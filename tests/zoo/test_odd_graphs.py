"""Graphs as nobody exports them on purpose: each is refused with what to do, or gives no nonsense."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.zoo.loader import load_model
from support.made_graph import MakeGraph

ROWS = {"output0": np.zeros((84, 84), np.float32)}


def test_an_input_of_other_numbers_is_called_so(make_graph: MakeGraph) -> None:
    with pytest.raises(ModelError, match="takes pictures as float64: export it again with an input of float32"):
        load_model(str(make_graph(ROWS, dtype="float64")), engine="onnx")


def test_a_small_file_can_not_ask_for_gigabytes(make_graph: MakeGraph) -> None:
    with pytest.raises(ModelError, match="fixed at 40000x40000: expected at most 8192 a side"):
        load_model(str(make_graph(ROWS, size=(40000, 40000))), engine="onnx")


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
@pytest.mark.parametrize("what", ["names", "output0"])
def test_words_in_a_file_that_are_no_text_are_told(make_graph: MakeGraph, engine: str, what: str) -> None:
    pytest.importorskip(engine.replace("onnx", "onnxruntime"))
    path = make_graph(ROWS, metadata={"names": "namesnames", "stride": "32"})
    path.write_bytes(path.read_bytes().replace(what.encode(), b"\xff\xfe" + what.encode()[2:]))
    with pytest.raises(ModelError, match="no text in UTF-8"):
        load_model(str(path), engine=engine)


@pytest.mark.parametrize("labels", [["a"], {"b": 1}, None, 7])
def test_labels_beside_a_graph_may_be_anything(make_graph: MakeGraph, labels: object) -> None:
    path = make_graph(ROWS)
    path.with_name("config.json").write_text(json.dumps({"id2label": {"0": labels, "1": labels}}))
    with pytest.raises(ModelError, match="fits several families"):
        load_model(str(path), engine="onnx")


def found_by_ssd(**numbers: float) -> dict[str, NDArray[np.float32]]:
    outputs = {
        "detection_boxes": np.tile(np.array([0.1, 0.1, 0.5, 0.5], np.float32), (10, 1)),
        "detection_scores": np.array([0.9] + [0] * 9, np.float32),
        "detection_classes": np.ones(10, np.float32),
        "num_detections": np.array(10, np.float32),
    }
    return outputs | {name: np.full_like(outputs[name], number) for name, number in numbers.items()}


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ({"num_detections": np.nan}, "its outputs are not those of the family tf_detection"),
        ({"num_detections": np.inf}, "its outputs are not those of the family tf_detection"),
        ({"detection_classes": 1e20}, "a class of the number 1e"),
        ({"num_detections": -3}, None),
        ({"detection_classes": np.nan}, None),
        ({"detection_boxes": np.inf}, None),
    ],
)
def test_numbers_that_are_none_are_told_or_left_out(
    make_graph: MakeGraph, numbers: dict[str, float], says: str | None
) -> None:
    path = str(make_graph(found_by_ssd(**numbers), dtype="uint8", channels_last=True))
    if says is not None:
        with pytest.raises(ModelError, match=says):
            load_model(path, engine="onnx")
        return
    (found,) = load_model(path, engine="onnx").predict([np.zeros((64, 64, 3), np.uint8)])
    assert not len(found.objects)


def test_a_class_of_no_number_is_told(make_graph: MakeGraph) -> None:
    rows = np.zeros((20, 6), np.float32)
    rows[0] = 5, 5, 30, 30, 0.9, 3e9
    metadata = {"names": str({0: "a"}), "stride": "32", "task": "detect"}
    with pytest.raises(ModelError, match=r"a class of the number 3e\+09"):
        load_model(str(make_graph({"output0": rows}, metadata=metadata)), engine="onnx")
