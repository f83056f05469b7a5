"""Whether the same was found in two looks at a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sightline.core.records import Detection

SAME = 0.5
"""Share of two boxes' common area from which they are of the same object."""


def same(then: Sequence[Detection], now: Sequence[Detection]) -> bool:
    """Return True if each object of one has one of its class in the other, whose box is about the same."""
    if Counter(one.class_name for one in then) != Counter(one.class_name for one in now):
        return False
    pairs = [
        (overlap, i, j)
        for i, one in enumerate(then)
        for j, other in enumerate(now)
        if one.class_name == other.class_name and (overlap := common(one.xyxy, other.xyxy)) >= SAME
    ]
    left = set(range(len(then))), set(range(len(now)))
    for _, i, j in sorted(pairs, reverse=True):
        if i in left[0] and j in left[1]:
            left[0].discard(i)
            left[1].discard(j)
    return not left[0] and not left[1]


def common(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the common area of two boxes as a share of what both cover."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return float(tuple(one) == tuple(other))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (areas - width * height)
