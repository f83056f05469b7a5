"""How well boxes fit each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def overlap(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return the intersection over union of boxes ... x 4 (left, top, right, bottom), pair by pair; shapes broadcast.

    Boxes without an area overlap nothing.
    """
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    both = (high - low).clip(0).prod(-1)
    either = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - both
    return np.asarray(both / np.maximum(either, 1e-9))
