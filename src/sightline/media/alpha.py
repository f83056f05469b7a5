"""Alpha: to what share each pixel is of the second of two classes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def class_map_of(alpha: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return height x width class ids from an alpha of any size: 1 where it is a half or more, else 0."""
    smooth = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.threshold(smooth, 127, 1, cv2.THRESH_BINARY)[1], np.uint8)
