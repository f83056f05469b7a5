"""YOLOX: 1 x N x (5 + classes), undecoded, from grids of stride 8, 16 and 32.

Input: BGR, 0 to 255, the picture at the top left on grey 114. Output rows: offset in the cell, logarithm of the size in
strides, certainty that there is an object, certainty of each class.
Source: https://github.com/Megvii-BaseDetection/YOLOX (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.predictions import Detections
from sightline.core.types import Engine, Image, ModelCard
from sightline.models._boxes import Letterbox, above, anchors, corners, detections
from sightline.models._labels import labels_for
from sightline.models.base import Geometry, Graph, GraphModel, Options, Portable

LAYOUTS = "1 x N x (5 + classes), undecoded, N as strides 8, 16 and 32 give; without Ultralytics metadata"

STRIDES = (8, 16, 32)
LARGEST = 12.0
"""Maximum logarithm of a size, 1.3 million pixels at stride 8; keeps a broken graph's sizes from overflowing."""


def recognise(graph: Graph) -> bool:
    """Recognise a graph by an output shape that fits the input's size, and by the absence of Ultralytics metadata."""
    if len(graph.outputs) != 1 or {"names", "stride"} <= graph.metadata.keys():
        return False
    (output,) = graph.outputs.values()
    return len(output.shape) == 3 and output.shape[1] == anchors(graph.size, STRIDES) and (output.shape[2] or 0) > 5


def build(graph: Graph, engine: Engine) -> YoloX:
    """Build the model. Raises ModelError if the labels don't fit the graph."""
    (output,) = graph.outputs.values()
    card = ModelCard(
        name=graph.path.stem,
        family="yolox",
        task="detect",
        labels=labels_for(graph.path, graph.metadata, (output.shape[2] or 0) - 5),
        input_size=graph.size,
        licence=graph.metadata.get("license", "unknown"),
        source=str(graph.path),
        path=str(graph.path),
        size_bytes=graph.path.stat().st_size,
        description=graph.metadata.get("description", "YOLOX detector"),
    )
    return YoloX(card, graph, engine)


class YoloX(GraphModel):
    """A YOLOX detector."""

    def __init__(self, card: ModelCard, graph: Graph, engine: Engine) -> None:
        super().__init__(card, graph, engine)
        self._letterbox = Letterbox(rgb=False, scale=1.0, centred=False)
        self._cells, self._strides = _grid(graph.size)

    @property
    def portable(self) -> Portable:
        """See Model."""
        return Portable(self.graph.input, self.graph.size, "yolox", "letterbox", "bgr")

    def preprocess(self, image: Image, slot: int = 0) -> tuple[NDArray[Any], Geometry]:
        """See GraphModel."""
        place = self._letterbox.place(image, self.tensor, slot)
        return self.tensor[slot : slot + 1], place

    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Detections:
        """See GraphModel. Only rows above the confidence are decoded."""
        (output,) = outputs.values()
        likely = above(output[0, :, 4], options.confidence)  # no class is more certain than the object
        rows = output[0, likely].astype(np.float32)
        certain = rows[:, 4] * rows[:, 5:].max(axis=1)
        found = above(certain, options.confidence)
        rows, likely = rows[found], likely[found]
        stride = self._strides[likely, None]
        centre = (rows[:, :2] + self._cells[likely]) * stride
        size = np.exp(np.minimum(rows[:, 2:4], LARGEST)) * stride
        classes = rows[:, 5:].argmax(axis=1).astype(np.int32)
        xyxy = corners(centre, size)
        return detections(xyxy, certain[found], classes, geometry, iou=options.iou, limit=options.max_detections)[0]

    def warm_up(self) -> None:
        """Run once. Raises ModelError for a graph whose boxes are decoded already, which only its numbers show."""
        super().warm_up()
        (output,) = self.engine.run({self.graph.input.name: self.tensor[:1]}).values()
        if np.median(np.abs(output[0, :, :2])) > 8:  # offsets within a cell are about 0 to 1, pixels far more
            raise ModelError(
                f"{self.graph.path}: shaped like YOLOX, but its boxes are in pixels; "
                "expected an undecoded export (tools/export_onnx.py without --decode_in_inference)"
            )


def _grid(size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The cell (x, y) and the stride of each row of the output."""
    cells, strides = [], []
    for stride in STRIDES:
        y, x = np.mgrid[: size[1] // stride, : size[0] // stride]
        cells.append(np.stack((x.ravel(), y.ravel()), axis=1))
        strides.append(np.full(x.size, stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)
