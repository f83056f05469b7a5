"""Places for the names of boxes, so that they hide neither each other nor a face. Twin of ``web/draw/labels.js``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Boxes: TypeAlias = NDArray[np.float64]
"""Shape (n, 4): left, top, right, bottom in pixels."""

MOST = 64
"""Names in a picture: those of the largest boxes."""
FACES: Mapping[str, float] = {"person": 0.3, "face": 1.0, "head": 1.0}
"""Share of an object's height, from above, that no name may hide."""
HIDES = 0.15
"""Share of a label that may lie on a face or on another label."""
CROWDED = 0.3
"""Share of a label that may lie on somebody else, unless its own box is large."""
LARGE = 8
"""Heights of a label that make a box large."""


class Label(NamedTuple):
    """Place of a label's top left corner. ``wording`` is an index of the widths that were given."""

    x: float
    y: float
    wording: int


def place_labels(
    boxes: Boxes, faces: NDArray[np.float64], widths: Sequence[Sequence[float]], height: float, size: tuple[int, int]
) -> list[Label | None]:
    """Return a place for each box's label, or None where there is none. Large boxes come first.

    ``faces``: the share of each box's height, from above, that is a face: see FACES. ``widths``: of the wordings that
    each label may have, longest first. ``size``: width and height of the picture, which no label leaves.
    """
    kept = boxes[faces > 0]
    kept[:, 3] = kept[:, 1] + faces[faces > 0] * (kept[:, 3] - kept[:, 1])
    placed: list[Label | None] = [None] * len(boxes)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for row in np.argsort(-areas, kind="stable")[:MOST].tolist():
        large = boxes[row, 3] - boxes[row, 1] >= LARGE * height
        others = np.delete(boxes, row, axis=0)
        for wording, width in enumerate(widths[row]):
            place = _best(_corners(boxes[row], width, height, size), kept, others, 1.0 if large else CROWDED)
            if place is not None:
                kept = np.vstack([kept, place])
                placed[row] = Label(float(place[0]), float(place[1]), wording)
                break
    return placed


def _best(corners: Boxes, kept: Boxes, others: Boxes, most: float) -> NDArray[np.float64] | None:
    over = _covered(corners, others)
    free = (_covered(corners, kept) <= HIDES) & (over <= most)
    return corners[free][over[free].argmin()] if free.any() else None


def _corners(box: NDArray[np.float64], width: float, height: float, size: tuple[int, int]) -> Boxes:
    """Places of a label at its box, the usual one first: above, below, and inside at the bottom."""
    left, top, right, bottom = box.tolist()
    rightmost, lowest = size[0] - width, size[1] - height
    found = [
        (x, y, x + width, y + height)
        for y in (top - height, bottom, min(bottom, size[1]) - height)
        if 0 <= y <= lowest
        for x in (max(0.0, min(left, rightmost)), max(0.0, min(right - width, rightmost)))
    ]
    return np.array(found, np.float64).reshape(-1, 4)


def _covered(labels: Boxes, others: Boxes) -> NDArray[np.float64]:
    """The largest share of each label that one of the others covers."""
    if not len(labels) or not len(others):
        return np.zeros(len(labels))
    near = np.minimum(labels[:, None, 2:], others[None, :, 2:]) - np.maximum(labels[:, None, :2], others[None, :, :2])
    area = (labels[:, 2] - labels[:, 0]) * (labels[:, 3] - labels[:, 1])
    return np.asarray(near.clip(0).prod(axis=2).max(axis=1) / area, np.float64)
