"""Ultralytics' exports: YOLOv5, v8 and 11, detection and instance segmentation. YOLOv7's layout is that of v5.

Input: RGB, 0 to 1, the picture in the middle on grey 114. Boxes come decoded, centre and size in pixels of the input.
The output is rows x (box, certainty of an object, classes, coefficients) in v5, and
(box, classes, coefficients) x rows in v8 and 11.
Source: https://docs.ultralytics.com/modes/export/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.predictions import Detections
from sightline.core.types import Engine, ModelCard, Task, TensorSpec
from sightline.models._boxes import Letterbox, above, anchors, corners, detections, final_rows, shares
from sightline.models._card import card_of
from sightline.models._instances import instance_map
from sightline.models._labels import labels_for, settled, told_labels
from sightline.models._units import check_certainties, check_pixels
from sightline.models.base import Geometry, Graph, GraphModel, Options, Portable

LAYOUTS = (
    "1 x (4 + classes) x N (YOLOv8, 11) or 1 x 3N x (5 + classes) (YOLOv5), N as the strides give; "
    "for instance segmentation 32 more values a box and a second output 1 x 32 x h x w"
)

STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
"""Strides of the usual models, and of those for larger inputs (P6) and smaller objects (P2)."""


@dataclass(frozen=True, slots=True)
class YoloLayout:
    """Layout of the outputs."""

    version: Literal["v5", "v8"]
    boxes: str
    """Name of the output with the boxes."""
    prototypes: str | None
    classes: int


def recognise(graph: Graph) -> bool:
    """Recognise a graph by shapes that fit the input's size, and by what says that its numbers are classes.

    Without names, poses and oriented boxes have the same shapes. Raises ModelError for another Ultralytics export.
    """
    exported = {"names", "stride"} <= graph.metadata.keys()
    task = graph.metadata.get("task", "detect")
    if exported and task not in ("detect", "segment"):
        raise ModelError(
            f"{graph.path}: an Ultralytics export for {task!r}; expected 'detect' or 'segment', such as "
            "yolo export model=yolo11n.pt format=onnx"
        )
    outputs = [o.shape for o in graph.outputs.values()]
    if len(outputs) == 2 and outputs[0] == outputs[1] and outputs[0][2:] == (anchors(graph.size, STRIDES[0]),):
        raise ModelError(
            f"{graph.path}: rows of boxes twice, as YOLOv9 has them for training: one of both is auxiliary. Export the "
            "converted weights (yolov9-c-converted.pt, or your own by its tools/reparameterization.ipynb)"
        )
    layout = layout_of(graph)
    if exported and layout is None and final_rows(graph) is None:
        shapes = "; ".join(map(str, graph.outputs.values()))
        raise ModelError(
            f"{graph.path}: an Ultralytics export whose outputs can't be read: {shapes}; expected {LAYOUTS} "
            "or final rows 1 x N x 6 (nms=True, or a model without NMS)"
        )
    if layout is None:
        return False
    if exported or layout.prototypes is not None:
        return True
    # With a single class there is no room for anything else.
    return (layout.classes == 1 or settled(graph.path, graph.metadata, layout.classes)) and _plausible(graph, layout)


def fits(graph: Graph) -> bool:
    """Whether shapes fit, and the numbers are shares where classes are."""
    layout = layout_of(graph)
    return layout is not None and _plausible(graph, layout)


def _plausible(graph: Graph, layout: YoloLayout) -> bool:
    output = graph.trial()[layout.boxes][0]
    if layout.version == "v8":
        return shares(output[4 : 4 + layout.classes])
    return shares(output[:, 4 : 5 + layout.classes])


def layout_of(graph: Graph) -> YoloLayout | None:
    """The layout of the graph's outputs; None if they have none of these layouts."""
    outputs = _without_heads(graph)
    boxes = [o for o in outputs if len(o.shape) == 3]
    prototypes = [o for o in outputs if len(o.shape) == 4]
    if len(boxes) != 1 or len(prototypes) > 1 or len(boxes) + len(prototypes) < len(outputs):
        return None
    if graph.input.dtype == "uint8" or graph.sizes is not None or graph.about:
        return None
    coefficients = (prototypes[0].shape[1] or 0) if prototypes else 0
    rows, columns = boxes[0].shape[1] or 0, boxes[0].shape[2] or 0
    counts = [anchors(graph.size, strides) for strides in STRIDES]
    version: Literal["v5", "v8"]
    if columns in counts:
        version, classes = "v8", rows - 4 - coefficients
    elif rows in [3 * count for count in counts]:
        version, classes = "v5", columns - 5 - coefficients
    else:
        return None
    if classes < 1:
        return None
    return YoloLayout(version, boxes[0].name, prototypes[0].name if prototypes else None, classes)


