"""Ultralytics exports: exact boxes and masks from made graphs of each layout, and sense on real pictures."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.predictions import Detections
from sightline.core.types import Image
from sightline.models.base import GraphModel, Options
from sightline.zoo.loader import load_model

CELLS = 64 + 16 + 4  # of a 64x64 input: strides 8, 16, 32
NAMES = {"names": "{0: 'ant', 1: \"bee's\", 2: 'cow'}", "stride": "32"}
GREY = np.full((64, 64, 3), 128, np.uint8)
MASKS = 32


def v8(*rows: list[float], masks: int = 0, cells: int = CELLS) -> NDArray[np.float32]:
    """(4 + 3 classes + coefficients) x cells."""
    output = np.zeros((7 + masks, cells), np.float32)
    for i, row in enumerate(rows):
        output[: len(row), 5 * i + 3] = row
    return output


def v5(*rows: list[float], masks: int = 0) -> NDArray[np.float32]:
    """3 times the cells x (5 + 3 classes + coefficients)."""
    output = np.zeros((3 * CELLS, 8 + masks), np.float32)
    for i, row in enumerate(rows):
        output[5 * i + 3, : len(row)] = row
    return output


def predict(file: Path, image: Image = GREY, engine: str = "onnx") -> Detections:
    """What the model says of a picture."""
    (found,) = load_model(str(file), engine=engine).predict([image])
    assert isinstance(found, Detections)
    return found


LAYOUTS = [
    pytest.param(v8([20, 30, 16, 8, 0.1, 0.8, 0.2], [40, 40, 10, 10, 0, 0, 0.5]), id="v8"),
    pytest.param(v5([20, 30, 16, 8, 1, 0.1, 0.8, 0.2], [40, 40, 10, 10, 0.5, 0, 0, 1]), id="v5"),
]


@pytest.mark.parametrize("output", LAYOUTS)
@pytest.mark.parametrize("metadata", [NAMES, {"names": NAMES["names"]}, {"family": "ultralytics"}])
def test_boxes_of_either_layout(
    make_graph: Callable[..., Path], output: NDArray[np.float32], metadata: dict[str, str]
) -> None:
    found = predict(make_graph({"output0": output}, metadata=metadata))
    np.testing.assert_allclose(found.xyxy, [[12, 26, 28, 34], [35, 35, 45, 45]], atol=1e-4)
    np.testing.assert_allclose(found.confidence, [0.8, 0.5], atol=1e-6)
    assert found.class_id.tolist() == [1, 2]
    assert found.mask is None


@pytest.mark.parametrize("output", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("size", "batch"), [((64, 64), None), ((None, None), None), ((None, None), 1)])
@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_half_precision_and_open_shapes(
    make_graph: Callable[..., Path],
    output: NDArray[np.float32],
    dtype: str,
    size: tuple[int | None, int | None],
    batch: int | None,
    engine: str,
) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino")
    metadata = {**NAMES, "imgsz": "[64, 64]"}
    is_open = None in size
    file = make_graph({"output0": output}, metadata=metadata, dtype=dtype, size=size, batch=batch, open_outputs=is_open)
    found = predict(file, engine=engine)
    np.testing.assert_allclose(found.xyxy, [[12, 26, 28, 34], [35, 35, 45, 45]], atol=0.05)
    np.testing.assert_allclose(found.confidence, [0.8, 0.5], atol=1e-3)


@pytest.mark.parametrize("metadata", [NAMES, {"names": NAMES["names"]}])
def test_rows_of_an_open_graph_tell_v5_from_yolox(make_graph: Callable[..., Path], metadata: dict[str, str]) -> None:
    file = make_graph({"output0": v5()}, size=(None, None), open_outputs=True, metadata=metadata)
    assert load_model(str(file), engine="onnx", imgsz=64).card.family == "ultralytics"


def v5_heads(columns: int) -> dict[str, NDArray[np.float32]]:
    """What boxes were decoded from, for each stride: 3 x h x w x columns."""
    return {str(350 + side): np.ones((3, side, side, columns), np.float32) for side in (8, 4, 2)}


def v8_heads(columns: int) -> dict[str, NDArray[np.float32]]:
    """The same of YOLOv8: columns x h x w, with 16 values for each side of a box."""
    return {str(350 + side): np.ones((columns + 60, side, side), np.float32) for side in (8, 4, 2)}


@pytest.mark.parametrize("metadata", [NAMES, {"names": NAMES["names"]}, {"family": "ultralytics"}])
@pytest.mark.parametrize("is_open", [False, True])
def test_what_boxes_were_decoded_from_may_be_there_besides(
    make_graph: Callable[..., Path], metadata: dict[str, str], is_open: bool
) -> None:
    """YOLOv5 up to 6.1 writes files with four outputs, and so does ``torch.onnx.export`` alone."""
    for output, heads in ((LAYOUTS[0].values[0], v8_heads(7)), (LAYOUTS[1].values[0], v5_heads(8))):
        values = {"output": output, **heads}
        file = make_graph(values, metadata={**metadata, "imgsz": "[64, 64]"}, open_outputs=is_open)
        np.testing.assert_allclose(predict(file).xyxy, [[12, 26, 28, 34], [35, 35, 45, 45]], atol=1e-4)
        some = dict(list(values.items())[:3])
        with pytest.raises(ModelError, match=r"can't be read|does not fit|of no family"):
            load_model(str(make_graph(some, metadata=metadata)), engine="onnx")


def test_the_file_says_which_size_it_was_trained_for(make_graph: Callable[..., Path]) -> None:
    metadata = {**NAMES, "imgsz": "[64, 128]"}  # height, width
    file = make_graph({"output0": v8(cells=2 * CELLS)}, size=(None, None), open_outputs=True, metadata=metadata)
    model = load_model(str(file), engine="onnx")
    assert model.input_size == (128, 64)
    assert model.card.input_size == (128, 64)
    assert model.wanted_side == 128


def test_boxes_come_back_in_pixels_of_the_picture(make_graph: Callable[..., Path]) -> None:
    file = make_graph({"output0": v8([32, 32, 8, 8, 1, 0, 0])}, metadata=NAMES)
    wide = np.zeros((60, 256, 3), np.uint8)  # to a quarter, 64 x 15, 24 from the top
    np.testing.assert_allclose(predict(file, wide).xyxy, [[112, 16, 144, 48]], atol=1e-3)
    tall = np.zeros((32, 16, 3), np.uint8)  # twice as large, 16 from the left
    np.testing.assert_allclose(predict(file, tall).xyxy, [[6, 14, 10, 18]], atol=1e-3)


def test_the_picture_lies_in_the_middle_in_rgb_from_0_to_1(make_graph: Callable[..., Path]) -> None:
    model = load_model(str(make_graph({"output0": v8()}, metadata=NAMES)), engine="onnx")
    assert isinstance(model, GraphModel)
    tensor, _ = model.preprocess(np.full((32, 128, 3), (0, 51, 255), np.uint8))
    np.testing.assert_allclose(tensor[0, :, 24:40], np.broadcast_to([[[1.0]], [[0.2]], [[0.0]]], (3, 16, 64)))
    np.testing.assert_allclose(tensor[0, :, :24], 114 / 255, rtol=1e-6)
    np.testing.assert_allclose(tensor[0, :, 40:], 114 / 255, rtol=1e-6)


# Instance segmentation: prototype 0 is positive in the left half of the input, prototype 1 everywhere.

LEFT, ALL = [1.0, 0.0], [0.0, 1.0]


def prototypes() -> NDArray[np.float32]:
    """32 x 16 x 16, a quarter of the input."""
    found = np.zeros((MASKS, 16, 16), np.float32)
    found[0] = np.where(np.arange(16) < 8, 4.0, -4.0)
    found[1] = 4.0
    return found


SEGMENTING = [
    pytest.param(v8([32, 16, 32, 16, 0.9, 0, 0, *LEFT], [32, 44, 16, 8, 0, 0.8, 0, *ALL], masks=MASKS), id="v8-seg"),
    pytest.param(
        v5([32, 16, 32, 16, 1, 0.9, 0, 0, *LEFT], [32, 44, 16, 8, 0.8, 0, 1, 0, *ALL], masks=MASKS), id="v5-seg"
    ),
]


@pytest.mark.parametrize("output", SEGMENTING)
def test_masks_fill_their_part_of_the_box(make_graph: Callable[..., Path], output: NDArray[np.float32]) -> None:
    file = make_graph({"output0": output, "output1": prototypes()}, metadata={**NAMES, "task": "segment"})
    assert load_model(str(file), engine="onnx").card.task == "segment"
    found = predict(file)
    np.testing.assert_allclose(found.xyxy, [[16, 8, 48, 24], [24, 40, 40, 48]], atol=1e-4)
    expected = np.zeros((64, 64), np.uint8)
    expected[8:24, 16:32] = 1
    expected[40:48, 24:40] = 2
    assert found.mask is not None
    np.testing.assert_array_equal(found.mask, expected)
    heads = (v8_heads if output.shape[1] == CELLS else v5_heads)(8)
    more = make_graph({"output0": output, "output1": prototypes(), **heads}, metadata=NAMES)
    np.testing.assert_array_equal(predict(more).mask, expected)


def test_masks_follow_the_picture_out_of_the_letterbox(make_graph: Callable[..., Path]) -> None:
    output = v8([32, 32, 32, 8, 0.9, 0, 0, *LEFT], masks=MASKS)
    file = make_graph({"output0": output, "output1": prototypes()}, metadata=NAMES)
    found = predict(file, np.zeros((120, 512, 3), np.uint8))  # 64 x 15 in the input, 24 from the top
    np.testing.assert_allclose(found.xyxy, [[128, 32, 384, 96]], atol=1e-3)
    assert found.mask is not None
    assert found.mask.shape == (15, 64)
    expected = np.zeros((15, 64), np.uint8)
    expected[4:12, 16:32] = 1
    np.testing.assert_array_equal(found.mask, expected)


def test_where_masks_overlap_the_more_confident_has_the_pixels(make_graph: Callable[..., Path]) -> None:
    output = v8([32, 32, 40, 40, 0.5, 0, 0, *ALL], [32, 32, 16, 16, 0, 0.9, 0, *ALL], masks=MASKS)
    found = predict(make_graph({"output0": output, "output1": prototypes()}, metadata=NAMES))
    assert found.mask is not None
    assert found.class_id.tolist() == [1, 0]
    assert found.mask[32, 32] == 1
    assert found.mask[15, 15] == 2


def test_more_instances_than_a_map_can_number(make_graph: Callable[..., Path]) -> None:
    output = np.zeros((7 + MASKS, 21 * 16), np.float32)  # of 128 x 128
    for i in range(300):
        output[:6, i] = (i % 20 * 6 + 4, i // 20 * 6 + 4, 4, 4, 0.9 - i / 1000, 0)
        output[8, i] = 1
    big = np.full((MASKS, 32, 32), 4.0, np.float32)
    model = load_model(
        str(make_graph({"output0": output, "output1": big}, size=(128, 128), metadata=NAMES)), engine="onnx"
    )
    model.options = Options(max_detections=300)
    (found,) = model.predict([np.zeros((128, 128, 3), np.uint8)])
    assert isinstance(found, Detections)
    assert found.mask is not None
    assert len(found) == 300
    assert sorted(np.unique(found.mask)) == list(range(256))

    photo = np.zeros((3500, 3500, 3), np.uint8)
    tracemalloc.start()
    (large,) = model.predict([photo])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(large, Detections)
    assert len(large) == 300
    assert most < 32 << 20, "masks of 12 megapixels each would be gigabytes"


def test_nothing_found_is_an_empty_map(make_graph: Callable[..., Path]) -> None:
    file = make_graph({"output0": v8(masks=MASKS), "output1": prototypes()}, metadata=NAMES)
    found = predict(file)
    assert len(found) == 0
    assert found.xyxy.shape == (0, 4)
    assert found.mask is not None
    assert not found.mask.any()


# Labels and refusals.


def test_labels_come_from_the_metadata(make_graph: Callable[..., Path]) -> None:
    for names in (NAMES["names"], '{"0": "ant", "1": "bee\'s", "2": "cow"}', '["ant", "bee\'s", "cow"]'):
        card = load_model(str(make_graph({"output0": v8()}, metadata={"names": names})), engine="onnx").card
        assert card.labels == ("ant", "bee's", "cow")
    card = load_model(str(make_graph({"output0": v8()}, metadata={**NAMES, "license": "X-1"})), engine="onnx").card
    assert (card.licence, card.family, card.task, card.name) == ("X-1", "ultralytics", "detect", "tiny")
    assert card.size_bytes > 0


@pytest.mark.parametrize(
    "names",
    ["", "{", "{0: 'ant'}", "__import__('os').getcwd()", "[" * 5000, "{1: 'a', 2: 'b', 3: 'c'}", "7", "{'x': 'y'}"],
)
def test_broken_names_are_refused(make_graph: Callable[..., Path], names: str) -> None:
    with pytest.raises(ModelError, match="names"):
        load_model(str(make_graph({"output0": v8()}, metadata={"names": names})), engine="onnx")


def test_other_exports_are_refused_by_name(make_graph: Callable[..., Path]) -> None:
    pose = make_graph({"output0": v8()}, metadata={**NAMES, "task": "pose"})
    with pytest.raises(ModelError, match="for 'pose'; expected 'detect' or 'segment'"):
        load_model(str(pose), engine="onnx")
    odd = make_graph({"output0": np.zeros((300, 9), np.float32)}, metadata=NAMES)
    with pytest.raises(ModelError, match=r"output0: float32\[1x300x9\].*or final rows 1 x N x 6"):
        load_model(str(odd), engine="onnx")
    transposed = make_graph({"output0": v8().T.copy()}, metadata=NAMES)  # YOLOX's rows with Ultralytics' metadata
    with pytest.raises(ModelError, match="can't be read"):
        load_model(str(transposed), engine="onnx")


def test_a_shape_that_fits_two_families_is_not_guessed(make_graph: Callable[..., Path]) -> None:
    square = np.zeros((84, 84), np.float32)  # 80 classes by 84 cells, or 84 cells by 79 classes
    with pytest.raises(ModelError, match=r"fits several families \(ultralytics, yolox\)"):
        load_model(str(make_graph({"output0": square})), engine="onnx")
    names = {"names": str(dict(enumerate(map(str, range(80))))), "stride": "32"}
    card = load_model(str(make_graph({"output0": square}, metadata=names)), engine="onnx").card
    assert (card.family, len(card.labels)) == ("ultralytics", 80)


# Real pictures.


@pytest.mark.parametrize("name", ["yolov8n_640_int8", "yolov8n-seg_320_int8"])
def test_the_bus_and_its_people_are_found(assets: Path, name: str) -> None:
    model = load_model(str(assets / f"models/{name}.onnx"), engine="onnx", confidence=0.5)
    image = cv2.imread(str(assets / "images/bus.jpg"))
    (found,) = model.predict([image])  # type: ignore[list-item]
    assert isinstance(found, Detections)
    labels = [model.card.label(i) for i in found.class_id.tolist()]
    assert sorted(labels) == ["bus", "person", "person", "person"]
    bus = found.xyxy[labels.index("bus")]
    np.testing.assert_allclose(bus, [25, 232, 800, 750], atol=25)
    if found.mask is None:
        assert model.card.task == "detect"
        return
    assert model.card.task == "segment"
    scale = np.array([found.mask.shape[1] / 810, found.mask.shape[0] / 1080] * 2)
    assert abs(found.mask.shape[1] / found.mask.shape[0] - 810 / 1080) < 0.01
    for row, box in enumerate(found.xyxy * scale):
        rows, columns = np.nonzero(found.mask == row + 1)
        around = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        np.testing.assert_allclose(around, box, atol=0.12 * max(box[2] - box[0], box[3] - box[1]))
        assert len(rows) > 0.25 * (box[2] - box[0]) * (box[3] - box[1])
