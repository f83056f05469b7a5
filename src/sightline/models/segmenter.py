"""Segmenters made by ``sightline train segment``: logits of every class at every pixel of the input.

Input: BGR as uint8, the picture at the top left on grey 114; the graph scales the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from sightline.core.predictions import Segmentation
from sightline.core.types import Engine, ModelCard
from sightline.models._alpha import segmentation_of
from sightline.models._boxes import Letterbox
from sightline.models._card import trained_card_of
from sightline.models._labels import labels_for
from sightline.models.base import Geometry, Graph, GraphModel, Options, Portable

LAYOUTS = "logits 1 x classes x H x W, as `sightline train segment` writes them"


def recognise(graph: Graph) -> bool:
    """Recognise a graph by the mark that the training leaves in the file."""
    return graph.metadata.get("sightline") == "segment" and {"logits"} == graph.outputs.keys()


def build(graph: Graph, engine: Engine) -> Segmenter:
    """Build the model. Raises ModelError if the labels don't fit the graph."""
    labels = labels_for(graph.path, graph.metadata, graph.outputs["logits"].shape[1] or 0)
    return Segmenter(trained_card_of(graph, "segmenter", labels, "segment"), graph, engine)


class Segmenter(GraphModel):
    """A segmenter made by ``sightline train segment``."""

    def __init__(self, card: ModelCard, graph: Graph, engine: Engine) -> None:
        super().__init__(card, graph, engine)
        self._input = Letterbox(rgb=False, scale=1.0, centred=False)

    @property
    def portable(self) -> Portable:
        """See Model."""
        return Portable(
            *(self.graph.input, self.graph.size, "semantic", "letterbox", "bgr"),
            details={"output": "logits", "axes": "chw"},
        )

    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Segmentation:
        """See GraphModel. Only the part of the input inside its grey border is read."""
        inside = outputs["logits"][0, :, : geometry.inner_height, : geometry.inner_width]
        return segmentation_of(inside, geometry.width, geometry.height)
