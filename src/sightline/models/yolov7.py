"""YOLOv7 and YOLOv6 with suppression in the graph (``--end2end --max-wh 640``): N x 7, no batch axis.

A row is batch, corners in pixels of the input, class, certainty. Exports for TensorRT have ``num_dets``, ``det_boxes``,
``det_scores`` and ``det_classes`` instead; other projects use these names for other inputs, so they are to be said.
Input: RGB, 0 to 1, the picture in the middle on grey 114.
Source: https://github.com/WongKinYiu/yolov7, export.py and models/experimental.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from sightline.core.types import Engine
from sightline.models._boxes import in_pixels, shares
from sightline.models._card import card_of
from sightline.models._input import Recipe
from sightline.models._labels import told_labels
from sightline.models._rows import Rows, RowsModel, whole
from sightline.models.base import Graph

LAYOUTS = (
    "N x 7 (batch, corners in pixels, class, certainty), from export.py --grid --end2end --max-wh 640; "
    "or num_dets, det_boxes, det_scores and det_classes with --family yolov7"
)

NAMES = ("output", "outputs", "num_dets")
"""Names of the output of rows; YOLOv6 calls it by the first name that it has for TensorRT."""
COLUMNS = 7
SEVERAL = {"num_dets", "det_boxes", "det_scores", "det_classes"}


def recognise(graph: Graph) -> bool:
    """Recognise a graph by its only output, N x 7 with any N, and its rows for a picture of noise, if there are any."""
    return len(graph.outputs) == 1 and next(iter(graph.outputs)) in NAMES and fits(graph)


def fits(graph: Graph) -> bool:
    """Whether shapes fit, and the rows of a picture of noise don't say otherwise."""
    if graph.sizes is not None or graph.about or graph.input.dtype == "uint8":
        return False
    if graph.outputs.keys() == SEVERAL:
        return True
    name = seven(graph)
    if name is None:
        return False
    rows = graph.trial()[name]
    return bool((rows[:, 0] == 0).all()) and whole(rows[:, 5]) and shares(rows[:, 6]) and in_pixels(rows[:, 1:5])


def seven(graph: Graph) -> str | None:
    """Name of a graph's only output if that is N x 7; None otherwise. A single row is what classifiers give."""
    outputs = list(graph.outputs.values())
    if len(outputs) != 1 or len(outputs[0].shape) != 2 or outputs[0].shape[0] == 1 or outputs[0].shape[1] != COLUMNS:
        return None
    return outputs[0].name


def build(graph: Graph, engine: Engine) -> RowsModel:
    """Build the model. The graph does not tell its classes."""
    labels = told_labels(graph.path, graph.metadata)[0]
    card = card_of(graph, "yolov7", labels, "YOLOv7 detector with suppression")
    several = graph.outputs.keys() == SEVERAL
    read = _several if several else _read
    return RowsModel(card, graph, engine, Recipe(fit="centre"), read, suppresses=False, alone=True)


def _read(outputs: Mapping[str, NDArray[Any]], confidence: float) -> Rows:
    (rows,) = outputs.values()
    return rows[:, 1:5], rows[:, 6], rows[:, 5]


def _several(outputs: Mapping[str, NDArray[Any]], confidence: float) -> Rows:
    count = int(outputs["num_dets"].reshape(-1)[0])
    return outputs["det_boxes"][0, :count], outputs["det_scores"][0, :count], outputs["det_classes"][0, :count]
