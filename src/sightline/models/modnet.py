"""MODNet: the share, 0 to 1, to which each pixel belongs to a person.

One output 1 x 1 x H x W. Transformers' config.json beside it names the model; without that it is to be said.
Input: RGB, -1 to 1, stretched to the input's size. Source: https://github.com/ZHKKKe/MODNet, onnx/ (Apache-2.0).
"""

from __future__ import annotations

from sightline.core.errors import ModelError
from sightline.core.types import Engine
from sightline.models._boxes import shares
from sightline.models._input import Recipe
from sightline.models._mask import Mask, mask_card, one_channel
from sightline.models.base import Graph

LAYOUTS = "one output 1 x 1 x H x W, shares, with 'modnet' in config.json; or --family modnet"

RECIPE = Recipe(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def recognise(graph: Graph) -> bool:
    """Recognise a graph by the kind of model that the files beside it name."""
    return graph.metadata.get("model_type", "").lower() == "modnet" and fits(graph)


def fits(graph: Graph) -> bool:
    """Whether the shape fits and the numbers are shares."""
    name = one_channel(graph)
    return name is not None and shares(graph.trial()[name])


def build(graph: Graph, engine: Engine) -> Mask:
    """Build the model. Raises ModelError if the output or the labels don't fit."""
    name = one_channel(graph)
    if name is None:
        raise ModelError(f"{graph.path}: expected {LAYOUTS}")
    card = mask_card(graph, "modnet", ("background", "person"), "people (MODNet)")
    return Mask(card, graph, engine, RECIPE, output=name, least=0.5)
