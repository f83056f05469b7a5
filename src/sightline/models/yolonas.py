"""YOLO-NAS, and other detectors of super-gradients, as ``model.export`` writes them.

With suppression in the graph it gives ``num_predictions`` (1 x 1), ``pred_boxes`` (1 x N x 4, corners in pixels of the
input), ``pred_scores`` and ``pred_classes`` (1 x N), or ``flat_predictions``, N x 7: batch, corners, certainty, class.
Without (``postprocessing=None``) it gives boxes 1 x N x 4 and scores 1 x N x classes.
Input: RGB as bytes, which the graph scales, or 0 to 1; the picture in the middle on grey 114.
Source: https://github.com/Deci-AI/super-gradients, documentation/source/models_export.md (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from sightline.core.types import Engine
from sightline.models._boxes import in_pixels, shares
from sightline.models._card import card_of
from sightline.models._input import Recipe
from sightline.models._labels import labels_for, told_labels
from sightline.models._rows import Reader, Rows, RowsModel, whole
from sightline.models._scored import scored_boxes
from sightline.models._units import check_certainties, check_pixels
from sightline.models.base import Graph

LAYOUTS = (
    "num_predictions, pred_boxes, pred_scores and pred_classes; or flat_predictions N x 7 of a graph that takes bytes; "
    "or boxes 1 x N x 4, then scores 1 x N x classes, with --family yolonas"
)

BATCH = ("num_predictions", "pred_boxes", "pred_scores", "pred_classes")
FLAT = "flat_predictions"


def recognise(graph: Graph) -> bool:
    """Recognise a graph by the ends of its outputs' names."""
    if graph.sizes is not None or graph.about:
        return False
    return bool(_batch(graph)) or (_flat(graph) is not None and next(iter(graph.outputs)).endswith(FLAT))


def fits(graph: Graph) -> bool:
    """Whether names or shapes fit."""
    raw = scored_boxes(graph)
    return recognise(graph) or _flat(graph) is not None or (raw is not None and raw.boxes_first)


def build(graph: Graph, engine: Engine) -> RowsModel:
    """Build the model. Raises ModelError if the labels don't fit."""
    labels = told_labels(graph.path, graph.metadata)[0]
    raw = scored_boxes(graph)
    batch, flat = _batch(graph), _flat(graph)
    read: Reader
    if batch:
        count, boxes, scores, _ = (graph.trial()[name] for name in batch)
        check_pixels(graph, boxes[0, : int(count.reshape(-1)[0])])
        check_certainties(graph, scores[0, : int(count.reshape(-1)[0])])
        read = _batch_reader(batch)
    elif flat is not None:
        read = _read_flat
    else:
        assert raw is not None
        labels, read = labels_for(graph.path, graph.metadata, raw.classes), raw.read
    card = card_of(graph, "yolonas", labels, "YOLO-NAS detector")
    suppresses = not batch and flat is None
    return RowsModel(card, graph, engine, Recipe(fit="centre"), read, suppresses=suppresses, alone=flat is not None)


def _batch(graph: Graph) -> tuple[str, ...]:
    """Names of the four outputs in the order of BATCH; () if they are others."""
    found = [name for end in BATCH for name in graph.outputs if name.endswith(end)]
    return tuple(found) if len(found) == len(BATCH) == len(graph.outputs) else ()


def _flat(graph: Graph) -> str | None:
    """Name of the only output if it is N x 7 as here; None otherwise."""
    outputs = list(graph.outputs.values())
    if len(outputs) != 1 or graph.sizes is not None or graph.about:
        return None
    if len(outputs[0].shape) != 2 or outputs[0].shape[0] == 1 or outputs[0].shape[1] != 7:
        return None
    if graph.input.dtype != "uint8" and not outputs[0].name.endswith(FLAT):
        return None
    rows = graph.trial()[outputs[0].name]
    return outputs[0].name if whole(rows[:, 6]) and shares(rows[:, 5]) and in_pixels(rows[:, 1:5]) else None


def _batch_reader(names: tuple[str, ...]) -> Reader:
    def read(outputs: Mapping[str, NDArray[Any]], confidence: float) -> Rows:
        count, boxes, scores, classes = (outputs[name] for name in names)
        rows = slice(int(count.reshape(-1)[0]))  # the rest is -1
        return boxes[0, rows], scores[0, rows], classes[0, rows]

    return read


def _read_flat(outputs: Mapping[str, NDArray[Any]], confidence: float) -> Rows:
    (rows,) = outputs.values()
    return rows[:, 1:5], rows[:, 5], rows[:, 6]
