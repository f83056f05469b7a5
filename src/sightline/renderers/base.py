"""Helpers shared by renderers. A renderer is a module with ``render``; its file name is also the name of its mode."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core import palette, registry
from sightline.core.predictions import Prediction, Raster
from sightline.core.types import Image

AUTO = "auto"
"""The default mode: boxes for detections, filled areas for a segmentation."""
PERSON = "person"
"""Label of the class that stays when the background is replaced."""

Need: TypeAlias = Literal["nothing", "mask", "person"]


class Renderer(Protocol):
    """Draws a prediction on a copy of the picture it was made from.

    A module may have ``NEEDS``: ``"mask"`` if it draws nothing without a mask, ``"person"`` if it also needs a model
    with a class for people. Without it, a renderer can draw any prediction. ``ACROSS`` is the width of the drawn
    picture in widths of the original; without it, 1.
    """

    def render(self, image: Image, prediction: Prediction, labels: Sequence[str], *, opacity: float = 0.5) -> Image:
        """Return a new picture with the prediction drawn in. ``opacity`` is 0 to 1; its default is the mode's own."""
        ...


class Choice(NamedTuple):
    """The renderer to use, and the reason if it is not the requested one."""

    name: str
    why: str | None = None


def modes() -> list[str]:
    """All modes that can be requested."""
    return [AUTO, *registry.names("renderers")]


def default_for(prediction: Prediction) -> str:
    """The renderer to use where nobody chose one."""
    return prediction.mode


def choose(mode: str, prediction: Prediction, labels: Sequence[str]) -> Choice:
    """Choose the renderer for a prediction. Raises ConfigError for an unknown mode."""
    fitting = default_for(prediction)
    if mode == AUTO:
        return Choice(fitting)
    needs: Need = getattr(registry.load("renderers", mode), "NEEDS", "nothing")
    if needs != "nothing" and classes_of(prediction) is None:
        return Choice(
            fitting, f"{mode} needs masks, and this model gives boxes only (person has masks): drawn as {fitting}"
        )
    if needs == "person" and not people(labels):
        return Choice(fitting, f"{mode} needs a model that knows the class {PERSON!r}: drawn as {fitting}")
    return Choice(mode)


def draw(
    image: Image, prediction: Prediction, labels: Sequence[str], *, mode: str = AUTO, opacity: float | None = None
) -> Image:
    """Return a new picture with the prediction drawn in, in this mode or in the one that fits: see ``choose``.

    ``opacity`` is 0 to 1, or None for the mode's own. Raises ConfigError for an unknown mode.
    """
    renderer: Renderer = registry.load("renderers", choose(mode, prediction, labels).name)
    given = {} if opacity is None else {"opacity": opacity}
    drawn = renderer.render(image, prediction, labels, **given)
    if not (isinstance(drawn, np.ndarray) and drawn.ndim == 3):  # OpenCV would make a picture of a number
        raise TypeError(f"{type(drawn).__name__} as what mode {mode} drew: expected a picture")
    return drawn


def default_opacity(mode: str) -> float:
    """A mode's own opacity. Raises ConfigError for an unknown mode."""
    if mode == AUTO:
        return 0.5
    return float(inspect.signature(registry.load("renderers", mode).render).parameters["opacity"].default)


def fill(
    image: Image,
    prediction: Prediction,
    labels: Sequence[str],
    opacity: float,
    instances: Sequence[palette.Colour] | None = None,
) -> Image:
    """Return a copy of the picture with the prediction's mask coloured by class: see ``paint``.

    ``instances``: the colour of each instance, where it is not its class's.
    """
    areas = Areas.of(image, prediction, labels)
    if areas is None:
        return image.copy()
    if instances:
        areas.table[1 : len(instances) + 1, 0] = instances[:255]
    return paint(image, areas, areas.colours(), opacity)


