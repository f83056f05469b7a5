"""YOLOX: 1 x N x (5 + classes) from grids of stride 8, 16 and 32, decoded or not.

Input: BGR, 0 to 255, the picture at the top left on grey 114. Output rows: offset in the cell, logarithm of the size in
strides, certainty that there is an object, certainty of each class. With ``--decode_in_inference`` the first four are
centre and size in pixels of the input.
Source: https://github.com/Megvii-BaseDetection/YOLOX (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.predictions import Detections
from sightline.core.types import Engine, ModelCard
from sightline.models._boxes import Letterbox, above, corners, detections
from sightline.models._card import card_of
from sightline.models._labels import labels_for, settled
from sightline.models._objects import grid, object_rows
from sightline.models.base import Geometry, Graph, GraphModel, Options, Portable

LAYOUTS = (
    "1 x N x (5 + classes), N as strides 8, 16 and 32 give, not decoded; or decoded, with the output's name 'output'; "
    "without Ultralytics metadata"
)

LARGEST = 12.0
"""Maximum logarithm of a size, 1.3 million pixels at stride 8; keeps a broken graph's sizes from overflowing."""


def recognise(graph: Graph) -> bool:
    """Recognise a graph by offsets within cells, or by decoded boxes, the output's name and known classes."""
    rows = object_rows(graph)
    if rows is None or rows.written or not rows.plausible or len(rows.strides) != 3:
        return False
    if not rows.decoded:
        return True
    return not rows.sure and rows.name == "output" and settled(graph.path, graph.metadata, rows.classes)


def fits(graph: Graph) -> bool:
    """Whether shape and numbers fit."""
    rows = object_rows(graph)
    return rows is not None and rows.plausible and len(rows.strides) == 3


def build(graph: Graph, engine: Engine) -> YoloX:
    """Build the model. Raises ModelError if the labels don't fit the graph."""
    rows = object_rows(graph)
    if rows is None:
        raise ModelError(f"{graph.path}: expected {LAYOUTS}")
    labels = labels_for(graph.path, graph.metadata, rows.classes)
    return YoloX(card_of(graph, "yolox", labels, "YOLOX detector"), graph, engine, decoded=rows.decoded)


class YoloX(GraphModel):
    """A YOLOX detector."""

    def __init__(self, card: ModelCard, graph: Graph, engine: Engine, *, decoded: bool = False) -> None:
        super().__init__(card, graph, engine)
        self._decoded = decoded
        self._input = Letterbox(rgb=False, scale=1.0, centred=False)
        self._cells, self._strides = grid(graph.size, (8, 16, 32))

    @property
    def portable(self) -> Portable | None:
        """See Model. None for a graph that decodes by itself."""
        if self._decoded:
            return None
        return Portable(self.graph.input, self.graph.size, "yolox", "letterbox", "bgr")

    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Detections:
        """See GraphModel. Only rows above the confidence are decoded."""
        (output,) = outputs.values()
        likely = above(output[0, :, 4], options.confidence)  # no class is more certain than the object
        rows = output[0, likely].astype(np.float32)
        certain = rows[:, 4] * rows[:, 5:].max(axis=1)
        found = above(certain, options.confidence)
        rows, likely = rows[found], likely[found]
        centre, size = rows[:, :2], rows[:, 2:4]
        if not self._decoded:
            stride = self._strides[likely, None]
            centre = (centre + self._cells[likely]) * stride
            size = np.exp(np.minimum(size, LARGEST)) * stride
        classes = rows[:, 5:].argmax(axis=1).astype(np.int32)
        xyxy = corners(centre, size)
        return detections(xyxy, certain[found], classes, geometry, iou=options.iou, limit=options.max_detections)[0]
