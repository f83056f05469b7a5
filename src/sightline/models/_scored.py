"""Outputs of two kinds: boxes 1 x N x 4, corners in pixels of the input, and scores 1 x N x classes, for each cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from sightline.models._boxes import anchors, in_pixels, shares
from sightline.models._rows import Rows, best_classes
from sightline.models.base import Graph


@dataclass(frozen=True, slots=True)
class ScoredBoxes:
    """The two outputs."""

    boxes: str
    scores: str
    classes: int
    boxes_first: bool

    def read(self, outputs: Mapping[str, NDArray[Any]], confidence: float) -> Rows:
        """Read the rows: see ``_rows.Reader``."""
        found, scores, classes = best_classes(outputs[self.scores][0], confidence)
        return outputs[self.boxes][0, found], scores, classes


def scored_boxes(graph: Graph) -> ScoredBoxes | None:
    """What a graph's outputs are; None if shapes or numbers are others."""
    outputs = list(graph.outputs.values())
    if len(outputs) != 2 or graph.sizes is not None or graph.about or "sightline" in graph.metadata:
        return None
    count = anchors(graph.size, (8, 16, 32))
    if any(len(one.shape) != 3 or one.shape[1] != count or one.dtype[:5] != "float" for one in outputs):
        return None
    columns = [one.shape[2] or 0 for one in outputs]
    if columns.count(4) != 1 or 0 in columns:
        return None
    first = columns[0] == 4
    boxes, scores = outputs if first else outputs[::-1]
    if not shares(graph.trial()[scores.name]) or not in_pixels(graph.trial()[boxes.name][0]):
        return None
    return ScoredBoxes(boxes.name, scores.name, scores.shape[2] or 0, first)
