"""Segmentations of class scores, and the alpha of two: to what share each pixel is of class 1, soft along edges.

It keeps the output's own pixels: whoever draws it enlarges it linearly. A guided filter, which would have it follow the
picture's edges, was tried and left out: see docs/decisions.md.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.predictions import Segmentation
from sightline.media.alpha import class_map_of
from sightline.models._class_map import class_map, map_size

LONGEST = 512
"""Maximum longer side of an alpha in pixels. Of more, every second, third ... one is read."""
SURE = 0.1
"""Shares below this are none and those above 1 less this are all, so that what a model is sure of is neither."""
STEPS = 24
"""Steps for a difference of 1 between the classes' logits."""
_DIFFERENCES = (np.arange(256) - 128) / STEPS
_SHARES = np.rint(255 * ((1 / (1 + np.exp(-_DIFFERENCES)) - SURE) / (1 - 2 * SURE)).clip(0, 1)).astype(np.uint8)
"""Share of class 1 by the difference in steps, from 128 on."""


def segmentation_of(
    scores: NDArray[Any], width: int, height: int, alpha: NDArray[np.uint8] | None = None
) -> Segmentation:
    """Return what scores of classes x h x w, with any strides, say of a picture of this size.

    Of two classes the map is where the alpha is a half or more, if that is enlarged: a fifth of ``class_map``'s time.
    ``alpha``: that of two classes where it is known.
    """
    alpha = alpha_of(scores) if alpha is None else alpha
    across, down, enlarged = map_size(scores, width, height)
    if alpha is None or not enlarged or alpha.shape != scores.shape[1:]:
        return Segmentation(class_map(scores, width, height), alpha=alpha)
    return Segmentation(class_map_of(alpha, across, down), alpha=alpha)


def alpha_of(scores: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Return h x w shares of 255 from 2 x h x w logits or shares, with any strides; None for more or fewer classes."""
    if len(scores) != 2 or not scores.size:
        return None
    if _are_shares(scores):
        return alpha_of_shares(scores[1])
    first, second = map(_fewer, scores)
    steps = cv2.addWeighted(second, STEPS, first, -STEPS, 128, dtype=cv2.CV_8U)
    return np.asarray(cv2.LUT(steps, _SHARES), np.uint8)


def alpha_of_shares(shares: NDArray[Any]) -> NDArray[np.uint8]:
    """Return h x w shares of 255 from shares of 1."""
    plane = _fewer(shares)
    return np.asarray(cv2.addWeighted(plane, 255, plane, 0, 0, dtype=cv2.CV_8U), np.uint8)


def _are_shares(scores: NDArray[Any]) -> bool:
    """Whether a softmax ends the graph: some pixels tell."""
    _, height, width = scores.shape
    few = np.asarray(scores[:, :: max(1, height // 8), :: max(1, width // 8)], np.float32)
    return bool(few.min() >= 0 and np.abs(few.sum(axis=0) - 1).max() < 0.01)


def _fewer(plane: NDArray[Any]) -> NDArray[np.float32]:
    step = -(-max(plane.shape) // LONGEST)
    return np.ascontiguousarray(plane[step // 2 :: step, step // 2 :: step], np.float32)
