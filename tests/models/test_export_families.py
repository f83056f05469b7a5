"""Exports with a family of their own (fault 24): boxes as a decode in plain loops gives them, and how they are fed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.core.boxes import overlap
from sightline.core.errors import ModelError
from sightline.core.predictions import Detections, Segmentation
from sightline.models._data_sets import COCO_IDS
from sightline.models._labels import COCO
from sightline.models.base import GraphModel, Options
from sightline.zoo.loader import load_model
from support import made_exports as made
from support.made_graph import MakeGraph

Box: TypeAlias = tuple[int, float, list[float]]
"""Class, confidence and corners in pixels of the input."""
WIDTH, HEIGHT = 128, 64
PICTURE = np.full((HEIGHT, WIDTH, 3), (0, 51, 255), np.uint8)
LEAST = 0.3


def of_objects(rows: NDArray[np.float32]) -> list[Box]:
    """YOLOX's and YOLOv6's decoded rows."""
    found: list[Box] = []
    for row in rows:
        for k in range(5, len(row)):
            if row[4] * row[k] == max(row[4] * row[j] for j in range(5, len(row))):
                x, y, w, h = (float(v) for v in row[:4])
                found.append((k - 5, float(row[4] * row[k]), [x - w / 2, y - h / 2, x + w / 2, y + h / 2]))
    return found


def of_final(rows: int = made.ROWS) -> list[Box]:
    """Rows of a graph that suppresses by itself."""
    boxes, certain, classes = made.final_columns()
    return [(int(classes[i]), float(certain[i]), [float(v) for v in boxes[i]]) for i in range(rows)]


def of_scores() -> list[Box]:
    """Boxes and a score for each class."""
    boxes, scores = made.corner_boxes(made.CELLS), made.scores(made.CELLS)
    return [(int(np.argmax(s)), float(max(s)), [float(v) for v in b]) for b, s in zip(boxes, scores, strict=True)]


def of_nanodet() -> list[Box]:
    """Distances from the corners of cells, each the mean of a distribution."""
    scores = made.scores(made.CELLS + 1)
    logits = np.random.default_rng(12).normal(0, 2, (made.CELLS + 1, 32)).astype(np.float32)
    found: list[Box] = []
    row = 0
    for stride in (8, 16, 32, 64):
        for y in range(math.ceil(made.SIDE / stride)):
            for x in range(math.ceil(made.SIDE / stride)):
                sides = []
                for side in range(4):
                    chances = [math.exp(logits[row, 8 * side + k]) for k in range(8)]
                    sides.append(stride * sum(k * c for k, c in enumerate(chances)) / sum(chances))
                box = [x * stride - sides[0], y * stride - sides[1], x * stride + sides[2], y * stride + sides[3]]
                found.append((int(np.argmax(scores[row])), float(max(scores[row])), [min(max(v, 0), 64) for v in box]))
                row += 1
    return found


def expected(boxes: list[Box], fit: str, *, suppress: bool) -> list[Box]:
    """What is to be found in a picture of 128x64, whose input is 64x64."""
    kept: list[Box] = []
    for box in sorted((b for b in boxes if b[1] >= LEAST), key=lambda b: -b[1]):
        if not suppress or all(k[0] != box[0] or overlap(np.array(k[2]), np.array(box[2])) <= 0.45 for k in kept):
            kept.append(box)
    found: list[Box] = []
    for class_id, score, (x1, y1, x2, y2) in kept:
        top, times = {"stretch": (0, 1), "letterbox": (0, 2), "centre": (16, 2)}[fit]
        across = [min(max(x * 2, 0), WIDTH) for x in (x1, x2)]
        down = [min(max((y - top) * times, 0), HEIGHT) for y in (y1, y2)]
        if across[1] > across[0] and down[1] > down[0]:
            found.append((class_id, score, [across[0], down[0], across[1], down[1]]))
    return found


IMAGENET = [(1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, -0.406 / 0.225]
CAFFE = [-103.53 / 57.375, (51 - 116.28) / 57.12, (255 - 123.675) / 58.395]
DETECTORS: dict[str, tuple[Callable[[MakeGraph], Path], str, list[Box], bool, str, list[float], float | None]] = {
    # name: file, family, boxes of the input, suppressed here, how the picture lies, its values, the border's
    "yolox": (
        made.yolox_decoded,
        "yolox",
        of_objects(made.decoded_rows(np.random.default_rng(9).uniform(0.6, 0.99, made.CELLS).astype(np.float32))),
        True,
        "letterbox",
        [0, 51, 255],
        114,
    ),
    "yolov6": (
        made.yolov6,
        "yolov6",
        of_objects(made.decoded_rows(np.ones(made.CELLS, np.float32))),
        True,
        "centre",
        [1, 0.2, 0],
        114 / 255,
    ),
    "yolov7": (made.yolov7, "yolov7", of_final(), False, "centre", [1, 0.2, 0], 114 / 255),
    "yolov7, four outputs": (made.yolov7_several, "yolov7", of_final(), False, "centre", [1, 0.2, 0], 114 / 255),
    "yolonas": (made.yolonas, "yolonas", of_final(made.ROWS - 2), False, "centre", [255, 51, 0], 114),
    "yolonas, flat": (made.yolonas_flat, "yolonas", of_final(), False, "centre", [255, 51, 0], 114),
    "yolonas, raw": (made.yolonas_raw, "yolonas", of_scores(), True, "centre", [1, 0.2, 0], 114 / 255),
    "damoyolo": (made.damoyolo, "damoyolo", of_scores(), True, "letterbox", [255, 51, 0], 0),
    "nanodet": (made.nanodet, "nanodet", of_nanodet(), True, "stretch", CAFFE, None),
    "paddle": (made.paddle, "paddle", of_final(made.ROWS - 1), False, "stretch", IMAGENET, None),
    "mmdeploy": (made.mmdeploy, "mmdeploy", of_final(), False, "letterbox", CAFFE, (114 - 103.53) / 57.375),
    "torchvision": (made.torchvision, "torchvision", of_final(), False, "stretch", [1, 0.2, 0], None),
    "torchvision, one picture": (
        made.torchvision_unbatched,
        "torchvision",
        of_final(),
        False,
        "stretch",
        [1, 0.2, 0],
        None,
    ),
    "tf_detection": (
        made.tf_detection,
        "tf_detection",
        of_final(made.ROWS - 1),
        False,
        "stretch",
        [255, 51, 0],
        None,
    ),
}


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_boxes_are_those_of_a_plain_decode(make_graph: MakeGraph, name: str, engine: str) -> None:
    pytest.importorskip("openvino") if engine == "openvino" else None
    make, family, boxes, suppress, fit, *_ = DETECTORS[name]
    model = load_model(str(make(make_graph)), engine=engine)
    assert (model.card.family, model.card.task) == (family, "detect")
    assert model.card.labels == ("ant", "bee", "cow")
    assert model.portable is None, "pages have no decoder for it unless somebody wrote one"
    options = Options(confidence=LEAST, iou=0.45, max_detections=300)
    for found in model.predict([PICTURE, PICTURE], options=[options, options]):
        assert isinstance(found, Detections)
        wanted = expected(boxes, fit, suppress=suppress)
        assert len(wanted) > 3
        assert found.class_id.tolist() == [class_id for class_id, _, _ in wanted]
        np.testing.assert_allclose(found.confidence, [score for _, score, _ in wanted], atol=1e-3)
        np.testing.assert_allclose(found.xyxy, [box for _, _, box in wanted], atol=0.3)


@pytest.mark.parametrize("name", DETECTORS)
def test_pictures_are_fed_as_the_makers_feed_them(make_graph: MakeGraph, name: str) -> None:
    make, _, _, _, fit, values, border = DETECTORS[name]
    model = load_model(str(make(make_graph)), engine="onnx")
    assert isinstance(model, GraphModel)
    tensor, _ = model.preprocess(PICTURE)
    inside = {"stretch": slice(0, 64), "letterbox": slice(0, 32), "centre": slice(16, 48)}[fit]
    np.testing.assert_allclose(tensor[0, :, inside].mean(axis=(1, 2)), values, atol=1e-4)
    if border is not None:
        np.testing.assert_allclose(tensor[0, 0, 60:], border, atol=1e-4)


MASKS = {
    "u2net": (made.u2net, ("background", "object"), IMAGENET),
    "modnet": (made.modnet, ("background", "person"), [1, -0.6, -1]),
    "birefnet": (made.birefnet, ("background", "object"), IMAGENET),
}


@pytest.mark.parametrize("family", MASKS)
def test_masks_of_one_channel(make_graph: MakeGraph, family: str) -> None:
    make, labels, values = MASKS[family]
    model = load_model(str(make(make_graph)), engine="onnx")
    assert (model.card.family, model.card.task, model.card.labels) == (family, "segment", labels)
    (found,) = model.predict([np.zeros((64, 64, 3), np.uint8)])
    assert isinstance(found, Segmentation)
    wanted = np.zeros((64, 64), np.uint8)
    wanted[16:48, 8:40] = 1
    np.testing.assert_array_equal(found.class_map, wanted)
    (wide,) = model.predict([PICTURE])
    assert isinstance(wide, Segmentation)
    assert abs(float((wide.class_map == 1).mean()) - 0.25) < 0.01
    assert isinstance(model, GraphModel)
    tensor, _ = model.preprocess(PICTURE)
    np.testing.assert_allclose(tensor[0].mean(axis=(1, 2)), values, atol=1e-4)


@pytest.mark.parametrize("family", MASKS)
def test_masks_may_have_their_channel_last(make_graph: MakeGraph, family: str) -> None:
    """Fault 24. Converters from TensorFlow leave it there."""
    mask = np.moveaxis(made.blob(0.02, 0.97), 0, -1)
    file = make_graph({"activation_10": mask}, channels_last=True)
    with pytest.raises(ModelError, match=f"--family .*{family}"):
        load_model(str(file))
    (found,) = load_model(str(file), family=family).predict([np.zeros((64, 64, 3), np.uint8)])
    assert isinstance(found, Segmentation)
    assert np.argwhere(found.class_map == 1).min(axis=0).tolist() == [16, 8]
    assert float((found.class_map == 1).mean()) == 0.25


def test_a_mask_that_ends_in_a_sigmoid_is_read_as_shares(make_graph: MakeGraph) -> None:
    file = make_graph({"output_image": made.blob(0.1, 0.8)}, input_name="input_image")
    (found,) = load_model(str(file)).predict([np.zeros((64, 64, 3), np.uint8)])
    assert isinstance(found, Segmentation)
    assert float((found.class_map == 1).mean()) == 0.25


def test_tensorflows_names_may_have_numbers_and_its_classes_may_be_cocos(make_graph: MakeGraph) -> None:
    assert load_model(str(made.tf_detection(make_graph, ":0"))).card.family == "tf_detection"
    values = {
        "num_detections": np.array(2, np.float32),
        "detection_boxes": np.array([[0.25, 0, 0.5, 1], [0, 0, 1, 1]], np.float32),
        "detection_scores": np.array([0.9, 0.8], np.float32),
        "detection_classes": np.array([90, 12], np.float32),  # a toothbrush, and a number that COCO does not use
        "raw_detection_scores": np.zeros((20, 91), np.float32),
    }
    model = load_model(str(make_graph(values, dtype="uint8", channels_last=True)))
    assert model.card.labels == COCO
    (found,) = model.predict([PICTURE])
    assert isinstance(found, Detections)
    assert [model.card.label(i) for i in found.class_id.tolist()] == ["toothbrush"]
    assert COCO_IDS[79] == 90
    np.testing.assert_allclose(found.xyxy, [[0, 16, 128, 32]], atol=1e-3)


@pytest.mark.parametrize(
    ("make", "beside", "advice"),
    [(made.paddle, "infer_cfg.yml", "infer_cfg.yml beside it"), (made.mmdeploy, "pipeline.json", "--dump-info")],
)
def test_what_tells_how_pictures_are_scaled_is_asked_for(
    make_graph: MakeGraph, make: Callable[[MakeGraph], Path], beside: str, advice: str
) -> None:
    file = make(make_graph)
    file.with_name(beside).write_text("[1, 2")
    with pytest.raises(ModelError, match="expected"):
        load_model(str(file))
    file.with_name(beside).write_text("[1, 2]" if beside.endswith("yml") else '{"pipeline": 3}')
    with pytest.raises(ModelError, match=f"{beside}: expected"):
        load_model(str(file))
    file.with_name(beside).unlink()
    with pytest.raises(ModelError, match=advice):
        load_model(str(file))
    file.with_suffix(".metadata.json").write_text('{"mean": 0, "std": 1, "names": ["ant", "bee", "cow"]}')
    assert load_model(str(file)).card.labels == ("ant", "bee", "cow")


def test_torchvisions_names_may_begin_with_the_background(make_graph: MakeGraph) -> None:
    boxes, certain, classes = made.final_columns()
    values: dict[str, NDArray[Any]] = {"boxes": boxes, "labels": classes + 1, "scores": certain}
    names = {"names": '["__background__", "ant", "bee", "cow"]'}
    model = load_model(str(make_graph(values, rows_only=True, metadata=names)))
    (found,) = model.predict([PICTURE])
    assert isinstance(found, Detections)
    assert model.card.label(int(found.class_id[0])) == ("ant", "bee", "cow")[classes[0]]
