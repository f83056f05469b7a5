"""torchvision's detectors (Faster R-CNN, RetinaNet, FCOS, SSD, Mask R-CNN): boxes, labels and scores, no batch axis.

Outputs: ``boxes`` N x 4 (corners in pixels of the input), ``labels`` N, ``scores`` N; further ones are left alone.
Label 0 is the background. Input: RGB, 0 to 1, with or without a batch axis, stretched to the input's size; the graph
scales and normalises by itself. Source: https://docs.pytorch.org/vision/stable/models.html#object-detection
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from sightline.core.types import Engine
from sightline.models._boxes import in_pixels
from sightline.models._card import card_of
from sightline.models._input import Recipe
from sightline.models._labels import told_labels
from sightline.models._rows import Rows, RowsModel
from sightline.models.base import Graph

LAYOUTS = "boxes N x 4, labels N and scores N, no batch axis; with other names, in this order, --family torchvision"

NAMES = ("boxes", "labels", "scores")
BACKGROUND = ("__background__", "background")


def recognise(graph: Graph) -> bool:
    """Recognise a graph by its outputs' names and shapes."""
    return _names(graph) == NAMES


def fits(graph: Graph) -> bool:
    """Whether the shapes fit."""
    return bool(_names(graph))


def build(graph: Graph, engine: Engine) -> RowsModel:
    """Build the model. Names of classes may begin with the background or without it."""
    boxes, labels, scores = _names(graph)
    told = told_labels(graph.path, graph.metadata)[0]
    first = 1 if told and told[0].lower() not in BACKGROUND else 0

    def read(outputs: Mapping[str, NDArray[Any]], confidence: float) -> Rows:
        classes = outputs[labels] - first
        found = classes >= 0
        return outputs[boxes][found], outputs[scores][found], classes[found]

    card = card_of(graph, "torchvision", told, "torchvision detector")
    return RowsModel(card, graph, engine, Recipe(), read, suppresses=False, alone=True)


def _names(graph: Graph) -> tuple[str, ...]:
    """Names of the outputs with boxes, labels and scores; () if shapes or numbers are others."""
    if graph.sizes is not None or graph.about:
        return ()
    named = graph.outputs.keys() >= set(NAMES)
    names = NAMES if named else tuple(graph.outputs)[:3]
    if len(names) < 3:
        return ()
    boxes, labels, scores = (graph.outputs[name] for name in names)
    whole = labels.dtype in ("int64", "int32")
    ranks = len(boxes.shape), len(labels.shape), len(scores.shape)
    if ranks != (2, 1, 1) or boxes.shape[1] != 4 or not whole or scores.dtype[:5] != "float":
        return ()
    return names if in_pixels(graph.trial()[boxes.name]) else ()
