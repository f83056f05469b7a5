"""Rows of YOLOX and YOLOv6: box, certainty that there is an object, and classes, for each cell of some grids.

Shapes alone tell neither the family nor whether the boxes are decoded; the numbers for a picture of noise do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.models._boxes import anchors, shares
from sightline.models.base import Graph

STRIDES = ((8, 16, 32), (8, 16, 32, 64))


@dataclass(frozen=True, slots=True)
class ObjectRows:
    """What a graph's only output is, 1 x N x (5 + classes)."""

    name: str
    classes: int
    strides: tuple[int, ...]
    decoded: bool
    """Whether the boxes are in pixels, not in offsets within their cells."""
    sure: bool
    """Whether each row is certain that there is an object."""
    plausible: bool
    """Whether certainties and classes are shares from 0 to 1."""
    written: bool
    """Whether Ultralytics' metadata is in the file, so that it is none of these."""


def object_rows(graph: Graph) -> ObjectRows | None:
    """What the graph's output is; None if its shape is another, or its boxes are shares of the input."""
    if len(graph.outputs) != 1 or graph.sizes is not None or graph.about:
        return None
    (output,) = graph.outputs.values()
    if len(output.shape) != 3 or (output.shape[2] or 0) <= 5 or output.dtype not in ("float32", "float16"):
        return None
    strides = next((one for one in STRIDES if output.shape[1] == anchors(graph.size, one)), None)
    if strides is None:
        return None
    values = graph.trial()[output.name][0].astype(np.float32)
    cells, sides = grid(graph.size, strides)
    filled = np.isfinite(values[:, :2]).all(axis=1) & (values[:, :2] != 0).any(axis=1)
    decoded = False
    if filled.any():
        at = values[filled, :2]
        as_pixels = np.abs(at / sides[filled, None] - cells[filled] - 0.5)
        as_shares = np.abs(at * graph.size / sides[filled, None] - cells[filled] - 0.5)
        far = [float(np.median(one)) for one in (np.abs(at - 0.5), as_pixels, as_shares)]
        if far[2] < min(far[:2]):
            return None
        decoded = far[1] < far[0]
    return ObjectRows(
        output.name,
        (output.shape[2] or 0) - 5,
        strides,
        decoded,
        bool((values[:, 4] == 1).all()),
        shares(values[:, 4:]),
        {"names", "stride"} <= graph.metadata.keys(),
    )


def grid(size: tuple[int, int], strides: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The cell (x, y) and the stride of each row, for an input of ``size`` (width, height)."""
    cells, sides = [], []
    for stride in strides:
        y, x = np.mgrid[: size[1] // stride, : size[0] // stride]
        cells.append(np.stack((x.ravel(), y.ravel()), axis=1))
        sides.append(np.full(x.size, stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(sides).astype(np.float32)
