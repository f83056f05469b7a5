"""Shared by models that give one number for every pixel: how much it belongs to what stands out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.predictions import Segmentation
from sightline.core.types import Engine, ModelCard
from sightline.models._alpha import alpha_of_shares, segmentation_of
from sightline.models._card import card_of
from sightline.models._input import Input, Recipe, recipe_for
from sightline.models._labels import labels_for
from sightline.models.base import Geometry, Graph, GraphModel, Options


def one_channel(graph: Graph, count: int = 1) -> str | None:
    """Name of the first of ``count`` outputs, all 1 x 1 x H x W or 1 x H x W x 1 of the input's size; else None."""
    whole = ((1, *graph.size[::-1]), (*graph.size[::-1], 1))
    outputs = list(graph.outputs.values())
    if len(outputs) != count or graph.sizes is not None or graph.about:
        return None
    if any(one.shape[1:] not in whole or one.dtype not in ("float32", "float16") for one in outputs):
        return None
    return outputs[0].name


def mask_card(graph: Graph, family: str, labels: tuple[str, str], description: str) -> ModelCard:
    """The card. Names of classes that the file tells replace ``labels``."""
    return card_of(graph, family, labels_for(graph.path, graph.metadata, 2, (labels,)), description, task="segment")


class Mask(GraphModel):
    """A class for every pixel: 1 where the number is over ``least``, else 0."""

    def __init__(
        self, card: ModelCard, graph: Graph, engine: Engine, recipe: Recipe, *, output: str, least: float
    ) -> None:
        super().__init__(card, graph, engine)
        self._output = output
        self._least = least
        self._input = Input(recipe_for(graph.path, graph.metadata, recipe), graph.input.dtype)

    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Segmentation:
        """See GraphModel. Only the part of the input inside its border is read."""
        rows = slice(geometry.top, geometry.top + geometry.inner_height)
        columns = slice(geometry.left, geometry.left + geometry.inner_width)
        mask = outputs[self._output].reshape(self.graph.size[::-1])
        shown = mask[rows, columns].astype(np.float32)
        logits = np.stack((np.full_like(shown, self._least), shown))
        alpha = alpha_of_shares(shown) if self._least else None
        return segmentation_of(logits, geometry.width, geometry.height, alpha)
