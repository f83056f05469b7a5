"""Class map, about as large as the picture, from logits, without enlarging the logits.

A logit that is interpolated linearly lies between its neighbours' values. Where the four logits around a pixel have the
same best class, the pixel therefore has exactly that class. The best class is found at the logits' own resolution and
enlarged. Logits are interpolated only in cells whose corners differ, along edges: those of the corners' best classes,
and of the second best classes that could win inside. Third best classes are ignored: that affects 1 pixel in 1,000 for
a network that outputs noise, and none in ordinary scenes.

If there are more logits than needed, every second, third ... one is read, and along edges all of them, but only for the
corners' classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LONGEST = 640
"""Maximum longer side of a map in pixels, if the logits are fewer."""
ENLARGED = 2.0
"""Map pixels per logit from which logits are interpolated; below that, the map has the logits' own pixels."""
SAMPLES = 1_100_000
"""Number of logits above which every second, third ... is read: 21 x 360 x 640 take 0.9 ms, every third and the edges
0.5 ms."""

NO_CLASS = 999

Indices = NDArray[np.intp]


def class_map(logits: NDArray[Any], width: int, height: int) -> NDArray[np.uint8]:
    """The best class at each pixel, from classes x h x w logits (any strides) that cover a picture of this size.

    The map has the picture's size, at most LONGEST a side, or the logits' size if they are about as many or more.
    """
    across, down, enlarged = map_size(logits, width, height)
    if enlarged:
        return _enlarged(logits, across, down)
    _, h, w = logits.shape
    skip = max(1, min(h // down, w // across))
    logits = logits[:, skip // 2 :: skip, skip // 2 :: skip]
    step = math.ceil(math.sqrt(logits.size / SAMPLES))
    return best_class(logits) if step == 1 else _sampled(logits, step)


def map_size(logits: NDArray[Any], width: int, height: int) -> tuple[int, int, bool]:
    """Width and height of the map of a picture, and whether the logits are enlarged to it; else it has their pixels."""
    shrink = min(1.0, LONGEST / max(width, height))
    across, down = max(1, round(width * shrink)), max(1, round(height * shrink))
    _, h, w = logits.shape
    return across, down, across * down >= ENLARGED * h * w and across >= w and down >= h


def best_class(logits: NDArray[Any]) -> NDArray[np.uint8]:
    """The class with the largest logit for each pixel of classes x H x W logits, the first of equals.

    Classes are compared one by one, and a class that is nowhere better costs only one comparison: 0.06 ms for
    21 x 90 x 160 and 0.4 ms for 150 x 128 x 128, where numpy's argmax takes ten times as long. If the classes are last
    in memory, numpy's argmax is fast enough.
    """
    if logits.strides[0] == logits.itemsize and len(logits) > 1:
        rows = np.ascontiguousarray(np.moveaxis(logits, 0, -1), np.float32)
        return np.asarray(rows.argmax(axis=-1), np.uint8)
    best = np.array(logits[0], np.float32, order="C")
    found = np.zeros(best.shape, np.uint8)
    better = np.empty(best.shape, np.uint8)
    for class_id in range(1, len(logits)):
        plane = np.ascontiguousarray(logits[class_id], np.float32)
        cv2.compare(plane, best, cv2.CMP_GT, dst=better)
        if cv2.countNonZero(better):
            cv2.max(plane, best, dst=best)
            np.bitwise_and(better, np.uint8(class_id), out=better)
            cv2.max(found, better, dst=found)  # ids increase, so the maximum is the later class where it is better
    return found


class _Flat:
    """Access to single logits in any memory layout."""

    def __init__(self, logits: NDArray[Any]) -> None:
        steps = [stride // logits.itemsize for stride in logits.strides]
        count = 1 + sum((side - 1) * step for side, step in zip(logits.shape, steps, strict=True))
        self._values = np.lib.stride_tricks.as_strided(logits, (count,), (logits.itemsize,))
        self._class, self._row, self._column = steps

    def pixels(self, rows: Indices, columns: Indices) -> Indices:
        """Offsets of the pixels' logits for class 0."""
        return rows * self._row + columns * self._column

    def of(self, classes: NDArray[Any], pixels: Indices) -> NDArray[np.float32]:
        """The logit of the given class at each pixel, as given by ``pixels``."""
        found = self._values.take(pixels + classes.astype(np.intp) * self._class)
        return found.astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True)
class _Axis:
    """The cell of each pixel along a side. Cell i has the corners i - 1 and i, at the ends one corner twice."""

    first: Indices
    """First pixel of each cell."""
    count: Indices
    part: NDArray[np.float32]
    """Position of each pixel between its cell's first corner (0) and second corner (1)."""
    corners: int

    def pixels(self, cells: Indices) -> Indices:
        """K x N: the pixels of each cell; the last one is repeated in cells that have fewer than others."""
        steps = np.arange(self.count.max())[:, None]
        return self.first[cells] + np.minimum(steps, self.count[cells] - 1)

    def ends(self, cells: Indices) -> tuple[Indices, Indices]:
        """The corners of each cell."""
        return np.maximum(cells - 1, 0), np.minimum(cells, self.corners - 1)


def _axis(at: NDArray[np.float64], corners: int) -> _Axis:
    """The axis for pixels at the positions ``at``, in units of corners."""
    cell = np.floor(at).astype(np.intp)
    edges = np.searchsorted(cell + 1, np.arange(corners + 2))
    return _Axis(edges[:-1], np.diff(edges), (at - cell).astype(np.float32), corners)


@lru_cache(64)
def _enlarging(corners: int, pixels: int) -> _Axis:
    # The same positions as torch's interpolate with align_corners=False and OpenCV's resize.
    return _axis((np.arange(pixels) + 0.5) * corners / pixels - 0.5, corners)


@lru_cache(64)
def _sampling(pixels: int, step: int) -> _Axis:
    return _axis((np.arange(pixels) - step // 2) / step, len(range(step // 2, pixels, step)))


def _enlarged(logits: NDArray[Any], width: int, height: int) -> NDArray[np.uint8]:
    _, h, w = logits.shape
    down, across = _enlarging(h, height), _enlarging(w, width)
    corners = best_class(logits)
    found = np.asarray(cv2.resize(corners, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    rows, columns, classes = _edges(corners, down, across)
    if not len(rows):
        return found
    values = _Flat(logits)
    order, candidates = _sorted(classes, *_runners_up(values, corners, down.ends(rows), across.ends(columns), classes))
    rows, columns = rows[order], columns[order]
    y, x = down.pixels(rows), across.pixels(columns)
    four = [values.pixels(row, column) for row in down.ends(rows) for column in across.ends(columns)]
    across_part, down_part = across.part[x], down.part[y][:, None]

    def score(class_id: NDArray[np.uint8]) -> NDArray[np.float32]:
        cells = len(class_id)
        a, b, c, d = (values.of(class_id, corner[:cells]) for corner in four)
        above, below = a + (b - a) * across_part[:, :cells], c + (d - c) * across_part[:, :cells]
        return above + (below - above) * down_part[..., :cells]

    found.reshape(-1)[y[:, None] * width + x] = _decided(candidates, score)
    return found


def _runners_up(
    values: _Flat,
    corners: NDArray[np.uint8],
    rows: tuple[Indices, Indices],
    columns: tuple[Indices, Indices],
    classes: list[NDArray[np.uint8]],
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.bool_]]]:
    """The second best class at each of the cells' four corners, and whether it could win inside the cell.

    Only classes that are the best somewhere count. A class can't win in a cell where its largest logit is less than the
    smallest one of a best class.
    """
    present = np.flatnonzero(np.bincount(corners.reshape(-1)))
    if len(present) < 3:
        return [], []
    ends = [(row, column) for row in rows for column in columns]
    four = np.stack([row * corners.shape[1] + column for row, column in ends])
    touched = np.zeros(corners.size, bool)
    touched[four] = True
    points = np.flatnonzero(touched)
    logits = values.of(present[:, None], values.pixels(*np.divmod(points, corners.shape[1])))
    logits[np.searchsorted(present, corners.reshape(-1)[points]), np.arange(len(points))] = -np.inf
    second = np.zeros(corners.size, np.uint8)
    second[points] = present[np.asarray(cv2.transpose(logits)).argmax(axis=1)]
    seconds = list(second[four])
    four = np.stack([values.pixels(row, column) for row, column in ends])
    sure = np.maximum.reduce([values.of(class_id, four).min(axis=0) for class_id in classes])
    return seconds, [values.of(class_id, four).max(axis=0) >= sure for class_id in seconds]


def _sampled(logits: NDArray[Any], step: int) -> NDArray[np.uint8]:
    _, height, width = logits.shape
    down, across = _sampling(height, step), _sampling(width, step)
    sampled = logits[:, step // 2 :: step, step // 2 :: step]
    corners = best_class(np.ascontiguousarray(sampled) if logits.strides[2] == logits.itemsize else sampled)
    blocks = cv2.resize(corners, None, fx=step, fy=step, interpolation=cv2.INTER_NEAREST)
    lacking = [max(0, side - have) for side, have in zip((height, width), blocks.shape, strict=True)]
    blocks = cv2.copyMakeBorder(blocks, 0, lacking[0], 0, lacking[1], cv2.BORDER_REPLICATE)
    found = np.ascontiguousarray(blocks[:height, :width], np.uint8)
    rows, columns, classes = _edges(corners, down, across)
    if not len(rows):
        return found
    order, candidates = _sorted(classes)
    values = _Flat(logits)
    y, x = down.pixels(rows[order]), across.pixels(columns[order])
    pixels = values.pixels(y[:, None], x)
    chosen = _decided(candidates, lambda class_id: values.of(class_id, pixels[..., : len(class_id)]))
    found.reshape(-1)[y[:, None] * width + x] = chosen
    return found


def _edges(corners: NDArray[np.uint8], down: _Axis, across: _Axis) -> tuple[Indices, Indices, list[NDArray[np.uint8]]]:
    """Rows and columns of the cells whose corners differ, and the best class of each of their four corners."""
    padded = np.asarray(cv2.copyMakeBorder(corners, 1, 1, 1, 1, cv2.BORDER_REPLICATE), np.uint8)
    width = padded.shape[1]
    most, least = np.maximum(padded[:, :-1], padded[:, 1:]), np.minimum(padded[:, :-1], padded[:, 1:])
    differs = np.maximum(most[:-1], most[1:]) != np.minimum(least[:-1], least[1:])
    if not (down.count.all() and across.count.all()):  # a side that is not enlarged has cells without a pixel
        differs &= (down.count[:, None] > 0) & (across.count > 0)
    rows, columns = np.divmod(np.flatnonzero(differs), width - 1)
    at = rows * width + columns
    return rows, columns, [padded.reshape(-1).take(at + corner) for corner in (0, 1, width, width + 1)]


def _sorted(
    classes: list[NDArray[np.uint8]], more: Sequence[NDArray[np.uint8]] = (), likely: Sequence[NDArray[np.bool_]] = ()
) -> tuple[Indices, list[NDArray[np.uint8]]]:
    """The order of the cells, and each cell's classes in that order, without duplicates, smallest first.

    Cells with many classes come first: the third, fourth ... array of classes covers only the first cells. ``more`` are
    further classes, which count where they are ``likely``.
    """
    low, high = np.minimum.reduce(classes), np.maximum.reduce(classes)
    between = [(one != low) & (one != high) for one in (*classes, *more)]
    for i, may in enumerate(likely, len(classes)):
        between[i] &= may
    busy = np.logical_or.reduce(between)
    rest, calm = np.flatnonzero(busy), np.flatnonzero(~busy)
    listed = np.stack([one[rest] for one in (low, high, *classes, *more)], axis=1).astype(np.int16)
    for i, fits in enumerate(between, 2):
        listed[~fits[rest], i] = NO_CLASS
    listed.sort(axis=1)
    listed[:, 1:][listed[:, 1:] == listed[:, :-1]] = NO_CLASS
    listed.sort(axis=1)
    count = (listed < NO_CLASS).sum(axis=1)
    most_first = np.argsort(-count, kind="stable")
    listed, count = listed[most_first], count[most_first]
    found = [listed[count > k, k].astype(np.uint8) for k in range(count.max(initial=2))]
    found[:2] = np.concatenate((found[0], low[calm])), np.concatenate((found[1], high[calm]))
    return np.concatenate((rest[most_first], calm)), found


def _decided(
    candidates: list[NDArray[np.uint8]], score: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> NDArray[np.uint8]:
    """Rows x columns x N: the class with the largest score for each pixel of the cells, the first of equals."""
    best = score(candidates[0])
    chosen = np.empty(best.shape, np.uint8)
    chosen[...] = candidates[0]
    for class_id in candidates[1:]:
        cells, tried = len(class_id), score(class_id)
        np.copyto(chosen[..., :cells], class_id, where=tried > best[..., :cells])
        np.maximum(tried, best[..., :cells], out=best[..., :cells])
    return chosen