class Areas(NamedTuple):
    """A prediction's mask, as large as the picture."""

    values: NDArray[np.uint8]
    """H x W: class ids, or instances from 1."""
    table: NDArray[np.uint8]
    """256 x 1 x 3: the colour of each value."""
    nothing: tuple[int, ...]
    """Values that are not drawn: a background, no instance, a hidden class."""
    share: NDArray[np.uint8] | None = None
    """H x W, 0 to 255: how much of the only class is drawn, soft along edges. None where edges are hard."""

    @classmethod
    def of(cls, image: Image, prediction: Prediction, labels: Sequence[str]) -> Areas | None:
        """None where the prediction has no mask. A segmentation's class 0 is nothing if its label is "background"."""
        raster = classes_of(prediction)
        if raster is None or raster.class_of is None:
            return None
        height, width = image.shape[:2]
        table = palette.table()[np.maximum(raster.class_of, 0)]
        background = (0,) if labels and labels[0] == "background" and raster.class_of[0] == 0 else ()
        nothing = (*background, *raster.nothing)
        if raster.alpha is not None and nothing:  # so that only class 1 is drawn
            share = _scaled(raster.alpha, width, height)
            return cls((share >= 128).view(np.uint8), table, (0,), share)
        # The label map is scaled, not the colours: one channel instead of three, and no new labels in between.
        values = cv2.resize(raster.values, (width, height), interpolation=cv2.INTER_NEAREST)
        return cls(np.asarray(values, np.uint8), table, nothing)

    def colours(self) -> Image:
        """H x W x 3: every pixel in the colour of its value, or of the only class that is drawn."""
        if self.share is not None:
            return np.asarray(cv2.merge([np.full_like(self.values, part) for part in self.table[1, 0]]), np.uint8)
        return np.asarray(cv2.applyColorMap(self.values, self.table), np.uint8)

    def clear(self) -> NDArray[np.uint8]:
        """H x W, 1 where nothing is drawn, else 0."""
        found = np.zeros(self.values.shape, bool)
        for value in self.nothing:
            found |= self.values == value
        return found.view(np.uint8)


def classes_of(prediction: Prediction) -> Raster | None:
    """The prediction's raster, where it has one whose values have classes."""
    raster = prediction.raster()
    return None if raster is None or raster.class_of is None or raster.values.size == 0 else raster


def paint(image: Image, areas: Areas, colours: Image, opacity: float) -> Image:
    """Blend ``colours`` over the picture, except where nothing is drawn. Writes into ``colours`` and returns it."""
    if areas.share is not None:
        return behind(image, colours, areas.share, opacity)
    cv2.addWeighted(image, 1 - opacity, colours, opacity, 0, dst=colours)
    if areas.nothing:
        cv2.copyTo(image, areas.clear(), colours)
    return colours


def people(labels: Sequence[str]) -> list[int]:
    """Ids of the classes for people: ``person``, also with synonyms after it as in ADE20K."""
    return _people(tuple(labels))


@lru_cache(32)
def _people(labels: tuple[str, ...]) -> list[int]:
    return [class_id for class_id, label in enumerate(labels) if first_name(label) == PERSON]


def first_name(label: str) -> str:
    """Return a class's name without its synonyms, in small letters."""
    return re.split("[,;]", label)[0].strip().lower()


def background(image: Image, prediction: Prediction, labels: Sequence[str]) -> NDArray[np.uint8] | None:
    """H x W, 255 where no person is and 0 where one is, soft at the edges. None without a mask or that class."""
    raster = classes_of(prediction)
    if raster is None or raster.class_of is None or not people(labels):
        return None
    height, width = image.shape[:2]
    person = np.isin(raster.class_of, people(labels))
    if raster.alpha is not None and person[1] != person[0]:
        return _scaled(255 - raster.alpha if person[1] else raster.alpha, width, height)
    return _scaled(cv2.LUT(raster.values, np.where(person, 0, 255).astype(np.uint8)), width, height)


def _scaled(shares: Any, width: int, height: int) -> NDArray[np.uint8]:
    """Shares at another size, without steps."""
    return np.asarray(cv2.resize(shares, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def behind(image: Image, scene: Image, share: NDArray[np.uint8], opacity: float = 1.0) -> Image:
    """Put ``scene`` behind the picture. ``share``, H x W from 0 to 255, says how much of it shows at an opacity of 1.

    Writes into ``scene`` and returns it. Products of bytes take a third of the time of ``cv2.blendLinear``.
    """
    weights = cv2.merge([cv2.convertScaleAbs(share, alpha=opacity)] * 3)
    cv2.multiply(scene, weights, dst=scene, scale=1 / 255)
    cv2.bitwise_not(weights, dst=weights)
    cv2.multiply(image, weights, dst=weights, scale=1 / 255)
    return np.asarray(cv2.add(scene, weights, dst=scene), np.uint8)
