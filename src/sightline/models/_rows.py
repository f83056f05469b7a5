"""Shared by detectors that need no more than boxes: a reader of the outputs makes a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.predictions import Detections
from sightline.core.types import Engine, ModelCard
from sightline.models._boxes import above, detections
from sightline.models._input import Input, Recipe, recipe_for
from sightline.models.base import Geometry, Graph, GraphModel, Options

MOST_CLASSES = 1_000_000

Rows: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Boxes N x 4 (corners in pixels of the input), confidences N and classes N."""
Reader: TypeAlias = Callable[[Mapping[str, NDArray[Any]], float], Rows]
"""Reads the rows out of the outputs; may leave out those below the confidence."""


class RowsModel(GraphModel):
    """A detector whose outputs a reader reads. Pages can't run it."""

    def __init__(
        self,
        card: ModelCard,
        graph: Graph,
        engine: Engine,
        recipe: Recipe,
        read: Reader,
        *,
        suppresses: bool,
        alone: bool = False,
    ) -> None:
        """``suppresses``: the graph gives duplicates, which are suppressed here. ``alone``: see GraphModel."""
        self.alone = alone
        super().__init__(card, graph, engine)
        self._read = read
        self._suppresses = suppresses
        self._input = Input(recipe_for(graph.path, graph.metadata, recipe), graph.input.dtype)

    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Detections:
        """See GraphModel. Raises ModelError for classes that are no whole numbers: then the columns mean others."""
        xyxy, scores, classes = self._read(outputs, options.confidence)
        if not whole(classes):
            raise ModelError(
                f"{self.card.name}: the numbers of its classes are not whole ones from 0; its outputs are not those of "
                f"the family {self.card.family}"
            )
        found = above(scores, options.confidence)
        return detections(
            xyxy[found].astype(np.float32),
            scores[found].astype(np.float32),
            class_ids(classes[found]),
            geometry,
            iou=options.iou if self._suppresses else None,
            limit=options.max_detections,
        )[0]


def whole(classes: NDArray[Any]) -> bool:
    """Whether numbers may be those of classes: whole ones from 0. Numbers that are not finite don't count."""
    if np.issubdtype(classes.dtype, np.integer):
        return bool((classes >= 0).all())
    finite = classes[np.isfinite(classes)]
    return bool(((finite >= 0) & (finite == np.rint(finite))).all())


def class_ids(classes: NDArray[Any]) -> NDArray[np.int32]:
    """Numbers of classes as such. Raises ModelError for what is none: not finite, or of millions."""
    if not (classes < MOST_CLASSES).all():  # written so that NaN does not pass
        raise ModelError(f"the model gave a class of the number {classes.max():g}: its numbers mean something else")
    return classes.astype(np.int32)


def best_classes(scores: NDArray[Any], confidence: float) -> tuple[NDArray[np.intp], NDArray[Any], NDArray[np.intp]]:
    """Rows of N x classes scores whose best class is likely enough, its confidence, and its number."""
    best = scores.max(axis=1)
    found = above(best, confidence)
    return found, best[found], scores[found].argmax(axis=1)
