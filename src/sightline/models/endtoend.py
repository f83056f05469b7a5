"""YOLO models that need no NMS, or have it in the graph: YOLOv10, YOLO26, Ultralytics exports with ``nms=True``.

Output: 1 x N x (x1, y1, x2, y2, certainty, class), in pixels of the input; with masks K more values a row and a second
output 1 x K x h x w. Input: RGB, 0 to 1, the picture in the middle on grey 114. The graph does not tell its classes:
their names come from the metadata or a file beside the graph, else they are numbered.
Source: https://docs.ultralytics.com/modes/export/, https://github.com/THU-MIG/yolov10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.predictions import Detections
from sightline.core.types import Engine, ModelCard
from sightline.models._boxes import above, detections, final_rows, in_pixels, shares
from sightline.models._card import card_of
from sightline.models._input import Input, Recipe, recipe_for
from sightline.models._instances import instance_map
from sightline.models._labels import told_labels
from sightline.models._rows import class_ids, whole
from sightline.models.base import Geometry, Graph, GraphModel, Options, Portable

LAYOUTS = (
    "1 x N x 6 (corners in pixels, certainty, class), N at most 1,000; "
    "for instance segmentation K more values a row and a second output 1 x K x h x w"
)


def recognise(graph: Graph) -> bool:
    """Recognise a graph by its outputs' shapes, and by Ultralytics' metadata or rows that are what they should be."""
    found = final_rows(graph)
    if found is None or not fits(graph):
        return False
    return {"names", "stride"} <= graph.metadata.keys() or bool(graph.trial()[found[0]][0].any())


def fits(graph: Graph) -> bool:
    """Whether shapes fit, and the rows of a picture of noise don't say otherwise. They may be none."""
    found = final_rows(graph)
    if found is None or graph.sizes is not None or graph.about:
        return False
    rows = graph.trial()[found[0]][0]
    return shares(rows[:, 4]) and whole(rows[:, 5]) and in_pixels(rows[:, :4])


def build(graph: Graph, engine: Engine) -> EndToEnd:
    """Build the model. Raises ModelError if the outputs don't fit."""
    found = final_rows(graph)
    if found is None:
        raise ModelError(f"{graph.path}: expected {LAYOUTS}")
    labels = told_labels(graph.path, graph.metadata)[0]
    card = card_of(graph, "endtoend", labels, "YOLO without NMS", "detect" if found[1] is None else "segment")
    return EndToEnd(replace(card, source=graph.metadata.get("docs", card.source)), graph, engine, *found)


class EndToEnd(GraphModel):
    """A detector whose graph gives final boxes. It suppresses nothing, so ``iou`` has no effect."""

    _input: Input

    def __init__(self, card: ModelCard, graph: Graph, engine: Engine, rows: str, prototypes: str | None) -> None:
        super().__init__(card, graph, engine)
        self._rows, self._prototypes = rows, prototypes
        self._input = Input(recipe_for(graph.path, graph.metadata, Recipe(fit="centre")), graph.input.dtype)

    @property
    def portable(self) -> Portable | None:
        """See Model. None for a model with masks."""
        return None if self._prototypes else self._input.portable(self.graph, "final_rows", output=self._rows)

    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Detections:
        """See GraphModel."""
        output = outputs[self._rows][0]
        if not whole(output[:, 5]):
            raise ModelError(
                f"{self.graph.path}: shaped like a YOLO without NMS, but its rows don't end in the number of a class; "
                "expected x1, y1, x2, y2, certainty, class"
            )
        rows = output[above(output[:, 4], options.confidence)].astype(np.float32)
        rows = rows[np.isfinite(rows).all(axis=1)]
        classes = class_ids(rows[:, 5])
        found, kept = detections(rows[:, :4], rows[:, 4], classes, geometry, iou=None, limit=options.max_detections)
        if self._prototypes is None:
            return found
        prototypes = outputs[self._prototypes][0].astype(np.float32, copy=False)
        mask = instance_map(rows[kept, 6:], prototypes, found.xyxy, geometry, self.graph.size)
        return replace(found, mask=mask)
