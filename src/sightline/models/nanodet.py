"""NanoDet-Plus: 1 x N x (classes + 32), from grids of stride 8, 16, 32 and 64.

A row has the shares of the classes, then for each side of the box (left, top, right, bottom) logits of the distances 0
to 7 strides from the cell's corner. Input: BGR by ImageNet's mean and deviation, stretched to the input's size.
Source: https://github.com/RangiLyu/nanodet, tools/export_onnx.py and nanodet_plus_head.py (Apache-2.0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.types import Engine
from sightline.models._boxes import shares
from sightline.models._card import card_of
from sightline.models._input import Recipe
from sightline.models._labels import labels_for, settled
from sightline.models._rows import Reader, Rows, RowsModel, best_classes
from sightline.models.base import Graph

LAYOUTS = "1 x N x (classes + 32), N as strides 8, 16, 32 and 64 give, rounded up (NanoDet-Plus)"

STRIDES = (8, 16, 32, 64)
DISTANCES = 8
"""Number of distances that each side has a logit for."""
RECIPE = Recipe(order="bgr", scale=1.0, mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395))


def recognise(graph: Graph) -> bool:
    """Recognise a graph by its shape, shares where classes are, and known classes."""
    return fits(graph) and settled(graph.path, graph.metadata, _classes(graph))


def fits(graph: Graph) -> bool:
    """Whether the shape fits, and the numbers are shares where classes are."""
    classes = _classes(graph)
    return classes > 0 and shares(next(iter(graph.trial().values()))[0, :, :classes])


def build(graph: Graph, engine: Engine) -> RowsModel:
    """Build the model. Raises ModelError if the output or the labels don't fit."""
    classes = _classes(graph)
    if classes < 1:
        raise ModelError(f"{graph.path}: expected {LAYOUTS}")
    card = card_of(graph, "nanodet", labels_for(graph.path, graph.metadata, classes), "NanoDet-Plus detector")
    return RowsModel(card, graph, engine, RECIPE, _reader(graph.size, classes), suppresses=True)


def _classes(graph: Graph) -> int:
    """Number of classes; 0 if the output is another."""
    if len(graph.outputs) != 1 or graph.sizes is not None or graph.about:
        return 0
    (output,) = graph.outputs.values()
    if len(output.shape) != 3 or output.shape[1] != len(_corners(graph.size)) or output.dtype[:5] != "float":
        return 0
    return max(0, (output.shape[2] or 0) - 4 * DISTANCES)


def _corners(size: tuple[int, int]) -> NDArray[np.float32]:
    """x, y and stride of each row's cell, in pixels of the input."""
    rows = []
    for stride in STRIDES:
        y, x = np.mgrid[: math.ceil(size[1] / stride), : math.ceil(size[0] / stride)]
        rows.append(np.stack((x.ravel() * stride, y.ravel() * stride, np.full(x.size, stride)), axis=1))
    return np.concatenate(rows).astype(np.float32)


def _reader(size: tuple[int, int], classes: int) -> Reader:
    cells = _corners(size)

    def read(outputs: Mapping[str, NDArray[Any]], confidence: float) -> Rows:
        (output,) = outputs.values()
        found, scores, best = best_classes(output[0, :, :classes], confidence)
        logits = output[0, found, classes:].astype(np.float32).reshape(-1, 4, DISTANCES)
        chances = np.exp(logits - logits.max(axis=2, keepdims=True))
        mean = (chances * np.arange(DISTANCES)).sum(axis=2) / chances.sum(axis=2)
        sides = mean * cells[found, 2:]
        at = cells[found, :2]
        xyxy = np.concatenate((at - sides[:, :2], at + sides[:, 2:]), axis=1)
        return xyxy.clip(0, np.array(size * 2)), scores, best

    return read
