"""Conversion of a picture to a graph's input by a recipe: fit, channel order, scale, mean and standard deviation."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.types import Image
from sightline.models._boxes import PAD, letterbox
from sightline.models.base import Geometry, Graph, Portable

Three = tuple[float, float, float]
FITS = ("stretch", "letterbox", "centre")
ORDERS = ("rgb", "bgr")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Recipe for the input: a value is (pixel * scale - mean) / std, the channels are in ``order``."""

    fit: str = "stretch"
    """``stretch`` scales to the input's size. The others keep the aspect ratio and add a border of grey 114:
    ``letterbox`` puts the picture at the top left, ``centre`` in the middle; the border may have another level."""
    order: str = "rgb"
    scale: float = 1 / 255
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)
    pad: int = PAD
    """Level of the border. Pages know only the usual one."""


IMAGENET = Recipe(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""Recipe of most networks whose backbone was trained on ImageNet."""


def recipe_for(path: Path, metadata: Mapping[str, str], usual: Recipe) -> Recipe:
    """``usual``, changed by what the metadata says. Raises ModelError for metadata that can't be read."""
    told: dict[str, Any] = {}
    for key, words in (("fit", FITS), ("order", ORDERS)):
        if key in metadata:
            told[key] = metadata[key].lower()
            if told[key] not in words:
                raise ModelError(f"{path}: its metadata {key!r} is {metadata[key][:60]!r}; expected {', '.join(words)}")
    for key in ("mean", "std"):
        if key in metadata:
            told[key] = _numbers(path, key, metadata[key], 3)
    if "scale" in metadata:
        (told["scale"],) = _numbers(path, "scale", metadata["scale"], 1)
    elif max(map(abs, told.get("mean", (0,)))) > 2:  # written for pixels from 0 to 255, as OpenCV's users do
        told["scale"] = 1.0
    if 0 in told.get("std", ()):
        raise ModelError(f"{path}: its metadata 'std' is {metadata['std'][:60]!r}; expected no zeros")
    return replace(usual, **told)


def _numbers(path: Path, key: str, text: str, count: int) -> tuple[float, ...]:
    try:
        read = json.loads(text)
        found = tuple(float(number) for number in (read if isinstance(read, list) else [read]))
    except (ValueError, TypeError, RecursionError):
        found = ()
    if len(found) == 1:
        found *= count
    if len(found) != count or not all(map(math.isfinite, found)):
        expected = "a number" if count == 1 else f"{count} numbers such as [0.485, 0.456, 0.406]"
        raise ModelError(f"{path}: its metadata {key!r} is {text[:60]!r}; expected {expected}")
    return found


class Input:
    """Puts pictures into an input tensor by a recipe. A uint8 tensor takes the pixels unchanged: its graph scales them.

    Each plane goes through a table of 256 values straight into the tensor: 0.2 ms for 640x360, for fp16 as well, where
    numpy's arithmetic takes 2.9 ms. If the tensor's channels are last in memory, all planes are written at once.
    """

    def __init__(self, recipe: Recipe, dtype: str) -> None:
        self._recipe = recipe
        self._fit = recipe.fit
        self._planes = (2, 1, 0) if recipe.order == "rgb" else (0, 1, 2)
        levels = np.arange(256, dtype=np.float64)
        scaled = [(levels * recipe.scale - m) / s for m, s in zip(recipe.mean, recipe.std, strict=True)]
        # The oldest supported OpenCV has no fp16 tables; a uint16 table moves the same bytes.
        self._kind = np.dtype(np.uint16) if dtype == "float16" else np.dtype(dtype)
        self._tables = [(levels if dtype == "uint8" else s).astype(dtype).view(self._kind) for s in scaled]
        self._together = np.stack(self._tables, axis=-1)[:, None]
        self._last: dict[int, Geometry] = {}
        # Buffers are kept: page faults of new ones for every picture would take longer than the scaling.
        self._scaled = np.empty((0, 0, 3), np.uint8)
        self._three = list(np.empty((3, 0, 0), np.uint8))

    def portable(self, graph: Graph, decode: str, **details: str) -> Portable:
        """The Portable with which a page prepares its input the same way."""
        r = self._recipe
        return Portable(graph.input, graph.size, decode, r.fit, r.order, r.scale, r.mean, r.std, details)

    def place(self, image: Image, tensor: NDArray[Any], slot: int) -> Geometry:
        """Put a picture into ``tensor[slot]``, 3 x H x W. Returns its place in there."""
        height, width = tensor.shape[2:]
        if self._fit == "stretch":
            geometry = Geometry(image.shape[1], image.shape[0], 0, 0, width, height)
        else:
            geometry = letterbox(image, width, height, centred=self._fit == "centre")
        target = tensor[slot].view(self._kind)
        if self._last.get(slot) != geometry:
            for channel, table in zip(target, self._tables, strict=True):
                channel[...] = table[self._recipe.pad]
            self._last[slot] = geometry
        size = (geometry.inner_width, geometry.inner_height)
        if self._scaled.shape[:2] != size[::-1]:
            self._scaled = np.empty((*size[::-1], 3), np.uint8)
            self._three = list(np.empty((3, *size[::-1]), np.uint8))
        if size != (geometry.width, geometry.height):
            image = cv2.resize(image, size, dst=self._scaled, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
        rows = slice(geometry.top, geometry.top + geometry.inner_height)
        columns = slice(geometry.left, geometry.left + geometry.inner_width)
        if target.strides[0] == target.itemsize:
            if self._planes[0] == 2:
                image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # type: ignore[assignment]
            cv2.LUT(image, self._together, dst=np.moveaxis(target, 0, -1)[rows, columns])
            return geometry
        planes = cv2.split(image, self._three)
        for channel, plane, table in zip(target, self._planes, self._tables, strict=True):
            cv2.LUT(planes[plane], table, dst=channel[rows, columns])
        return geometry
