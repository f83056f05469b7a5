"""Instance map, all masks of a segmenting detector in one array, from prototypes and coefficients."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.models.base import Geometry

SIDE = 320
"""Maximum longer side of the map in pixels. Prototypes have fewer; interpolated linearly they give clean edges."""
MOST = 255
"""Maximum number of instances in a map of 8 bits."""


def instance_map(
    coefficients: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    xyxy: NDArray[np.float32],
    place: Geometry,
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    """h x w, over the whole picture: 0 is nothing, i + 1 is row i; where rows overlap, the earlier one.

    ``coefficients`` are N x K, ``prototypes`` K x h x w over the whole input of ``size`` (width, height), ``xyxy``
    N x 4 in pixels of the picture. Each mask is computed only inside its box.
    """
    shrink = min(1.0, SIDE / max(place.inner_width, place.inner_height))
    width, height = max(1, round(place.inner_width * shrink)), max(1, round(place.inner_height * shrink))
    found = np.zeros((height, width), np.uint8)
    across = _Axis(place.left, place.inner_width, size[0], width, prototypes.shape[2])
    down = _Axis(place.top, place.inner_height, size[1], height, prototypes.shape[1])
    boxes = xyxy * np.array([width / place.width, height / place.height] * 2)
    for row in reversed(range(min(len(boxes), MOST))):
        (x1, y1), (x2, y2) = np.floor(boxes[row, :2]).astype(int), np.ceil(boxes[row, 2:]).astype(int)
        (left, right), (top, bottom) = across.source(x1, x2), down.source(y1, y2)
        inside = prototypes[:, top:bottom, left:right]
        scores = (coefficients[row] @ inside.reshape(len(inside), -1)).reshape(inside.shape[1:])
        matrix = np.array([[across.step, 0, across.at(x1) - left], [0, down.step, down.at(y1) - top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        smooth = cv2.warpAffine(scores, matrix, (x2 - x1, y2 - y1), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        found[y1:y2, x1:x2][smooth > 0] = row + 1  # above 0 is above 0.5 after the sigmoid
    return found


class _Axis:
    """Position of the map's pixels among the prototypes along one axis."""

    def __init__(self, offset: int, inner: int, total: int, pixels: int, prototypes: int) -> None:
        self.step = inner / pixels * prototypes / total
        self._start = offset * prototypes / total
        self._prototypes = prototypes

    def at(self, pixel: int) -> float:
        """The fractional index among the prototypes at the centre of a pixel."""
        return self._start + (pixel + 0.5) * self.step - 0.5

    def source(self, first: int, end: int) -> tuple[int, int]:
        """The range of prototypes that pixels first to end - 1 need."""
        low = min(max(math.floor(self.at(first)), 0), self._prototypes - 1)
        return low, min(max(math.ceil(self.at(end - 1)) + 1, low + 1), self._prototypes)
