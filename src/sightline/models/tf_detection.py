"""Detectors of TensorFlow's Object Detection API (SSD, EfficientDet, Faster R-CNN), turned into ONNX by tf2onnx.

Outputs: ``detection_boxes`` 1 x N x 4 (top, left, bottom, right as shares), ``detection_scores`` and
``detection_classes`` 1 x N, ``num_detections`` 1; further ones are left alone. Classes begin at 1. Where an output has
scores of 90 classes, they are COCO's own numbers. Input: RGB as bytes, 1 x H x W x 3, stretched; the graph scales.
Source: https://github.com/tensorflow/models/blob/master/research/object_detection/exporter_lib_v2.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.types import Engine, TensorSpec
from sightline.models._card import card_of
from sightline.models._data_sets import COCO_IDS
from sightline.models._input import Recipe
from sightline.models._labels import COCO, told_labels
from sightline.models._rows import MOST_CLASSES, Reader, Rows, RowsModel
from sightline.models._units import check_certainties, check_shares
from sightline.models.base import Graph

LAYOUTS = "num_detections, detection_boxes 1 x N x 4, detection_scores and detection_classes 1 x N, boxes as shares"

NAMES = ("num_detections", "detection_boxes", "detection_scores", "detection_classes")


def recognise(graph: Graph) -> bool:
    """Recognise a graph by its outputs' names."""
    found = _outputs(graph)
    if not all(name in found for name in NAMES) or graph.sizes is not None or graph.about:
        return False
    return len(found["detection_boxes"].shape) == 3 and found["detection_boxes"].shape[2] == 4


def build(graph: Graph, engine: Engine) -> RowsModel:
    """Build the model."""
    made = graph.trial()
    check_shares(graph, made[_outputs(graph)["detection_boxes"].name][0])
    check_certainties(graph, made[_outputs(graph)["detection_scores"].name])
    told = told_labels(graph.path, graph.metadata)[0]
    numbers = _numbers(graph, told)
    card = card_of(graph, "tf_detection", told or (COCO if numbers is not None else ()), "TensorFlow detector")
    read = _reader(tuple(_outputs(graph)[name].name for name in NAMES), graph.size, numbers, 1 if told else 0)
    return RowsModel(card, graph, engine, Recipe(scale=1.0), read, suppresses=False)


def _outputs(graph: Graph) -> dict[str, TensorSpec]:
    """Outputs by their names in TensorFlow, without the number behind a colon."""
    return {name.partition(":")[0]: spec for name, spec in graph.outputs.items()}


def _numbers(graph: Graph, told: tuple[str, ...]) -> NDArray[np.int64] | None:
    """The class of each of COCO's own numbers, -1 for none; None if the graph does not have COCO's 90."""
    scored = [
        spec.shape[2]
        for name, spec in _outputs(graph).items()
        if name in ("raw_detection_scores", "detection_multiclass_scores") and len(spec.shape) == 3
    ]
    if not {90, 91} & set(scored) or len(told) not in (0, len(COCO)):
        return None
    found = np.full(256, -1, np.int64)
    found[list(COCO_IDS)] = np.arange(len(COCO_IDS))
    return found


def _reader(names: tuple[str, ...], size: tuple[int, int], numbers: NDArray[np.int64] | None, first: int) -> Reader:
    def read(outputs: Mapping[str, NDArray[Any]], confidence: float) -> Rows:
        count, boxes, scores, said = (outputs[name] for name in names)
        rows = slice(max(0, int(count.reshape(-1)[0])))
        classes = np.rint(np.nan_to_num(said[0, rows], nan=-1)).clip(-1, MOST_CLASSES).astype(np.int64)
        classes = classes - first if numbers is None else numbers[classes.clip(0, 255)]
        found = classes >= 0
        top, left, bottom, right = boxes[0, rows][found].T
        xyxy = np.stack((left, top, right, bottom), axis=1) * np.array(size * 2, np.float32)
        return xyxy, scores[0, rows][found], classes[found]

    return read
