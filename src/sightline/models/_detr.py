"""Shared by detection transformers, which give a set of boxes without duplicates, each with a logit for every class."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.core.types import TensorSpec
from sightline.models._boxes import MAX_ROWS, above
from sightline.models._units import check_logits, check_shares
from sightline.models.base import Graph


@dataclass(frozen=True, slots=True)
class Queries:
    """The outputs of a detection transformer's graph."""

    boxes: TensorSpec
    """1 x N x 4: centre and size, as shares of the input."""
    logits: TensorSpec
    """1 x N x classes."""
    masks: TensorSpec | None
    """1 x N x h x w logits; None if the graph gives no masks."""


def queries(graph: Graph, names: tuple[tuple[str, str], ...]) -> Queries | None:
    """The outputs of the first pair of ``names`` (boxes, logits) whose shapes fit; None if there is no such pair."""
    outputs = graph.outputs
    for boxes, logits in names:
        if boxes not in outputs or logits not in outputs:
            continue
        box, logit = outputs[boxes], outputs[logits]
        count = box.shape[1] or 0 if len(box.shape) == 3 else 0
        if len(logit.shape) != 3 or logit.shape[1] != count or not logit.shape[2]:
            continue
        if not 1 <= count <= MAX_ROWS or box.shape[2] != 4 or {box.dtype, logit.dtype} - {"float32", "float16"}:
            continue
        masks = [o for o in outputs.values() if len(o.shape) == 4 and o.shape[1] == count]
        return Queries(box, logit, masks[0] if len(masks) == 1 else None)
    return None


def check(graph: Graph, found: Queries) -> None:
    """Raise ModelError if the numbers are others than a detection transformer's."""
    made = graph.trial()
    check_shares(graph, made[found.boxes.name][0])
    check_logits(graph, made[found.logits.name])


def likely(
    logits: NDArray[np.float32], confidence: float
) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.float32]]:
    """Rows, classes and certainties of all that pass, from N x classes logits. A row may occur with several classes."""
    if confidence <= 0 or confidence >= 1:
        least = -math.inf if confidence <= 0 else math.inf
    else:
        least = math.log(confidence / (1 - confidence))
    found = above(logits.ravel(), least)
    rows, classes = np.divmod(found, logits.shape[1])
    scores = 1 / (1 + np.exp(-logits.ravel()[found].clip(-80, 80)))
    return rows, classes.astype(np.int32), scores.astype(np.float32)
