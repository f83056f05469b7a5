"""Whether the same was found in two looks at a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from sightline.core.boxes import overlap
from sightline.core.records import Detection

SAME = 0.5
"""Overlap of two boxes from which they are of the same object."""


def same(then: Sequence[Detection], now: Sequence[Detection]) -> bool:
    """Return True if each object of one has one of its class in the other, whose box is about the same."""
    if Counter(one.class_name for one in then) != Counter(one.class_name for one in now):
        return False
    if not then:
        return True
    shares = overlap(np.array([one.xyxy for one in then])[:, None], np.array([one.xyxy for one in now]))
    pairs = [
        (shares[i, j], i, j)
        for i, one in enumerate(then)
        for j, other in enumerate(now)
        if one.class_name == other.class_name and (shares[i, j] >= SAME or one.xyxy == other.xyxy)
    ]
    left = set(range(len(then))), set(range(len(now)))
    for _, i, j in sorted(pairs, reverse=True):
        if i in left[0] and j in left[1]:
            left[0].discard(i)
            left[1].discard(j)
    return not left[0] and not left[1]