def _without_heads(graph: Graph) -> list[TensorSpec]:
    """The outputs, but for the grids that boxes were decoded from. YOLOv5 up to 6.1 and old YOLOv7 give them besides,
    and so does ``torch.onnx.export`` of a model that is not set to export."""
    outputs = list(graph.outputs.values())
    width, height = graph.size
    for strides in STRIDES:
        grids = [(height // stride, width // stride) for stride in strides]
        heads = [o for o in outputs if len(o.shape) > 3 and o.shape[2:4] in grids]
        if sorted(o.shape[2:4] for o in heads) == sorted(grids):
            return [o for o in outputs if o not in heads]
    return outputs


def build(graph: Graph, engine: Engine) -> Ultralytics:
    """Build the model. Raises ModelError if the outputs or the labels don't fit."""
    layout = layout_of(graph)
    if layout is None:
        raise ModelError(f"{graph.path}: expected {LAYOUTS}")
    made = graph.trial()[layout.boxes][0]
    rows = made.T if layout.version == "v8" else made
    check_pixels(graph, rows[:, :4])
    check_certainties(graph, rows[:, 4 : 4 + layout.classes])
    told = len(told_labels(graph.path, graph.metadata)[0])
    if 0 < told < layout.classes and layout.prototypes is None:
        raise ModelError(
            f"{graph.path}: {told} names, but room for {layout.classes} classes; the {layout.classes - told} more "
            "numbers may be an angle (oriented boxes) or keypoints (poses), which are not supported: expected the "
            "export of a detection model"
        )
    labels = labels_for(graph.path, graph.metadata, layout.classes)
    task: Task = "detect" if layout.prototypes is None else "segment"
    card = card_of(graph, "ultralytics", labels, f"Ultralytics {layout.version} export", task)
    return Ultralytics(replace(card, source=graph.metadata.get("docs", card.source)), graph, engine, layout)


class Ultralytics(GraphModel):
    """A detector, with a mask per instance if the graph gives prototypes."""

    def __init__(self, card: ModelCard, graph: Graph, engine: Engine, layout: YoloLayout) -> None:
        super().__init__(card, graph, engine)
        self._layout = layout
        self._input = Letterbox(rgb=True, scale=1 / 255, centred=True)

    @property
    def portable(self) -> Portable | None:
        """See Model. None for a model with masks."""
        layout = self._layout
        if layout.prototypes is not None:
            return None
        return Portable(
            *(self.graph.input, self.graph.size, layout.version, "centre", "rgb"),
            scale=1 / 255,
            details={"output": layout.boxes, "classes": layout.classes},
        )

    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Detections:
        """See GraphModel."""
        output = outputs[self._layout.boxes][0]
        read = self._v5 if self._layout.version == "v5" else self._v8
        box, scores, classes, coefficients = read(output, options.confidence)
        xyxy = corners(box[:, :2], box[:, 2:])
        found, kept = detections(xyxy, scores, classes, geometry, iou=options.iou, limit=options.max_detections)
        if self._layout.prototypes is None:
            return found
        prototypes = outputs[self._layout.prototypes][0].astype(np.float32, copy=False)
        mask = instance_map(coefficients[kept], prototypes, found.xyxy, geometry, self.graph.size)
        return replace(found, mask=mask)

    def _v8(self, output: NDArray[Any], confidence: float) -> Rows:
        certain = output[4 : 4 + self._layout.classes].astype(np.float32, copy=False)
        best = certain.max(axis=0)
        found = above(best, confidence)
        classes = certain[:, found].argmax(axis=0).astype(np.int32)
        box, coefficients = output[:4, found].T, output[4 + self._layout.classes :, found].T
        return box.astype(np.float32), best[found], classes, coefficients.astype(np.float32)

    def _v5(self, output: NDArray[Any], confidence: float) -> Rows:
        likely = above(output[:, 4], confidence)  # no class is more certain than the object
        rows = output[likely].astype(np.float32)
        classes = rows[:, 5 : 5 + self._layout.classes]
        certain = rows[:, 4] * classes.max(axis=1)
        found = above(certain, confidence)
        rows = rows[found]
        best = classes[found].argmax(axis=1).astype(np.int32)
        return rows[:, :4], certain[found], best, rows[:, 5 + self._layout.classes :]


Rows = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]
"""Boxes (centre and size), confidences, classes and coefficients of the rows that pass."""
