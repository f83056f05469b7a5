"""Detectors made by ``sightline train detect``: boxes in pixels of the input, and scores from 0 to 1.

Input: BGR as uint8, the picture at the top left on grey 114; the graph scales the values. Outputs: boxes with a row per
cell, scores with a column per cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.predictions import Detections
from sightline.core.types import Engine, ModelCard
from sightline.models._boxes import Letterbox, above, detections
from sightline.models._card import trained_card_of
from sightline.models._labels import labels_for
from sightline.models.base import Geometry, Graph, GraphModel, Options, Portable

SURE = 0.25
"""Confidence from which a cell has one class. Who wants boxes of less has all that a thing may be."""
LAYOUTS = "boxes 1 x N x 4 and scores 1 x classes x N, as `sightline train detect` writes them"


def recognise(graph: Graph) -> bool:
    """Recognise a graph by the mark that the training leaves in the file."""
    return graph.metadata.get("sightline") == "detect" and {"boxes", "scores"} == graph.outputs.keys()


def build(graph: Graph, engine: Engine) -> Detector:
    """Build the model. Raises ModelError if the labels don't fit the graph."""
    labels = labels_for(graph.path, graph.metadata, graph.outputs["scores"].shape[1] or 0)
    return Detector(trained_card_of(graph, "detector", labels, "detect"), graph, engine)


class Detector(GraphModel):
    """A detector made by ``sightline train detect``."""

    def __init__(self, card: ModelCard, graph: Graph, engine: Engine) -> None:
        super().__init__(card, graph, engine)
        self._input = Letterbox(rgb=False, scale=1.0, centred=False)

    @property
    def portable(self) -> Portable:
        """See Model."""
        return Portable(self.graph.input, self.graph.size, "detector", "letterbox", "bgr")

    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Detections:
        """See GraphModel."""
        cells, classes, scores = readings(outputs["scores"][0], options.confidence)
        xyxy = np.asarray(outputs["boxes"][0, cells], np.float32)
        limit = options.max_detections
        return detections(xyxy, scores, classes, geometry, iou=options.iou, limit=limit, averaged=True)[0]


def readings(
    scores: NDArray[Any], confidence: float
) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.float32]]:
    """Cells, classes and scores of what is at least so confident, from scores of classes x cells.

    A cell has one class, the best; one that is not SURE has all that it may be.
    """
    best = scores.max(axis=0)
    cells = above(best, confidence)
    found = scores[:, cells].T
    said = (found >= confidence) & (best[cells, None] < SURE)
    said[np.arange(len(cells)), found.argmax(axis=1)] = True
    at, classes = np.nonzero(said)
    chosen = above(found[at, classes], confidence)
    at, classes = at[chosen], classes[chosen]
    return cells[at], classes.astype(np.int32), np.asarray(found[at, classes], np.float32)
