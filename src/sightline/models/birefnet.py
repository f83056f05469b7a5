"""BiRefNet: a logit for each pixel to belong to what stands out.

One output 1 x 1 x H x W; ``input_image`` and ``output_image`` are its makers' names. Exports that end in a sigmoid give
shares. Input: RGB by ImageNet's mean and deviation, stretched to the input's size.
Source: https://github.com/ZhengPeng7/BiRefNet (MIT).
"""

from __future__ import annotations

from sightline.core.errors import ModelError
from sightline.core.types import Engine
from sightline.models._boxes import shares
from sightline.models._input import IMAGENET
from sightline.models._mask import Mask, mask_card, one_channel
from sightline.models.base import Graph

LAYOUTS = "input_image in and output_image 1 x 1 x H x W out; with other names --family birefnet"


def recognise(graph: Graph) -> bool:
    """Recognise a graph by its makers' names."""
    return fits(graph) and graph.input.name == "input_image" and one_channel(graph) == "output_image"


def fits(graph: Graph) -> bool:
    """Whether the shape fits."""
    return one_channel(graph) is not None


def build(graph: Graph, engine: Engine) -> Mask:
    """Build the model. Raises ModelError if the output or the labels don't fit."""
    name = one_channel(graph)
    if name is None:
        raise ModelError(f"{graph.path}: expected {LAYOUTS}")
    least = 0.5 if shares(graph.trial()[name]) else 0.0
    card = mask_card(graph, "birefnet", ("background", "object"), "salient objects (BiRefNet)")
    return Mask(card, graph, engine, IMAGENET, output=name, least=least)
