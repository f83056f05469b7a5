"""RT-DETR, RT-DETRv2, D-FINE and DEIM: boxes from a transformer that finds each object once.

There are two kinds of exports. The authors' own has a second input ``orig_target_sizes``, the size that boxes are
scaled to, and gives ``labels`` (1 x N), ``boxes`` (1 x N x 4, corners) and ``scores`` (1 x N). Transformers' export
gives ``logits`` (1 x N x classes) and ``pred_boxes`` (1 x N x 4, centre and size as shares).
Input: RGB, 0 to 1, stretched to the input's size.
Sources: https://github.com/lyuwenyu/RT-DETR, https://github.com/Peterande/D-FINE (both Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.predictions import Detections
from sightline.core.types import Engine, ModelCard
from sightline.models._boxes import MAX_ROWS, above, corners, detections
from sightline.models._card import card_of
from sightline.models._detr import Queries, check, likely, queries
from sightline.models._input import Input, Recipe, recipe_for
from sightline.models._labels import labels_for, told_labels
from sightline.models._units import check_certainties, check_pixels
from sightline.models.base import Geometry, Graph, GraphModel, Options

LAYOUTS = (
    "images and orig_target_sizes in, labels 1 x N, boxes 1 x N x 4 and scores 1 x N out; "
    "or logits 1 x N x classes and pred_boxes 1 x N x 4, N at most 1,000"
)

MODEL_TYPES = ("rt_detr", "rt_detr_v2", "d_fine", "deim", "deimv2")
"""Names of these models in transformers' config.json."""
NAMES = (("pred_boxes", "logits"), ("pred_boxes", "pred_logits"))


def recognise(graph: Graph) -> bool:
    """Recognise a graph by shapes and names of its outputs, unless the metadata names another kind of model."""
    return fits(graph) and graph.metadata.get("model_type", MODEL_TYPES[0]) in MODEL_TYPES


def fits(graph: Graph) -> bool:
    """Whether shapes and names of the outputs fit, whatever the metadata says."""
    return _decoded(graph) or (graph.sizes is None and queries(graph, NAMES) is not None)


def build(graph: Graph, engine: Engine) -> RtDetr:
    """Build the model. Raises ModelError if the labels don't fit the graph."""
    found = None if _decoded(graph) else queries(graph, NAMES)
    if found is None:  # the graph does not tell how many classes there are
        labels = told_labels(graph.path, graph.metadata)[0]
        check_pixels(graph, graph.trial()["boxes"][0])
        check_certainties(graph, graph.trial()["scores"])
    else:
        check(graph, found)
        labels = labels_for(graph.path, graph.metadata, found.logits.shape[2] or 0)
    card = card_of(graph, "rtdetr", labels, "detection transformer (RT-DETR, D-FINE)")
    return RtDetr(card, graph, engine, found)


class RtDetr(GraphModel):
    """A detection transformer. It suppresses nothing, so ``iou`` has no effect."""

    def __init__(self, card: ModelCard, graph: Graph, engine: Engine, found: Queries | None) -> None:
        super().__init__(card, graph, engine)
        self._queries = found
        self._input = Input(recipe_for(graph.path, graph.metadata, Recipe()), graph.input.dtype)

    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Detections:
        """See GraphModel."""
        if self._queries is None:
            rows = above(outputs["scores"][0], options.confidence)
            classes = outputs["labels"][0, rows].astype(np.int32)
            scores = outputs["scores"][0, rows].astype(np.float32)
            xyxy = outputs["boxes"][0, rows].astype(np.float32)
        else:
            logits = outputs[self._queries.logits.name][0].astype(np.float32, copy=False)
            rows, classes, scores = likely(logits, options.confidence)
            box = outputs[self._queries.boxes.name][0, rows].astype(np.float32)
            xyxy = corners(box[:, :2], box[:, 2:]) * np.array(self.graph.size * 2, np.float32)
        return detections(xyxy, scores, classes, geometry, iou=None, limit=options.max_detections)[0]


def _decoded(graph: Graph) -> bool:
    """Whether the graph is the authors' own export."""
    if graph.sizes is None or not {"labels", "boxes", "scores"} <= graph.outputs.keys():
        return False
    boxes = graph.outputs["boxes"].shape
    one_each = [graph.outputs[name].shape for name in ("labels", "scores")]
    if len(boxes) != 3 or boxes[2] != 4 or not 1 <= (boxes[1] or 0) <= MAX_ROWS:
        return False
    return all(len(shape) == 2 and shape[1] == boxes[1] for shape in one_each)
