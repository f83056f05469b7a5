"""YOLOX: exact boxes from made graphs, and agreement with a plain decode on real pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.core.boxes import overlap
from sightline.core.errors import ConfigError, ModelError
from sightline.core.predictions import Detections
from sightline.core.types import Image
from sightline.models._objects import grid
from sightline.models.base import GraphModel, Options
from sightline.zoo.loader import load_model

CELLS = 64 + 16 + 4  # of a 64x64 input: strides 8, 16, 32
CLASSES = 3


def raw(rows: dict[int, list[float]], classes: int = CLASSES) -> dict[str, NDArray[np.float32]]:
    """One picture's raw output, nothing but the given rows."""
    output = np.zeros((CELLS, 5 + classes), np.float32)
    for row, values in rows.items():
        output[row] = values
    return {"output": output}


def cell(stride: int, x: int, y: int) -> int:
    """The row of a cell."""
    before = {8: 0, 16: 64, 32: 80}[stride]
    return before + y * (64 // stride) + x


def only(model_file: Path, image: Image) -> Detections:
    """What the model says of a picture."""
    (found,) = load_model(str(model_file), engine="onnx").predict([image])
    assert isinstance(found, Detections)
    return found


GREY = np.full((64, 64, 3), 128, np.uint8)
FAT = [0.5, 0.25, np.log(2), np.log(1), 0.9, 0.1, 0.8, 0.2]
"""A box two strides wide, one high, of class 1 at 0.72."""


def test_boxes_are_decoded_per_stride(make_graph: Callable[..., Path]) -> None:
    file = make_graph(raw({cell(8, 2, 3): FAT, cell(16, 1, 2): FAT, cell(32, 0, 1): FAT}))
    found = only(file, GREY)
    expected = [
        [20 - 8, 26 - 4, 20 + 8, 26 + 4],
        [24 - 16, 36 - 8, 24 + 16, 36 + 8],
        [0, 40 - 16, 16 + 32, 40 + 16],  # what lies outside is cut off
    ]
    order = np.argsort(found.xyxy[:, 2] - found.xyxy[:, 0])
    np.testing.assert_allclose(found.xyxy[order], expected, atol=1e-3)
    np.testing.assert_allclose(found.confidence, 0.72, atol=1e-6)
    assert found.class_id.tolist() == [1, 1, 1]
    dtypes = [str(column.dtype) for column in (found.xyxy, found.confidence, found.class_id)]
    assert dtypes == ["float32", "float32", "int32"]


def test_boxes_come_back_in_pixels_of_the_picture(make_graph: Callable[..., Path]) -> None:
    file = make_graph(raw({cell(8, 2, 1): FAT}))  # centre 20, 10
    found = only(file, np.zeros((48, 128, 3), np.uint8))  # halved, at the top left
    np.testing.assert_allclose(found.xyxy, [[24, 12, 56, 28]], atol=1e-3)


def test_of_a_class_the_best_stays_and_other_classes_are_left_alone(make_graph: Callable[..., Path]) -> None:
    better = [*FAT[:4], 1.0, 0.1, 0.8, 0.2]
    other = [*FAT[:4], 0.9, 0.9, 0.1, 0.2]
    file = make_graph(raw({cell(8, 2, 3): FAT, cell(8, 3, 3): [*better[:1], 0.25, *better[2:]], cell(8, 2, 4): other}))
    found = only(file, GREY)
    overlapping = [[12 + 8, 22, 28 + 8, 30], [12, 22, 28, 30]]  # by a third: both stay
    assert found.class_id.tolist() == [0, 1, 1]
    np.testing.assert_allclose(found.xyxy[1:], overlapping, atol=1e-3)
    shifted = [-0.25, *better[1:]]  # by three quarters: the lesser one goes
    file = make_graph(raw({cell(8, 2, 3): FAT, cell(8, 3, 3): shifted, cell(8, 2, 4): other}))
    found = only(file, GREY)
    np.testing.assert_allclose(found.confidence, [0.81, 0.8], atol=1e-6)
    assert found.class_id.tolist() == [0, 1]


def test_confidence_and_the_number_of_rows_can_be_set_while_it_runs(make_graph: Callable[..., Path]) -> None:
    many = {cell(8, x, y): [*FAT[:2], 0, 0, 0.1 + 0.01 * (8 * y + x), 1, 0, 0] for x in range(8) for y in range(8)}
    model = load_model(str(make_graph(raw(many))), engine="onnx", confidence=0.5)
    (found,) = model.predict([GREY])
    assert isinstance(found, Detections)
    assert len(found) == 24
    assert found.confidence[0] == pytest.approx(0.73)
    assert (np.diff(found.confidence) < 0).all()
    model.options = Options(confidence=0.7)
    assert len(_rows(model.predict([GREY])[0])) == 4
    model.options = Options(confidence=0.0, max_detections=10)
    assert len(_rows(model.predict([GREY])[0])) == 10


def test_a_graph_gone_wrong_gives_no_rows_rather_than_nonsense(make_graph: Callable[..., Path]) -> None:
    endless = [0.5, 0.5, np.inf, np.inf, 0.9, 0.9, 0, 0]
    nan = [np.nan, 0.5, 0, 0, 0.9, 0.9, 0, 0]
    (model,) = [load_model(str(make_graph(raw({cell(8, 2, 3): nan, cell(8, 6, 6): endless}))), engine="onnx")]
    found = _rows(model.predict([GREY])[0])
    np.testing.assert_allclose(found.xyxy, [[0, 0, 64, 64]])  # the endless one is cut to the picture


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("batch", [1, None])
@pytest.mark.parametrize("size", [(64, 64), (None, None), (None, 64)])
@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_half_precision_and_open_shapes(
    make_graph: Callable[..., Path], dtype: str, batch: int | None, size: tuple[int | None, int | None], engine: str
) -> None:
    pytest.importorskip("openvino") if engine == "openvino" else None
    is_open = None in size
    file = make_graph(raw({cell(8, 2, 3): FAT}), size=size, batch=batch, dtype=dtype, open_outputs=is_open)
    model = load_model(str(file), engine=engine, imgsz=64 if is_open else None)
    assert model.input_size == (64, 64)
    assert model.wanted_side == 64
    for found in model.predict([GREY, GREY[:32]]):
        np.testing.assert_allclose(_rows(found).xyxy, [[12, 22, 28, 30]], atol=0.05)


def test_the_size_of_a_fixed_input_is_not_to_choose(make_graph: Callable[..., Path]) -> None:
    file = make_graph(raw({}))
    with pytest.raises(ConfigError, match="fixed at 64x64"):
        load_model(str(file), engine="onnx", imgsz=128)
    file = make_graph(raw({}), size=(None, None), open_outputs=True)
    for wrong in (0, 32, 100, 4096):
        with pytest.raises(ConfigError, match="multiple of 32 from 64 to 2048"):
            load_model(str(file), engine="onnx", imgsz=wrong)


def test_labels(make_graph: Callable[..., Path]) -> None:
    file = make_graph(raw({}))
    assert load_model(str(file), engine="onnx").card.labels == ("class 0", "class 1", "class 2")
    file.with_name("labels.txt").write_text("ant\nbee\nwasp, hornet\n\n", "utf-8")
    assert load_model(str(file), engine="onnx").card.labels == ("ant", "bee", "wasp, hornet")
    file.with_name("tiny.labels.txt").write_text("\ufeffäm\r\nbe\r\nce", "utf-8")
    assert load_model(str(file), engine="onnx").card.labels == ("äm", "be", "ce")
    file.with_name("tiny.labels.txt").write_text("one\ntwo\n", "utf-8")
    with pytest.raises(ModelError, match="has 2 names, but the graph has 3 classes"):
        load_model(str(file), engine="onnx")


@pytest.mark.parametrize("told", ["in the graph", "beside it"])
def test_a_name_has_at_most_200_characters(make_graph: Callable[..., Path], told: str) -> None:
    for length in (200, 201):
        names = ["ant", "ä" * length, "bee"]
        file = make_graph(raw({}), metadata={"names": json.dumps(names)} if told == "in the graph" else {})
        if told == "beside it":
            file.with_name("labels.txt").write_text("\n".join(names), "utf-8")
        if length == 200:
            assert load_model(str(file), engine="onnx").card.labels == tuple(names)
            continue
        with pytest.raises(ModelError, match=r"calls class 1 'ä{60}'\.\.\., 201 characters; expected at most 200"):
            load_model(str(file), engine="onnx")


def test_the_picture_lies_at_the_top_left_in_bgr_on_grey(make_graph: Callable[..., Path]) -> None:
    model = load_model(str(make_graph(raw({}))), engine="onnx")
    assert isinstance(model, GraphModel)
    image = np.full((32, 128, 3), (10, 20, 30), np.uint8)
    for _ in range(2):  # the buffer is used again
        tensor, _ = model.preprocess(image)
        assert tensor.shape == (1, 3, 64, 64)
        assert np.unique(tensor[0, :, :16], axis=None).tolist() == [10, 20, 30]
        assert (tensor[0, 0, :16] == 10).all()
        assert (tensor[0, :, 16:] == 114).all()
        tall, _ = model.preprocess(np.zeros((64, 32, 3), np.uint8))
        assert (tall[0, :, :, 32:] == 114).all()
        assert (tall[0, :, :, :32] == 0).all()


# On real pictures, against a decode as plain as can be.


def plain_boxes(output: NDArray[np.float32], ratio: float, confidence: float) -> list[tuple[int, float, list[float]]]:
    """Class, confidence and box of what YOLOX's output says, row by row."""
    rows = []
    row = 0
    for stride in (8, 16, 32):
        for y in range(416 // stride):
            for x in range(416 // stride):
                values = output[row]
                row += 1
                class_id = int(np.argmax(values[5:]))
                score = float(values[4] * values[5 + class_id])
                if score < confidence:
                    continue
                cx, cy = (values[0] + x) * stride, (values[1] + y) * stride
                w, h = np.exp(values[2]) * stride, np.exp(values[3]) * stride
                box = [float(v) / ratio for v in (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)]
                rows.append((class_id, score, box))
    kept: list[tuple[int, float, list[float]]] = []
    for class_id, score, box in sorted(rows, key=lambda r: -r[1]):
        if all(c != class_id or overlap(np.array(box), np.array(b)) <= 0.45 for c, _, b in kept):
            kept.append((class_id, score, box))
    return kept


def plain_input(image: Image) -> tuple[NDArray[np.float32], float]:
    """The picture as YOLOX's own demo feeds it."""
    ratio = min(416 / image.shape[0], 416 / image.shape[1])
    scaled = cv2.resize(image, (round(image.shape[1] * ratio), round(image.shape[0] * ratio)))
    padded = np.full((416, 416, 3), 114, np.uint8)
    padded[: scaled.shape[0], : scaled.shape[1]] = scaled
    return padded.transpose(2, 0, 1)[None].astype(np.float32), ratio


def frames(clip: Path, every: int, most: int) -> Iterator[Image]:
    """Each ``every``-th picture of a clip."""
    capture = cv2.VideoCapture(str(clip))
    for _ in range(most):
        for _ in range(every):
            done, image = capture.read()
        if not done:
            return
        yield image  # type: ignore[misc]
    capture.release()


def test_boxes_agree_with_a_plain_decode_to_a_pixel(assets: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    file = str(assets / "models/yolox_nano.onnx")
    session = onnxruntime.InferenceSession(file)
    model = load_model(file, engine="onnx")
    bus = cv2.imread(str(assets / "images/bus.jpg"))
    assert bus is not None
    compared = 0
    for image in (bus, *frames(assets / "videos/one-by-one-person-detection.mp4", every=60, most=8)):
        tensor, ratio = plain_input(image)  # type: ignore[arg-type]
        (output,) = session.run(None, {"images": tensor})
        height, width = image.shape[:2]
        expected = plain_boxes(output[0], ratio, 0.25)
        found = _rows(model.predict([image])[0])  # type: ignore[list-item]
        assert found.class_id.tolist() == [c for c, _, _ in expected]
        for (_, score, box), xyxy, confidence in zip(expected, found.xyxy, found.confidence, strict=True):
            np.testing.assert_allclose(confidence, score, atol=0.001)
            np.testing.assert_allclose(xyxy, np.clip(box, 0, [width, height, width, height]), atol=1)
            compared += 1
    assert compared > 8


def test_people_are_found_in_the_clip(assets: Path) -> None:
    model = load_model(str(assets / "models/yolox_nano.onnx"), engine="onnx", confidence=0.5)
    people = [
        _rows(found).class_id.tolist().count(0)
        for image in frames(assets / "videos/one-by-one-person-detection.mp4", every=40, most=30)
        for found in model.predict([image])
    ]
    assert sum(count >= 1 for count in people) >= 12


def _rows(found: object) -> Detections:
    assert isinstance(found, Detections)
    return found


def test_a_decoded_export_of_the_real_one_says_the_same(assets: Path, tmp_path: Path) -> None:
    """As ``--decode_in_inference`` writes it. That it is decoded is seen in its numbers for a picture of noise."""
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    plain = load_model(str(assets / "models/yolox_nano.onnx"), engine="onnx")
    net = onnx.load(assets / "models/yolox_nano.onnx")
    cells, strides = grid((416, 416), (8, 16, 32))
    raw_name = net.graph.output[0].name
    for node in net.graph.node:
        node.output[:] = ["raw" if name == raw_name else name for name in node.output]
    constants = {"cells": cells[None], "strides": strides[None, :, None], "parts": np.array([2, 2, 81], np.int64)}
    net.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    net.graph.node.extend(
        [
            helper.make_node("Split", ["raw", "parts"], ["at", "logs", "rest"], axis=2),
            helper.make_node("Add", ["at", "cells"], ["shifted"]),
            helper.make_node("Mul", ["shifted", "strides"], ["centres"]),
            helper.make_node("Exp", ["logs"], ["scales"]),
            helper.make_node("Mul", ["scales", "strides"], ["sides"]),
            helper.make_node("Concat", ["centres", "sides", "rest"], [raw_name], axis=2),
        ]
    )
    net.opset_import[0].version = max(13, net.opset_import[0].version)
    onnx.save(net, tmp_path / "decoded.onnx")
    decoded = load_model(str(tmp_path / "decoded.onnx"), engine="onnx")
    assert (plain.card.family, decoded.card.family) == ("yolox", "yolox")
    assert plain.portable is not None
    assert decoded.portable is None
    image = cv2.imread(str(assets / "images/bus.jpg"))
    one, other = (_rows(model.predict([image])[0]) for model in (plain, decoded))  # type: ignore[list-item]
    assert len(one) > 2
    assert one.class_id.tolist() == other.class_id.tolist()
    np.testing.assert_allclose(one.xyxy, other.xyxy, atol=0.1)
