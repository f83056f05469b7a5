"""Semantic segmentation: a class for every pixel, as logits or as a map of class ids.

Logits are 1 x classes x H x W or 1 x H x W x classes, at any resolution in proportion to the input's; maps are
1 x H x W or 1 x 1 x H x W of whole numbers. Examples are DeepLab, LRASPP, SegFormer, PP-LiteSeg and mmsegmentation's
exports.
Input: RGB by ImageNet's mean and standard deviation, stretched to the input's size, unless the metadata (``mean``,
``std``, ``scale``, ``order``, ``fit``) says otherwise.
Sources: https://docs.pytorch.org/vision/stable/models.html, https://huggingface.co/docs/transformers/model_doc/segformer
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.predictions import NOTHING, Segmentation
from sightline.core.types import Engine, ModelCard, TensorSpec
from sightline.models._alpha import segmentation_of
from sightline.models._card import card_of
from sightline.models._data_sets import ADE, VOC
from sightline.models._input import IMAGENET, Input, recipe_for
from sightline.models._labels import labels_for, told_labels
from sightline.models.base import Geometry, Graph, GraphModel, Options, Portable

LAYOUTS = (
    "logits 1 x classes x H x W or 1 x H x W x classes, 2 to 255 classes, H and W in proportion to the input's; "
    "or class ids 1 x H x W or 1 x 1 x H x W, whole numbers"
)

MOST_CLASSES = 255
"""Maximum number of classes; the value 255 stands for no class."""
WIDEST = 32
"""Maximum number of input pixels along a side that one output pixel covers."""
WIDEST_OF_IDS = 8
"""The same for class ids."""
DISTANCES = re.compile("depth|dispar|distance|height", re.IGNORECASE)
"""Names of outputs whose whole numbers are no classes."""
MODEL_TYPES = ("segformer", "upernet")
"""Names of models in transformers' config.json that are semantic segmentation."""
NAMED = ("out", "logits", "semantic", "seg")
"""Names of outputs that hold logits, at any resolution."""
MAIN = (*NAMED, "output")
"""Names that select one of several outputs; torchvision's models have ``aux`` besides ``out``."""


@dataclass(frozen=True, slots=True)
class SemanticLayout:
    """Layout of the output."""

    name: str
    axes: Literal["chw", "hwc", "map"]
    classes: int
    """Number of classes; 0 if the output does not tell."""


def recognise(graph: Graph) -> bool:
    """Recognise a graph by its output's shape and by what says that its numbers are classes.

    Heat maps, detectors' grids and pictures have the same shapes. What tells: class ids, names of classes,
    transformers' files, or logits of a known data set under a name in NAMED or at the input's size.
    Raises ModelError if the layout can be read in two ways.
    """
    if "sightline" in graph.metadata or not fits(graph):
        return False
    told = told_labels(graph.path, graph.metadata)[0]
    (layout,) = layouts_of(graph)
    ids = layout.axes == "map" and graph.outputs[layout.name].dtype != "uint8"  # bytes may be a picture
    if ids or told or "layout" in graph.metadata or graph.metadata.get("model_type") in MODEL_TYPES:
        return True
    shape = graph.outputs[layout.name].shape
    whole = (shape[1:3] if layout.axes == "hwc" else shape[2:4]) == graph.size[::-1]
    return layout.classes in (len(VOC), len(ADE)) and (layout.name in NAMED or whole)


def fits(graph: Graph) -> bool:
    """Whether the output's shape fits. Raises ModelError if it can be read in two ways."""
    layouts = layouts_of(graph)
    if len(layouts) > 1:
        raise ModelError(
            f"{graph.path}: its output {graph.outputs[layouts[0].name]} may be classes x H x W or H x W x classes; "
            "expected metadata 'layout', chw or hwc, or the names of its classes"
        )
    return bool(layouts)


