"""DAMO-YOLO: scores 1 x N x classes, then boxes 1 x N x 4 (corners in pixels of the input).

Input: RGB, 0 to 255, the picture at the top left on black.
Source: https://github.com/tinyvision/DAMO-YOLO, tools/converter.py and tools/demo.py (Apache-2.0).
"""

from __future__ import annotations

from sightline.core.errors import ModelError
from sightline.core.types import Engine
from sightline.models._card import card_of
from sightline.models._input import Recipe
from sightline.models._labels import labels_for, settled
from sightline.models._rows import RowsModel
from sightline.models._scored import scored_boxes
from sightline.models.base import Graph

LAYOUTS = "scores 1 x N x classes named 'output', then boxes 1 x N x 4, N as strides 8, 16 and 32 give"


def recognise(graph: Graph) -> bool:
    """Recognise a graph by its first output's name, and known classes."""
    found = scored_boxes(graph)
    if found is None or found.boxes_first or found.scores != "output":
        return False
    return settled(graph.path, graph.metadata, found.classes)


def fits(graph: Graph) -> bool:
    """Whether shapes, their order and the numbers fit."""
    found = scored_boxes(graph)
    return found is not None and not found.boxes_first


def build(graph: Graph, engine: Engine) -> RowsModel:
    """Build the model. Raises ModelError if the outputs or the labels don't fit."""
    found = scored_boxes(graph)
    if found is None:
        raise ModelError(f"{graph.path}: expected {LAYOUTS}")
    card = card_of(graph, "damoyolo", labels_for(graph.path, graph.metadata, found.classes), "DAMO-YOLO detector")
    recipe = Recipe(fit="letterbox", scale=1.0, pad=0)
    return RowsModel(card, graph, engine, recipe, found.read, suppresses=True)
