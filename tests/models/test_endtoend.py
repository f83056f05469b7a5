"""YOLO models without NMS: exact boxes from made graphs, and what their shape alone does not tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.predictions import Detections
from sightline.models.base import GraphModel, Options
from sightline.zoo.loader import load_model

GREY = np.full((64, 64, 3), 128, np.uint8)
NAMES = {"names": "['ant', 'bee', 'cow']", "stride": "32", "task": "detect"}
ROWS: list[list[float]] = [
    [12, 22, 28, 30, 0.4, 1],
    [10, 20, 30, 40, 0.9, 2],
    [11, 21, 30, 40, 0.8, 2],
    [0, 0, 0, 0, 0, 0],
]


def rows(values: list[list[float]] = ROWS, count: int = 20) -> dict[str, NDArray[np.float32]]:
    """One picture's output: the given rows, then padding."""
    output = np.zeros((count, len(values[0])), np.float32)
    output[: len(values)] = values
    return {"output0": output}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("metadata", [{}, NAMES])
def test_rows_are_taken_as_they_are_best_first(
    make_graph: Callable[..., Path], dtype: str, is_open: bool, metadata: dict[str, str]
) -> None:
    size = (None, None) if is_open else (64, 64)
    file = make_graph(rows(), size=size, batch=None, dtype=dtype, open_outputs=is_open, metadata=metadata)
    model = load_model(str(file), engine="onnx", imgsz=64 if is_open else None)
    assert (model.card.family, model.card.task) == ("endtoend", "detect")
    for found in model.predict([GREY, GREY]):
        assert isinstance(found, Detections)
        assert found.class_id.tolist() == [2, 2, 1]  # the second overlaps the first and stays: the graph has decided
        np.testing.assert_allclose(found.confidence, [0.9, 0.8, 0.4], atol=1e-3)
        np.testing.assert_allclose(found.xyxy, [[10, 20, 30, 40], [11, 21, 30, 40], [12, 22, 28, 30]], atol=0.02)
    assert model.card.label(2) == ("cow" if metadata else "class 2")
    model.options = Options(confidence=0.05, max_detections=1)
    assert len(getattr(model.predict([GREY])[0], "confidence", ())) == 1


def test_the_picture_lies_in_the_middle_on_grey(make_graph: Callable[..., Path]) -> None:
    model = load_model(str(make_graph(rows())), engine="onnx")
    assert isinstance(model, GraphModel)
    tensor, _ = model.preprocess(np.full((32, 128, 3), (0, 51, 255), np.uint8))
    np.testing.assert_allclose(tensor[0, :, 24:40].mean(axis=(1, 2)), [1, 0.2, 0], atol=1e-6)
    np.testing.assert_allclose(tensor[0, :, :24], 114 / 255, atol=1e-6)
    np.testing.assert_allclose(tensor[0, :, 40:], 114 / 255, atol=1e-6)
    (found,) = model.predict([np.zeros((32, 128, 3), np.uint8)])
    assert isinstance(found, Detections)
    np.testing.assert_allclose(found.xyxy[0], [20, 0, 60, 32], atol=1e-3)  # halved, 24 rows of grey above


def test_masks(make_graph: Callable[..., Path]) -> None:
    prototypes = np.full((2, 16, 16), -5, np.float32)
    prototypes[0, :, :8] = 5
    prototypes[1, :, 8:] = 5
    output = rows([[0, 0, 64, 64, 0.9, 1, 1, 0], [0, 0, 64, 64, 0.8, 1, 0, 1]])
    model = load_model(str(make_graph(output | {"output1": prototypes})), engine="onnx")
    assert model.card.task == "segment"
    (found,) = model.predict([GREY])
    assert isinstance(found, Detections)
    assert found.mask is not None
    assert (found.mask[:, :28] == 1).all()
    assert (found.mask[:, 36:] == 2).all()


def test_a_graph_gone_wrong_gives_no_rows(make_graph: Callable[..., Path]) -> None:
    model = load_model(str(make_graph(rows([[np.nan, 0, 9, 9, 0.9, 1], [3, 3, np.inf, 9, 0.9, 1]]))), engine="onnx")
    assert len(getattr(model.predict([GREY])[0], "confidence", [1])) == 0


@pytest.mark.parametrize("row", [[1, 0.9, 10, 10, 20, 20.5], [1, 1, 9, 9, 55, 1], [0, 0, 9, 9, 0.5, -1]])
def test_other_columns_in_the_same_shape_are_refused(make_graph: Callable[..., Path], row: list[float]) -> None:
    for metadata in ({}, NAMES, {"family": "endtoend"}):
        with pytest.raises(ModelError, match=r"corners in pixels, certainty, class"):
            load_model(str(make_graph(rows([row]), metadata=metadata)), engine="onnx")


def test_a_shape_that_is_also_a_yolox_of_one_class_is_not_guessed(make_graph: Callable[..., Path]) -> None:
    either = [[0.5, 0.25, 2.5, 2.5, 0.9, 1]]
    file = str(make_graph(rows(either, count=84)))  # the cells of a 64x64 input
    with pytest.raises(ModelError, match=r"fits several families \(endtoend, yolox\)") as refused:
        load_model(file, engine="onnx")
    assert "--family endtoend or --family yolox" in str(refused.value)
    assert load_model(file, engine="onnx", family="endtoend").card.family == "endtoend"
    assert load_model(str(make_graph(rows(count=84)))).card.family == "endtoend"  # a class of 2 is no share
    assert load_model(str(make_graph(rows(count=84), metadata={"family": "endtoend"}))).card.family == "endtoend"
