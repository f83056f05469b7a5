"""A made file of every export that has a family of its own, for an input of 64x64, with three classes where it may."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from support.made_graph import MakeGraph

SIDE = 64
CELLS = 64 + 16 + 4
"""Cells of strides 8, 16 and 32."""
CLASSES = 3
NAMES = {"names": '["ant", "bee", "cow"]'}
ROWS = 12
Floats = NDArray[np.float32]


def corner_boxes(count: int, seed: int = 5) -> Floats:
    """Boxes in pixels of the input, corners."""
    random = np.random.default_rng(seed)
    at = random.uniform(2, 40, (count, 2))
    return np.concatenate((at, at + random.uniform(6, 22, (count, 2))), axis=1).astype(np.float32)


def scores(count: int, classes: int = CLASSES, seed: int = 6) -> Floats:
    """Shares, few of them high."""
    random = np.random.default_rng(seed)
    found = random.uniform(0, 0.2, (count, classes))
    found[np.arange(0, count, 7), random.integers(0, classes, len(range(0, count, 7)))] = 0.9
    return (found + random.uniform(0, 0.09, found.shape)).astype(np.float32)


def decoded_rows(objects: Floats) -> Floats:
    """N x (5 + classes): centre and size around each cell's own place, ``objects``, classes."""
    centres = [
        ((x + 0.5) * stride, (y + 0.5) * stride)
        for stride in (8, 16, 32)
        for y in range(SIDE // stride)
        for x in range(SIDE // stride)
    ]
    sizes = np.random.default_rng(8).uniform(6, 30, (CELLS, 2))
    return np.concatenate((centres, sizes, objects[:, None], scores(CELLS)), axis=1).astype(np.float32)


def yolox_decoded(make: MakeGraph) -> Path:
    """With ``--decode_in_inference``."""
    objects = np.random.default_rng(9).uniform(0.6, 0.99, CELLS).astype(np.float32)
    return make({"output": decoded_rows(objects)}, metadata=NAMES)


def yolov6(make: MakeGraph) -> Path:
    """From deploy/ONNX/export_onnx.py."""
    return make({"outputs": decoded_rows(np.ones(CELLS, np.float32))}, metadata=NAMES)


def final_columns(seed: int = 10) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Boxes, certainties and classes of a graph that suppresses by itself."""
    random = np.random.default_rng(seed)
    certain = np.sort(random.uniform(0.1, 0.95, ROWS))[::-1].astype(np.float32)
    return corner_boxes(ROWS), certain, random.integers(0, CLASSES, ROWS)


def yolov7(make: MakeGraph) -> Path:
    """From export.py --grid --end2end --max-wh 640."""
    boxes, certain, classes = final_columns()
    rows = np.concatenate((np.zeros((ROWS, 1)), boxes, classes[:, None], certain[:, None]), axis=1)
    return make({"output": rows.astype(np.float32)}, rows_only=True, metadata=NAMES)


def yolov7_several(make: MakeGraph) -> Path:
    """The names that exports for TensorRT have."""
    boxes, certain, classes = final_columns()
    values = {"num_dets": np.array([ROWS]), "det_boxes": boxes, "det_scores": certain, "det_classes": classes}
    return make(values, metadata=NAMES | {"family": "yolov7"})


def yolonas(make: MakeGraph) -> Path:
    """From ``model.export``, with the last rows empty."""
    boxes, certain, classes = final_columns()
    boxes, certain, classes = boxes.copy(), certain.copy(), classes.copy()
    boxes[-2:], certain[-2:], classes[-2:] = -1, -1, -1
    values = {
        "graph2_num_predictions": np.array([ROWS - 2]),
        "graph2_pred_boxes": boxes,
        "graph2_pred_scores": certain,
        "graph2_pred_classes": classes,
    }
    return make(values, dtype="uint8", metadata=NAMES)


def yolonas_flat(make: MakeGraph) -> Path:
    """The same in the flat format."""
    boxes, certain, classes = final_columns()
    rows = np.concatenate((np.zeros((ROWS, 1)), boxes, certain[:, None], classes[:, None]), axis=1)
    values = {"graph2_flat_predictions": rows.astype(np.float32)}
    return make(values, dtype="uint8", rows_only=True, metadata=NAMES)


def yolonas_raw(make: MakeGraph) -> Path:
    """The same without suppression."""
    values = {"904": corner_boxes(CELLS), "913": scores(CELLS)}
    return make(values, metadata=NAMES | {"family": "yolonas"})


def damoyolo(make: MakeGraph) -> Path:
    """From tools/converter.py."""
    return make({"output": scores(CELLS), "952": corner_boxes(CELLS)}, metadata=NAMES)


def nanodet(make: MakeGraph) -> Path:
    """From tools/export_onnx.py, NanoDet-Plus; the last stride has one cell."""
    logits = np.random.default_rng(12).normal(0, 2, (CELLS + 1, 32)).astype(np.float32)
    values = np.concatenate((scores(CELLS + 1), logits), axis=1)
    return make({"output": values}, input_name="data", metadata=NAMES)


INFER_CFG = """
mode: paddle
arch: YOLO
Preprocess:
- {interp: 2, keep_ratio: false, target_size: [64, 64], type: Resize}
- {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], is_scale: true, type: NormalizeImage}
- {type: Permute}
label_list: [ant, bee, cow]
"""


def paddle(make: MakeGraph) -> Path:
    """PP-YOLOE from paddle2onnx, with infer_cfg.yml."""
    boxes, certain, classes = final_columns()
    rows = np.concatenate((classes[:, None], certain[:, None], boxes), axis=1).astype(np.float32)
    rows[-1] = -1
    values = {"multiclass_nms3_0.tmp_0": rows, "multiclass_nms3_0.tmp_2": np.array([ROWS], np.int32)}
    file = make(values, rows_only=True, input_name="image", more_inputs=("scale_factor",))
    file.with_name("infer_cfg.yml").write_text(INFER_CFG, "utf-8")
    return file


STEPS = [
    {"type": "LoadImageFromFile"},
    {"type": "Resize", "keep_ratio": True, "size": [SIDE, SIDE]},
    {"type": "Pad", "size": [SIDE, SIDE], "pad_val": {"img": [114, 114, 114]}},
    {"type": "Normalize", "to_rgb": False, "mean": [103.53, 116.28, 123.675], "std": [57.375, 57.12, 58.395]},
]
PIPELINE = {"pipeline": {"tasks": [{"type": "Task", "module": "Transform", "transforms": STEPS}, {"module": "Net"}]}}


def mmdeploy(make: MakeGraph) -> Path:
    """RTMDet, with pipeline.json."""
    boxes, certain, classes = final_columns()
    file = make({"dets": np.concatenate((boxes, certain[:, None]), axis=1), "labels": classes}, metadata=NAMES)
    file.with_name("pipeline.json").write_text(json.dumps(PIPELINE))
    return file


def torchvision(make: MakeGraph, batch: int = 1) -> Path:
    """Faster R-CNN; names of classes without the background."""
    boxes, certain, classes = final_columns()
    values = {"boxes": boxes, "labels": classes + 1, "scores": certain}
    return make(values, rows_only=True, batch=batch, metadata=NAMES)


def torchvision_unbatched(make: MakeGraph) -> Path:
    """The same from a list of one picture, as torchvision's own example exports it."""
    return torchvision(make, batch=0)


def tf_detection(make: MakeGraph, colon: str = "") -> Path:
    """SSD of TensorFlow's zoo."""
    boxes, certain, classes = final_columns()
    values = {
        "num_detections": np.array([ROWS - 1], np.float32).reshape(()),
        "detection_boxes": boxes[:, [1, 0, 3, 2]] / SIDE,
        "detection_scores": certain,
        "detection_classes": (classes + 1).astype(np.float32),
    }
    named = {f"{name}{colon}": value for name, value in values.items()}
    return make(named, dtype="uint8", channels_last=True, input_name="input_tensor", metadata=NAMES)


def blob(low: float, high: float) -> Floats:
    """1 x 64 x 64: high inside a rectangle, low around it."""
    found = np.full((1, SIDE, SIDE), low, np.float32)
    found[0, 16:48, 8:40] = high
    return found


def u2net(make: MakeGraph) -> Path:
    """Seven outputs with numbers for names."""
    return make({str(1959 + i): blob(0.1, 0.9) if i == 0 else blob(0.3, 0.4) for i in range(7)})


def modnet(make: MakeGraph) -> Path:
    """With transformers' config.json."""
    file = make({"output": blob(0.02, 0.97)}, input_name="input")
    file.with_name("config.json").write_text('{"model_type": "modnet"}')
    return file


def birefnet(make: MakeGraph) -> Path:
    """Logits under its makers' names."""
    return make({"output_image": blob(-6, 5)}, input_name="input_image")
