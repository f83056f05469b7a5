"""YOLOv6: 1 x N x (5 + classes), decoded: centre and size in pixels of the input, an object's certainty, classes.

The certainty of an object is 1 in all rows since version 2 of its makers' releases. Input: RGB, 0 to 1, the picture in
the middle on grey 114. Source: https://github.com/meituan/YOLOv6, deploy/ONNX/export_onnx.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.types import Engine
from sightline.models._boxes import corners
from sightline.models._card import card_of
from sightline.models._input import Recipe
from sightline.models._labels import labels_for, settled
from sightline.models._objects import ObjectRows, object_rows
from sightline.models._rows import Rows, RowsModel, best_classes
from sightline.models.base import Graph

LAYOUTS = "1 x N x (5 + classes), decoded, N as strides 8, 16, 32 (and 64) give, with the output's name 'outputs'"


def recognise(graph: Graph) -> bool:
    """Recognise a graph by its decoded boxes, and by certainties of 1 or the output's name, of known classes."""
    rows = object_rows(graph)
    if rows is None or rows.written or not rows.decoded or not rows.plausible:
        return False
    likely = rows.name == "outputs" or (rows.sure and rows.name != "output")
    return likely and settled(graph.path, graph.metadata, rows.classes)


def fits(graph: Graph) -> bool:
    """Whether the numbers fit: decoded boxes and shares."""
    rows = object_rows(graph)
    return rows is not None and rows.decoded and rows.plausible


def build(graph: Graph, engine: Engine) -> RowsModel:
    """Build the model. Raises ModelError if the outputs or the labels don't fit."""
    rows = object_rows(graph)
    if rows is None:
        raise ModelError(f"{graph.path}: expected {LAYOUTS}")
    labels = labels_for(graph.path, graph.metadata, rows.classes)
    card = card_of(graph, "yolov6", labels, "YOLOv6 detector")
    return RowsModel(card, graph, engine, Recipe(fit="centre"), _reader(rows), suppresses=True)


def _reader(rows: ObjectRows) -> Any:
    def read(outputs: Mapping[str, NDArray[Any]], confidence: float) -> Rows:
        output = outputs[rows.name][0]
        found, scores, classes = best_classes(output[:, 5:] * output[:, 4:5], confidence)
        box = output[found].astype(np.float32)
        return corners(box[:, :2], box[:, 2:4]), scores, classes

    return read
