"""U2-Net and what follows it (U2-Netp, IS-Net): the share, 0 to 1, to which each pixel belongs to what stands out.

Seven outputs 1 x 1 x H x W, of which the first counts; exports of the first alone are to be said. Input: RGB by
ImageNet's mean and deviation, stretched to the input's size; for IS-Net say a mean of 0.5 and a deviation of 1.
Source: https://github.com/xuebinqin/U-2-Net (Apache-2.0).
"""

from __future__ import annotations

from sightline.core.errors import ModelError
from sightline.core.types import Engine
from sightline.models._boxes import shares
from sightline.models._input import IMAGENET
from sightline.models._mask import Mask, mask_card, one_channel
from sightline.models.base import Graph

LAYOUTS = "seven outputs 1 x 1 x H x W, shares; or one with --family u2net"

OUTPUTS = 7


def recognise(graph: Graph) -> bool:
    """Recognise a graph by its seven outputs of shares."""
    return one_channel(graph, OUTPUTS) is not None and fits(graph)


def fits(graph: Graph) -> bool:
    """Whether shapes fit and the numbers are shares."""
    name = one_channel(graph, OUTPUTS) or one_channel(graph)
    return name is not None and shares(graph.trial()[name])


def build(graph: Graph, engine: Engine) -> Mask:
    """Build the model. Raises ModelError if the outputs or the labels don't fit."""
    name = one_channel(graph, OUTPUTS) or one_channel(graph)
    if name is None:
        raise ModelError(f"{graph.path}: expected {LAYOUTS}")
    card = mask_card(graph, "u2net", ("background", "object"), "salient objects (U2-Net)")
    return Mask(card, graph, engine, IMAGENET, output=name, least=0.5)
