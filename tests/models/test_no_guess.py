"""Files of every sort without metadata: the right family, or a refusal that says what to do (faults 20, 21 and 24).

Nothing here may load as something that it may not be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.core.errors import ConfigError, ModelError
from sightline.core.predictions import Detections
from sightline.zoo.loader import load_model
from sightline.zoo.refusals import EXPORTS, TENSORRT
from support.made_graph import MakeGraph

Outputs = dict[str, NDArray[Any]]
CELLS = 256 + 64 + 16
"""Cells of strides 8, 16 and 32 in an input of 128x128."""
RANDOM = np.random.default_rng(3)


def shares(*shape: int) -> NDArray[np.float32]:
    """Numbers from 0 to 1."""
    return RANDOM.uniform(0.01, 0.99, shape).astype(np.float32)


def v8(classes: NDArray[np.float32]) -> Outputs:
    """(4 + ...) x N of YOLOv8 and 11."""
    return {"output0": np.concatenate((shares(4, CELLS) * 100, classes))}


def v5(more: NDArray[np.float32]) -> Outputs:
    """3N x (5 + ...) of YOLOv5 and v7."""
    return {"output": np.concatenate((shares(3 * CELLS, 4) * 100, shares(3 * CELLS, 1), more), axis=1)}


def corners(count: int) -> NDArray[np.float32]:
    """N x 4 in pixels."""
    at = shares(count, 2) * 50
    return np.concatenate((at, at + 10), axis=1)


def rows(count: int, *last: NDArray[np.float32]) -> Outputs:
    """N x (corners, ...) of a graph that suppresses by itself."""
    return {"output0": np.concatenate((corners(count), *last), axis=1)}


def whole(count: int, width: int = 1) -> NDArray[np.float32]:
    """Numbers of classes."""
    return RANDOM.integers(0, 5, (count, width)).astype(np.float32)


def decoded(columns: int) -> NDArray[np.float32]:
    """N x columns: centres around each cell's place, sizes, shares."""
    at = [((x + 0.5) * s, (y + 0.5) * s) for s in (8, 16, 32) for y in range(128 // s) for x in range(128 // s)]
    return np.concatenate((at, shares(CELLS, 2) * 30, shares(CELLS, columns - 4)), axis=1).astype(np.float32)


def grids(*shapes: tuple[int, ...]) -> Outputs:
    """Several outputs."""
    return {f"out{i}": shares(*shape) * 4 for i, shape in enumerate(shapes)}


RIGHT: dict[str, tuple[str, Outputs]] = {
    "v8, 80 classes": ("ultralytics", v8(shares(80, CELLS))),
    "v8, one class": ("ultralytics", v8(shares(1, CELLS))),
    "v8 with masks": ("ultralytics", v8(shares(3 + 32, CELLS)) | {"output1": shares(32, 32, 32)}),
    "v5, 80 classes": ("ultralytics", v5(shares(3 * CELLS, 80))),
    "YOLOX": ("yolox", {"output": shares(CELLS, 8)}),
    "YOLOX, decoded": ("yolox", {"output": decoded(85)}),
    "YOLOv6": ("yolov6", {"outputs": decoded(85)}),
    "v10": ("endtoend", rows(300, shares(300, 1), whole(300))),
    "RF-DETR": ("rfdetr", {"dets": shares(100, 4), "labels": shares(100, 91) * 4}),
    "DAMO-YOLO": ("damoyolo", {"output": shares(CELLS, 80), "952": corners(CELLS)}),
    "DeepLab": ("semantic", {"out": shares(21, 16, 16)}),
    "class ids": ("semantic", {"y": RANDOM.integers(0, 9, (128, 128))}),
    "U2-Net": ("u2net", {str(i): shares(1, 128, 128) for i in range(7)}),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_shapes_names_and_numbers_tell_apart_runs_as_it_is(make_graph: MakeGraph, name: str) -> None:
    family, outputs = RIGHT[name]
    assert load_model(str(make_graph(outputs, size=(128, 128)))).card.family == family


ASKED: dict[str, tuple[list[str], Outputs]] = {
    "v8, three classes, or one class and a keypoint": (["ultralytics"], v8(shares(3, CELLS))),
    "oriented boxes, angles in range": (["ultralytics"], v8(shares(16, CELLS))),
    "a pose with nothing in the picture": (["ultralytics"], v8(np.zeros((52, CELLS), np.float32))),
    "v5, eleven classes, or a face with landmarks": (["ultralytics"], v5(shares(3 * CELLS, 11))),
    "YOLOX, decoded, three classes": (["yolov6", "yolox"], {"output": decoded(8)}),
    "decoded, name unknown": (["yolov6", "yolox"], {"y": decoded(85)}),
    "no rows": (["endtoend"], {"output0": np.zeros((300, 6), np.float32)}),
    "boxes, then scores": (["yolonas"], {"904": corners(CELLS), "913": shares(CELLS, 80)}),
    "scores, then boxes": (["damoyolo"], {"913": shares(CELLS, 80), "904": corners(CELLS)}),
    "a detector's grid": (["semantic"], {"output": shares(85, 16, 16) * 4}),
    "a grid of anchors": (["semantic"], {"output": shares(125, 4, 4)}),
    "heat maps of a body": (["semantic"], {"heatmap": shares(17, 32, 32)}),
    "heat maps of a hand": (["semantic"], {"output": shares(21, 32, 32)}),
    "a matte in bytes": (["semantic"], {"alpha": RANDOM.integers(0, 256, (1, 128, 128)).astype(np.uint8)}),
    "a picture": (["semantic"], {"output": shares(3, 128, 128)}),
    "a mask or a depth": (["birefnet", "modnet", "u2net"], {"output": shares(1, 128, 128)}),
    "logits or a depth": (["birefnet"], {"output": shares(1, 128, 128) * 9 - 5}),
    "DETR, RT-DETR or RF-DETR": (
        ["rfdetr", "rtdetr"],
        {"logits": shares(100, 92) * 9 - 8, "pred_boxes": shares(100, 4)},
    ),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_may_be_several_things_is_asked_for(make_graph: MakeGraph, name: str) -> None:
    families, outputs = ASKED[name]
    file = str(make_graph(outputs, size=(128, 128)))
    with pytest.raises(ModelError) as refused:
        load_model(file)
    message = str(refused.value)
    for family in families:
        assert f"--family {family}" in message
        assert load_model(file, family=family).card.family == family
    assert message.count("--family ") == len(families)


def test_names_of_classes_settle_it(make_graph: MakeGraph) -> None:
    file = make_graph(v8(shares(3, CELLS)), size=(128, 128))
    file.with_suffix(".labels.txt").write_text("ant\nbee\ncow\n")
    assert load_model(str(file)).card.labels == ("ant", "bee", "cow")
    file.with_suffix(".labels.txt").write_text("ant\nbee\n")
    for family in (None, "ultralytics"):
        with pytest.raises(ModelError, match=r"2 names, but room for 3 classes; .* angle \(oriented boxes\)"):
            load_model(str(file), family=family)


REFUSED: dict[str, tuple[str, Outputs]] = {
    "a pose": ("oriented boxes and faces", v8(np.concatenate((shares(1, CELLS), shares(51, CELLS) * 100)))),
    "oriented boxes": ("oriented boxes and faces", v8(np.concatenate((shares(15, CELLS), shares(1, CELLS) * 3 - 0.8)))),
    "a face with landmarks": ("oriented boxes and faces", v5(shares(3 * CELLS, 11) * 90)),
    "final rows of a pose": ("Poses, oriented boxes", rows(300, shares(300, 1), whole(300), shares(300, 51) * 90)),
    "final oriented boxes": ("Poses, oriented boxes", rows(300, shares(300, 1), whole(300), shares(300, 1))),
    "final rows, class before certainty": ("", rows(300, whole(300), shares(300, 1))),
    "grids of three sizes": ("still to be decoded", grids((255, 16, 16), (255, 8, 8), (255, 4, 4))),
    "grids of anchors": ("still to be decoded", grids((3, 16, 16, 85), (3, 8, 8, 85), (3, 4, 4, 85))),
    "final rows, centres and sizes": (
        "",
        {"output0": np.concatenate((shares(300, 4) * 90, shares(300, 1), whole(300)), 1)},
    ),
    "final rows, shares of the picture": ("", {"output0": np.concatenate((shares(300, 5), whole(300)), 1)}),
    "v8 with its axes swapped, shares of the picture": ("", {"output": decoded(84) / ([128] * 4 + [1] * 80)}),
    "scores, then centres and sizes": ("", {"output": shares(CELLS, 80), "boxes": shares(CELLS, 4) * 90}),
    "a classifier": ("classifiers", {"logits": shares(1000)}),
    "a classifier of seven classes": ("classifiers", {"output": shares(7)}),
    "a classifier of six classes": ("classifiers", {"output": shares(6)}),
    "an embedding": ("classifiers", {"embedding": shares(512) - 0.5}),
    "a depth": ("", {"predicted_depth": shares(128, 128) * 9}),
    "keypoints": ("", {"keypoints": shares(17, 3)}),
    "faces, undecoded": ("", {"8": shares(512, 1), "16": shares(128, 1), "boxes 8": shares(512, 4)}),
    "masks of several sizes": ("", {"0": shares(1, 128, 128), "1": shares(1, 64, 64)}),
}
WRONG = ("classifiers", "still to be decoded")
"""What may be said only of what it is true of."""


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("batch", [1, None])
def test_what_is_not_supported_is_refused_with_words(make_graph: MakeGraph, name: str, batch: int | None) -> None:
    words, outputs = REFUSED[name]
    with pytest.raises(
        ModelError, match=rf"(?s)of no family that is supported.*Outputs: .*{words}.*(Expected one of|All that is)"
    ) as refused:
        load_model(str(make_graph(outputs, size=(128, 128), batch=batch)))
    assert not [wrong for wrong in WRONG if wrong in str(refused.value) and wrong != words]


@pytest.mark.parametrize("metadata", [{}, {"names": str(dict(enumerate(map(str, range(80))))), "stride": "32"}])
def test_rows_that_come_twice_get_the_way_to_have_them_once(make_graph: MakeGraph, metadata: dict[str, str]) -> None:
    """Fault 24. YOLOv9's export.py writes them for weights that were not converted."""
    outputs = {"output0": v8(shares(80, CELLS))["output0"], "output1": v8(shares(80, CELLS))["output0"]}
    with pytest.raises(ModelError, match=r"as YOLOv9 has them for training.*reparameterization\.ipynb"):
        load_model(str(make_graph(outputs, size=(128, 128), metadata=metadata)))


def test_boxes_whose_outputs_have_numbers_for_names_are_called_no_classifier(make_graph: MakeGraph) -> None:
    """Fault 24. torchvision's export without ``output_names``."""
    outputs = {"2546": corners(8), "2547": np.arange(1, 9), "2548": shares(8)}
    with pytest.raises(ModelError, match="--family torchvision") as refused:
        load_model(str(make_graph(outputs, size=(128, 128), rows_only=True)))
    assert "classifiers" not in str(refused.value)


@pytest.mark.parametrize("name", ["a pose", "oriented boxes", "a face with landmarks"])
def test_numbers_that_are_no_shares_are_refused_whatever_is_said(make_graph: MakeGraph, name: str) -> None:
    file = make_graph(REFUSED[name][1], size=(128, 128))
    with pytest.raises(ModelError, match="does not fit the family ultralytics"):
        load_model(str(file), family="ultralytics")
    file.with_suffix(".labels.txt").write_text("\n".join(f"c{i}" for i in range(52)))
    with pytest.raises(ModelError):
        load_model(str(file))


NAMED = {"names": str(dict(enumerate(map(str, range(80))))), "stride": "32", "task": "detect"}
LOGITS = shares(80, CELLS) * 9 - 16
FINAL: Outputs = {"labels": np.arange(100), "boxes": corners(100) / 128, "scores": shares(100)}
TF: Outputs = {
    "num_detections": np.full((), 100, np.float32),
    "detection_boxes": corners(100),
    "detection_scores": shares(100),
    "detection_classes": whole(100)[:, 0],
}
NAS: Outputs = {
    "num_predictions": np.array([100]),
    "pred_boxes": corners(100) / 128,
    "pred_scores": shares(100),
    "pred_classes": whole(100)[:, 0],
}
DETR: Outputs = {"dets": shares(100, 4), "labels": shares(100, 91) * 9 - 8}
HUGGED = {"metadata": {"model_type": "rt_detr"}}
OTHER_UNITS: dict[str, tuple[str, Outputs, dict[str, Any]]] = {
    "v8, shares of the picture": ("shares", {"o": shares(84, CELLS)}, {}),
    "v8 with names, shares": (
        "shares",
        {"o": np.concatenate((shares(4, CELLS), shares(80, CELLS)))},
        {"metadata": NAMED},
    ),
    "v5, shares of the picture": ("shares", {"o": shares(3 * CELLS, 85)}, {}),
    "v8 with masks, shares": ("shares", {"o": shares(4 + 3 + 32, CELLS), "p": shares(32, 32, 32)}, {}),
    "v8 with names, logits": ("before a sigmoid", v8(LOGITS), {"metadata": NAMED}),
    "v8 with masks, logits": (
        "before a sigmoid",
        v8(np.concatenate((LOGITS[:3], shares(32, CELLS)))) | {"p": shares(32, 32, 32)},
        {},
    ),
    "YOLO-NAS, shares": ("shares", NAS, {"dtype": "uint8"}),
    "TensorFlow, pixels": ("in pixels", TF, {"dtype": "uint8", "channels_last": True}),
    "RF-DETR, pixels": ("in pixels", DETR | {"dets": shares(100, 4) * 100}, {}),
    "RF-DETR, probabilities": ("after a sigmoid", DETR | {"labels": shares(100, 91)}, {}),
    "RT-DETR, pixels": ("in pixels", {"logits": DETR["labels"], "pred_boxes": shares(100, 4) * 100}, HUGGED),
    "RT-DETR, probabilities": ("after a sigmoid", {"logits": shares(100, 80), "pred_boxes": shares(100, 4)}, HUGGED),
    "RT-DETR decoded, shares": ("shares", FINAL, {"more_inputs": ("orig_target_sizes",)}),
    "RT-DETR decoded, logits": (
        "before a sigmoid",
        FINAL | {"boxes": corners(100), "scores": shares(100) - 3},
        {"more_inputs": ("orig_target_sizes",)},
    ),
}


@pytest.mark.parametrize("name", OTHER_UNITS)
def test_numbers_in_other_units_are_refused_with_what_they_are(make_graph: MakeGraph, name: str) -> None:
    """Shapes, names and metadata are those of the family. Such files loaded, and found nothing or specks."""
    said, outputs, options = OTHER_UNITS[name]
    with pytest.raises(ModelError, match=rf"its (boxes|scores) are .*{said}.*; expected .* Export it again"):
        load_model(str(make_graph(outputs, size=(128, 128), **options)))


@pytest.mark.parametrize("order", [("dets", "labels"), ("labels", "dets")])
def test_the_order_of_outputs_means_nothing_where_they_have_names(
    make_graph: MakeGraph, order: tuple[str, str]
) -> None:
    logits = np.full((100, 91), -8, np.float32)
    logits[3, 17] = 4
    boxes = shares(100, 4) * 0.1
    boxes[3] = (0.5, 0.25, 0.5, 0.25)
    values = {"dets": boxes, "labels": logits}
    model = load_model(str(make_graph({name: values[name] for name in order}, size=(128, 128))))
    (found,) = model.predict([np.zeros((128, 128, 3), np.uint8)])
    assert isinstance(found, Detections)
    np.testing.assert_allclose(found.xyxy, [[32, 16, 96, 48]], atol=0.1)


def test_bytes_that_nobody_explains_are_refused_and_channels_may_come_last(make_graph: MakeGraph) -> None:
    outputs = v8(shares(80, CELLS))
    with pytest.raises(ModelError, match="nothing tells how it scales them: export it with an input of float32"):
        load_model(str(make_graph(outputs, size=(128, 128), dtype="uint8")))
    picture = [np.zeros((64, 64, 3), np.uint8)]
    first, last = (
        load_model(str(make_graph(outputs, size=(128, 128), channels_last=last))).predict(picture)[0]
        for last in (False, True)
    )
    assert isinstance(first, Detections)
    assert isinstance(last, Detections)
    np.testing.assert_array_equal(first.xyxy, last.xyxy)


def test_distances_in_whole_numbers_are_no_classes(make_graph: MakeGraph) -> None:
    ids = RANDOM.integers(0, 250, (128, 128))
    with pytest.raises(ModelError, match="of no family"):
        load_model(str(make_graph({"predicted_depth": ids}, size=(128, 128))))


def test_a_fixed_batch_names_the_flags_of_the_export(make_graph: MakeGraph) -> None:
    names = {"names": str(dict(enumerate(map(str, range(80))))), "stride": "32", "task": "detect"}
    for metadata in ({}, names):
        with pytest.raises(ModelError, match=r"batch is fixed at 4: .*batch=1 or dynamic=True; .*--dynamic"):
            load_model(str(make_graph(v8(shares(80, CELLS)), size=(128, 128), batch=4, metadata=metadata)))


def test_an_export_for_tensorrt_is_told_the_flag(make_graph: MakeGraph) -> None:
    outputs = {
        "num_dets": np.array([5]),
        "det_boxes": shares(100, 4) * 90,
        "det_scores": shares(100),
        "det_classes": whole(100)[:, 0],
    }
    with pytest.raises(ModelError, match=r"(?s)--end2end --max-wh 640.*--family yolov7"):
        load_model(str(make_graph(outputs)))


def test_an_export_of_paddle_without_suppression_is_told_the_option(make_graph: MakeGraph) -> None:
    outputs = {"boxes": corners(CELLS), "scores": shares(80, CELLS)}
    file = make_graph(outputs, size=(128, 128), input_name="image", more_inputs=("scale_factor",))
    with pytest.raises(ModelError, match="exclude_nms=False"):
        load_model(str(file))


def test_operators_that_only_tensorrt_has_are_told_apart(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    outputs = [helper.make_tensor_value_info("num_dets", kind, [1, 1])]
    inputs = [helper.make_tensor_value_info("images", kind, [1, 3, 64, 64])]
    node = helper.make_node("EfficientNMS_TRT", ["images"], ["num_dets"], domain="TRT")
    graph = helper.make_graph([node], "trt", inputs, outputs)
    opsets = [helper.make_opsetid("", 14), helper.make_opsetid("TRT", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "trt.onnx")
    with pytest.raises(ModelError) as refused:
        load_model(str(tmp_path / "trt.onnx"), engine="onnx")
    assert TENSORRT in str(refused.value)


@pytest.mark.parametrize("suffix", [*EXPORTS, ".PT", ".xyz"])
def test_files_of_other_kinds_get_the_command_that_exports_them(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"mine{suffix}"
    file.write_bytes(b"x")
    words = {
        ".xyz": "export the model to ONNX first",
        ".engine": "can't be turned back",
        ".trt": "can't be turned back",
    }
    commands = {".pt": "yolo export model=mine.pt format=onnx", ".tflite": "tf2onnx.convert --tflite mine.tflite"}
    with pytest.raises(ConfigError) as refused:
        load_model(str(file))
    expected = words.get(suffix) or commands.get(suffix) or "export it to ONNX first: "
    assert expected in str(refused.value)


# Whatever a model says


def test_a_model_that_goes_wrong_while_it_runs_gives_no_wrong_rows(make_graph: MakeGraph) -> None:
    """The metadata says detection, and the numbers are not it."""
    metadata = {"names": str(dict(enumerate(map(str, range(52))))), "stride": "32", "task": "detect"}
    with pytest.raises(ModelError, match=r"confidence of .*: expected 0 to 1"):
        load_model(str(make_graph(REFUSED["a pose"][1], size=(128, 128), metadata=metadata)))


def test_integers_that_end_a_little_above_1_are_1(make_graph: MakeGraph) -> None:
    file = make_graph(v8(np.full((80, CELLS), 1.004, np.float32)), size=(128, 128))
    (found,) = load_model(str(file)).predict([np.zeros((64, 64, 3), np.uint8)])
    assert isinstance(found, Detections)
    assert len(found)
    assert (found.confidence == 1).all()
