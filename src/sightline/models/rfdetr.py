"""RF-DETR and LW-DETR: boxes, and in the -seg models masks, from a transformer that finds each object once.

Outputs: ``dets`` (1 x N x 4: centre and size as shares) and ``labels`` (1 x N x classes, logits), in the -seg models
also ``masks`` (1 x N x h x w, logits); transformers names them ``pred_boxes`` and ``logits``. A model trained on COCO
has 91 classes, numbered with gaps as in COCO's own files; they become the usual 80. A fine-tuned model has a last class
that means nothing. Input: RGB by ImageNet's mean and standard deviation, stretched to the input's size.
Source: https://github.com/roboflow/rf-detr (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.predictions import Detections
from sightline.core.types import Engine, ModelCard, Task
from sightline.models._boxes import corners, detections
from sightline.models._card import card_of
from sightline.models._data_sets import COCO_IDS
from sightline.models._detr import Queries, check, likely, queries
from sightline.models._input import IMAGENET, Input, recipe_for
from sightline.models._instances import instance_map
from sightline.models._labels import COCO, labels_for, told_labels
from sightline.models.base import Geometry, Graph, GraphModel, Options

LAYOUTS = (
    "dets 1 x N x 4 and labels 1 x N x classes, for instance segmentation masks 1 x N x h x w too; "
    "or pred_boxes and logits, N at most 1,000"
)

MODEL_TYPES = ("rf_detr", "lw_detr")
"""Names of these models in transformers' config.json."""
NAMES = (("dets", "labels"), ("pred_boxes", "logits"), ("pred_boxes", "pred_logits"))
COCO_CHANNELS = 91


def recognise(graph: Graph) -> bool:
    """Recognise a graph by shapes and names of its outputs, unless the metadata names another kind of model."""
    return fits(graph) and graph.metadata.get("model_type", MODEL_TYPES[0]) in MODEL_TYPES


def fits(graph: Graph) -> bool:
    """Whether shapes and names of the outputs fit, whatever the metadata says."""
    return graph.sizes is None and queries(graph, NAMES) is not None


def build(graph: Graph, engine: Engine) -> RfDetr:
    """Build the model. Raises ModelError if the outputs or the labels don't fit."""
    found = queries(graph, NAMES)
    if found is None:
        raise ModelError(f"{graph.path}: expected {LAYOUTS}")
    check(graph, found)
    channels = found.logits.shape[2] or 0
    told = told_labels(graph.path, graph.metadata)[0]
    ids = np.arange(channels)
    if channels == COCO_CHANNELS and len(told) in (0, len(COCO)):
        ids, labels = np.array(COCO_IDS), told or COCO
    elif len(told) == channels - 1:
        ids, labels = ids[:-1], told
    else:
        labels = labels_for(graph.path, graph.metadata, channels)
    task: Task = "detect" if found.masks is None else "segment"
    card = card_of(graph, "rfdetr", labels, "detection transformer (RF-DETR)", task)
    return RfDetr(card, graph, engine, found, ids)


class RfDetr(GraphModel):
    """A detection transformer. It suppresses nothing, so ``iou`` has no effect."""

    def __init__(self, card: ModelCard, graph: Graph, engine: Engine, found: Queries, ids: NDArray[np.intp]) -> None:
        super().__init__(card, graph, engine)
        self._queries = found
        self._ids = ids
        self._input = Input(recipe_for(graph.path, graph.metadata, IMAGENET), graph.input.dtype)

    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Detections:
        """See GraphModel."""
        logits = outputs[self._queries.logits.name][0][:, self._ids].astype(np.float32, copy=False)
        rows, classes, scores = likely(logits, options.confidence)
        box = outputs[self._queries.boxes.name][0, rows].astype(np.float32)
        xyxy = corners(box[:, :2], box[:, 2:]) * np.array(self.graph.size * 2, np.float32)
        found, kept = detections(xyxy, scores, classes, geometry, iou=None, limit=options.max_detections)
        if self._queries.masks is None:
            return found
        masks = outputs[self._queries.masks.name][0, rows[kept]].astype(np.float32, copy=False)
        own = np.eye(len(masks), dtype=np.float32)  # each row's mask is exactly one of the prototypes
        mask = instance_map(own, masks, found.xyxy, geometry, self.graph.size)
        return replace(found, mask=mask)
