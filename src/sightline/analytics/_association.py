"""Which box of a frame is which object: how well they fit, and the choice among those that fit."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float32]"
Ints: TypeAlias = "NDArray[np.intp]"
Bools: TypeAlias = "NDArray[np.bool_]"


def fitting(boxes: Floats, others: Floats, growth: Floats | float, least: float) -> tuple[Ints, Ints, Floats]:
    """Return the pairs of two sets of boxes that overlap by more than ``least``, and by how much: 0 to 1.

    Boxes are 4 x N: centre, width, height. ``growth``: factor, for each of ``boxes`` or for all, by which both boxes of
    a pair are enlarged first, so that small and fast ones meet as well (buffered IoU, Yang and others, WACV 2023). The
    result is the intersection over union, lowered by a half where one is twice as high as the other.
    """
    a, b = boxes[:, :, None], others[:, None, :]
    # To enlarge both is to bring their centres nearer.
    apart = np.abs(b[:2] - a[:2])
    apart /= growth if isinstance(growth, float) else growth[:, None]
    smaller = np.minimum(a[2:], b[2:])
    total = a[2:] + b[2:]
    common = total * np.float32(0.5)
    common -= apart
    np.minimum(common, smaller, out=common)
    np.maximum(common, 0, out=common)
    inside = common[0] * common[1]
    union = a[2] * a[3] + b[2] * b[3]
    union -= inside
    share = inside / union
    first, second = np.nonzero(share > least)
    small, tall = smaller[1, first, second], total[1, first, second]
    share = share[first, second] * small / (tall - small)
    fits = share > least
    return first[fits], second[fits], share[fits]


def chosen(first: Ints, second: Ints, score: Floats) -> tuple[Ints, Ints]:
    """Choose among pairs so that nothing is in two of them. Returns them by ``first``.

    The highest score comes first; then two pairs exchange their seconds wherever that raises the sum of their scores.
    """
    order = np.argsort(-score, kind="stable")
    partner: dict[int, int] = {}
    holder: dict[int, int] = {}
    kept: dict[int, float] = {}
    left: dict[tuple[int, int], float] = {}
    for one, other, gained in zip(first[order].tolist(), second[order].tolist(), score[order].tolist(), strict=True):
        if one in partner or other in holder:
            left[one, other] = gained
        else:
            partner[one], holder[other], kept[one] = other, one, gained
    for (one, other), gained in left.items():
        mine, rival = partner.get(one), holder.get(other)
        if mine is None or rival is None:
            continue
        given = left.get((rival, mine))
        if given is not None and gained + given > kept[one] + kept[rival]:
            partner[one], partner[rival], holder[other], holder[mine] = other, mine, one, rival
            kept[one], kept[rival] = gained, given
    chosen = np.array(sorted(partner.items()), np.intp).reshape(-1, 2)
    return chosen[:, 0], chosen[:, 1]


def common_shift(shifts: Floats, noise: float = 0.0) -> Floats | None:
    """Return the median (2 x 1) of 2 x N shifts where most agree that there is one: a camera that moves. Else None.

    ``noise``: deviation of a shift where there is none. The median of a few is not told from that.
    """
    count = shifts.shape[1]
    if count < 4:
        return None
    in_order = np.sort(shifts)
    median: Floats = in_order[:, [count // 2]]
    spread = in_order[:, 3 * count // 4] - in_order[:, count // 4]
    return median if np.abs(median).max() > max(spread.max(), 4 * noise / math.sqrt(count)) else None