def layouts_of(graph: Graph) -> list[SemanticLayout]:
    """All layouts that the graph's output may have."""
    output = _main(graph)
    if output is None or graph.sizes is not None or graph.about:
        return []
    shape = [side or 0 for side in output.shape[1:]]
    if output.dtype in ("int64", "int32", "uint8", "bool"):
        flat = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape
        told = told_labels(graph.path, graph.metadata)[0]
        covers = len(flat) == 2 and _similar(flat, graph.size) and graph.size[0] / flat[1] <= WIDEST_OF_IDS
        covers = covers and not DISTANCES.search(output.name)
        return [SemanticLayout(output.name, "map", len(told))] if covers else []
    if len(shape) != 3 or output.dtype not in ("float32", "float16"):
        return []
    found: list[SemanticLayout] = []
    if 2 <= shape[0] <= MOST_CLASSES and _similar(shape[1:], graph.size):
        found.append(SemanticLayout(output.name, "chw", shape[0]))
    if 2 <= shape[2] <= MOST_CLASSES and _similar(shape[:2], graph.size):
        found.append(SemanticLayout(output.name, "hwc", shape[2]))
    told_axes = graph.metadata.get("layout", "").lower().removeprefix("n")
    names = len(told_labels(graph.path, graph.metadata)[0])
    by_axes = [one for one in found if one.axes == told_axes]
    return by_axes or [one for one in found if one.classes == names] or found


def _main(graph: Graph) -> TensorSpec | None:
    """The output with the classes: the only one, or the one of several that has a name in MAIN. None if unclear."""
    outputs = list(graph.outputs.values())
    if len(outputs) == 1:
        return outputs[0]
    named = [output for output in outputs if output.name in MAIN]
    alike = all(len(output.shape) == len(outputs[0].shape) for output in outputs)
    return named[0] if alike and len(named) == 1 else None


def _similar(sides: list[int], size: tuple[int, int]) -> bool:
    """Whether an output of height x width may cover an input of width x height."""
    if len(sides) != 2 or min(sides) < 2:
        return False
    down, across = size[1] / sides[0], size[0] / sides[1]
    return max(down, across) <= WIDEST and abs(sides[1] - size[0] / down) <= 1.01


def build(graph: Graph, engine: Engine) -> Semantic:
    """Build the model. Raises ModelError if the output or the labels don't fit."""
    layouts = layouts_of(graph)
    if len(layouts) != 1:
        raise ModelError(f"{graph.path}: expected {LAYOUTS}")
    (layout,) = layouts
    labels = labels_for(graph.path, graph.metadata, layout.classes, (VOC, ADE)) if layout.classes else ()
    card = card_of(graph, "semantic", labels, "semantic segmentation", "segment")
    return Semantic(card, graph, engine, layout)


class Semantic(GraphModel):
    """Semantic segmentation. From an output of class ids, the map has the output's pixels without its grey border.

    From logits, the map is as large as the picture, at most 640 a side, or as the output: see ``class_map``.
    """

    _input: Input

    def __init__(self, card: ModelCard, graph: Graph, engine: Engine, layout: SemanticLayout) -> None:
        super().__init__(card, graph, engine)
        self._layout = layout
        self._input = Input(recipe_for(graph.path, graph.metadata, IMAGENET), graph.input.dtype)

    @property
    def portable(self) -> Portable:
        """See Model."""
        return self._input.portable(self.graph, "semantic", output=self._layout.name, axes=self._layout.axes)

    def postprocess(self, outputs: Mapping[str, NDArray[Any]], geometry: Geometry, options: Options) -> Segmentation:
        """See GraphModel."""
        output = outputs[self._layout.name][0]
        if self._layout.axes == "map":
            ids = output.reshape(output.shape[-2:])
            rows, columns = self._inside(ids.shape[0], ids.shape[1], geometry)
            return Segmentation(ids[rows, columns].clip(0, NOTHING).astype(np.uint8))
        if self._layout.axes == "hwc":
            output = np.moveaxis(output, -1, 0)
        rows, columns = self._inside(output.shape[1], output.shape[2], geometry)
        return segmentation_of(output[:, rows, columns], geometry.width, geometry.height)

    def _inside(self, height: int, width: int, place: Geometry) -> tuple[slice, slice]:
        """The part of an output of these sides that covers the picture."""
        across, down = width / self.graph.size[0], height / self.graph.size[1]
        left, top = int(place.left * across), int(place.top * down)
        right = max(left + 1, round((place.left + place.inner_width) * across))
        bottom = max(top + 1, round((place.top + place.inner_height) * down))
        return slice(top, bottom), slice(left, right)
