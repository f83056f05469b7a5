"""RF-DETR: exact boxes and masks from made graphs, and its own numbering of COCO's classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.predictions import Detections
from sightline.models._data_sets import COCO_IDS
from sightline.models._labels import COCO
from sightline.models.base import GraphModel
from sightline.zoo.loader import load_model

GREY = np.full((48, 128, 3), 128, np.uint8)


def raw(classes: int, sure: dict[int, int]) -> dict[str, NDArray[np.float32]]:
    """A set of ten boxes; row: class of those that are sure, in falling order."""
    logits = np.full((10, classes), -9, np.float32)
    boxes = np.tile(np.array([0.5, 0.5, 0.25, 0.5], np.float32), (10, 1))
    for certain, (row, class_id) in zip((3, 2, 1), sure.items(), strict=False):
        logits[row, class_id] = certain
    return {"dets": boxes, "labels": logits}


def labels_of(file: Path) -> list[str]:
    """What is found in a grey picture."""
    model = load_model(str(file), engine="onnx")
    assert model.card.family == "rfdetr"
    (found,) = model.predict([GREY])
    assert isinstance(found, Detections)
    np.testing.assert_allclose(found.xyxy, [[48, 12, 80, 36]] * len(found), atol=0.05)
    return [model.card.label(i) for i in found.class_id.tolist()]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_cocos_own_numbers_become_the_usual_classes(make_graph: Callable[..., Path], dtype: str) -> None:
    file = make_graph(raw(91, {2: 1, 4: 6, 5: 90}), dtype=dtype, batch=None)
    assert labels_of(file) == ["person", "bus", "toothbrush"]
    assert load_model(str(file), engine="onnx").card.labels == COCO
    assert [COCO[COCO_IDS.index(i)] for i in (13, 44, 67, 84)] == ["stop sign", "bottle", "dining table", "book"]
    unused = make_graph(raw(91, {2: 0, 4: 12, 5: 44}))
    assert labels_of(unused) == ["bottle"]


def test_a_model_of_own_classes_has_one_more_that_means_nothing(make_graph: Callable[..., Path]) -> None:
    file = make_graph(raw(4, {1: 0, 2: 2, 3: 3}), metadata={"names": '["ant", "bee", "cow"]'})
    assert labels_of(file) == ["ant", "cow"]
    file = make_graph(raw(4, {1: 0, 3: 3}), metadata={"names": '["ant", "bee", "cow", "dog"]'})
    assert labels_of(file) == ["ant", "dog"]
    assert labels_of(make_graph(raw(4, {1: 0, 3: 3}))) == ["class 0", "class 3"]
    with pytest.raises(ModelError, match="has 2 names, but the graph has 4 classes"):
        labels_of(make_graph(raw(4, {}), metadata={"names": '["ant", "bee"]'}))


def test_masks_belong_to_their_rows(make_graph: Callable[..., Path]) -> None:
    outputs = raw(91, {2: 1, 4: 1})
    outputs["dets"][:] = [0.5, 0.5, 1, 1]
    outputs["masks"] = np.full((10, 16, 16), -5, np.float32)
    outputs["masks"][2, :, :8] = 5
    outputs["masks"][4, :, 8:] = 5
    model = load_model(str(make_graph(outputs)), engine="onnx")
    assert model.card.task == "segment"
    (found,) = model.predict([GREY])
    assert isinstance(found, Detections)
    assert found.mask is not None
    width = found.mask.shape[1]
    assert (found.mask[:, : width * 7 // 16] == 1).all()
    assert (found.mask[:, width * 9 // 16 :] == 2).all()


def test_the_input_is_by_imagenets_mean(make_graph: Callable[..., Path]) -> None:
    model = load_model(str(make_graph(raw(91, {}))), engine="onnx")
    assert isinstance(model, GraphModel)
    tensor, _ = model.preprocess(np.full((32, 128, 3), (0, 51, 255), np.uint8))
    expected = [(1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    for channel, value in zip(tensor[0], expected, strict=True):
        np.testing.assert_allclose(channel, value, atol=1e-5)
    halves = load_model(str(make_graph(raw(91, {}), dtype="float16")), engine="onnx")
    assert isinstance(halves, GraphModel)
    tensor, _ = halves.preprocess(np.full((32, 128, 3), (0, 51, 255), np.uint8))
    np.testing.assert_allclose(tensor[0, :, 0, 0], expected, atol=2e-3)
    bytes_in = load_model(str(make_graph(raw(91, {}), dtype="uint8")), engine="onnx")
    assert isinstance(bytes_in, GraphModel)
    tensor, _ = bytes_in.preprocess(np.full((32, 128, 3), (0, 51, 255), np.uint8))
    assert tensor[0, :, 0, 0].tolist() == [255, 51, 0]  # such a graph scales them itself


def test_a_stated_kind_decides_where_names_do_not(make_graph: Callable[..., Path]) -> None:
    outputs = {"pred_boxes": raw(91, {2: 1})["dets"], "logits": raw(91, {2: 1})["labels"]}
    assert labels_of(make_graph(outputs, metadata={"model_type": "rf_detr"})) == ["person"]
    model = load_model(str(make_graph(outputs)), engine="onnx", family="rfdetr")
    assert model.card.label(0) == "person"
