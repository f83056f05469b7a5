"""Shared by detectors: letterboxing pictures into the input, suppressing boxes, mapping boxes back to the picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.boxes import overlap
from sightline.core.predictions import Detections
from sightline.core.types import Image
from sightline.models.base import Geometry, Graph

PAD = 114
"""Grey level of the border around a picture; the models were trained with it."""
MAX_CANDIDATES = 1000
"""Maximum number of boxes that are compared with each other, which bounds the time if ``confidence`` is near 0."""
MAX_ROWS = 1000
"""Maximum number of boxes of a graph that suppresses duplicates itself; published ones have 100 to 300."""
ROUNDED = 1.01
"""Highest confidence that counts as 1: graphs that compute in integers or halves may end a little above."""
ORDERED = 0.9
"""Share of boxes that end after they begin, where numbers are corners; some of them are broken in any network."""
SAME = 0.65
"""Overlap from which a box that is suppressed counts as another opinion on where the kept one lies."""
WIDEST_SHARE = 2.0
"""Highest number that a share of the picture's side may have; boxes reach a little out of it."""


class Letterbox:
    """Scales pictures into an input tensor, keeping their aspect ratio, with a grey border.

    Planes are scaled and written straight into the tensor: 0.12 ms for 640x360 into 640x640, where
    ``cv2.dnn.blobFromImage`` takes 2.3 ms. The border is written only if the picture's place changes.
    """

    def __init__(self, *, rgb: bool, scale: float, centred: bool) -> None:
        self._order = (2, 1, 0) if rgb else (0, 1, 2)
        self._scale = np.float32(scale)
        self._centred = centred
        self._last: dict[int, Geometry] = {}

    def place(self, image: Image, tensor: NDArray[Any], slot: int) -> Geometry:
        """Put a picture into ``tensor[slot]``, 3 x H x W. Returns its place in there."""
        geometry = letterbox(image, tensor.shape[3], tensor.shape[2], centred=self._centred)
        target = tensor[slot]
        if self._last.get(slot) != geometry:
            target[...] = PAD * self._scale
            self._last[slot] = geometry
        size = (geometry.inner_width, geometry.inner_height)
        if size != (geometry.width, geometry.height):
            image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
        rows = slice(geometry.top, geometry.top + geometry.inner_height)
        columns = slice(geometry.left, geometry.left + geometry.inner_width)
        planes = cv2.split(image)
        for channel, plane in zip(target, (planes[i] for i in self._order), strict=True):
            if tensor.dtype == np.uint8:  # the graph scales
                channel[rows, columns] = plane
            else:
                np.multiply(plane, self._scale, out=channel[rows, columns], casting="same_kind")
        return geometry


def letterbox(image: Image, width: int, height: int, *, centred: bool) -> Geometry:
    """The place of a picture in an input: as large as fits, at the top left or in the middle."""
    h, w = image.shape[:2]
    scale = min(width / w, height / h)
    inner_width = min(width, max(1, round(w * scale)))
    inner_height = min(height, max(1, round(h * scale)))
    left, top = ((width - inner_width) // 2, (height - inner_height) // 2) if centred else (0, 0)
    return Geometry(w, h, left, top, inner_width, inner_height)


def anchors(size: tuple[int, int], strides: tuple[int, ...]) -> int:
    """Total number of cells in the grids of these strides, for an input of ``size`` (width, height)."""
    return sum((size[0] // s) * (size[1] // s) for s in strides)


def final_rows(graph: Graph) -> tuple[str, str | None] | None:
    """Names of the outputs of a graph that suppresses duplicates itself: its rows and, if it has masks, its prototypes.

    None for other graphs. The rows are 1 x N x (x1, y1, x2, y2, certainty, class, coefficients), N at most 1,000.
    """
    rows = [o for o in graph.outputs.values() if len(o.shape) == 3]
    prototypes = [o for o in graph.outputs.values() if len(o.shape) == 4]
    if len(rows) != 1 or len(prototypes) > 1 or len(rows) + len(prototypes) != len(graph.outputs):
        return None
    coefficients = (prototypes[0].shape[1] or 0) if prototypes else 0
    count, columns = rows[0].shape[1:]
    if not 1 <= (count or 0) <= MAX_ROWS or columns != 6 + coefficients:
        return None
    return rows[0].name, prototypes[0].name if prototypes else None


def shares(values: NDArray[Any]) -> bool:
    """Whether all numbers are from 0 to 1, as confidences are; numbers that are not finite don't count."""
    finite = values[np.isfinite(values)]
    return bool(((finite >= 0) & (finite <= ROUNDED)).all())


def in_pixels(boxes: NDArray[Any]) -> bool:
    """Whether N x 4 numbers may be corners in pixels: neither centres and sizes nor shares. Empty rows don't count."""
    filled = boxes[np.isfinite(boxes).all(axis=1) & (boxes > 0).any(axis=1)]
    if not len(filled):
        return True
    ordered = (filled[:, 2:] >= filled[:, :2]).all(axis=1)
    return bool(ordered.mean() > ORDERED and filled.max() > WIDEST_SHARE)


def above(scores: NDArray[Any], confidence: float) -> NDArray[np.intp]:
    """Indices of the scores that are at least ``confidence``: the highest MAX_CANDIDATES of them."""
    found = np.flatnonzero(scores >= confidence)
    if len(found) > MAX_CANDIDATES:
        found = found[np.argpartition(-scores[found], MAX_CANDIDATES)[:MAX_CANDIDATES]]
    return found


def corners(centre: NDArray[np.float32], size: NDArray[np.float32]) -> NDArray[np.float32]:
    """x1, y1, x2, y2 from centres and sizes, each N x 2."""
    return np.concatenate((centre - size / 2, centre + size / 2), axis=1)


def detections(
    xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    classes: NDArray[np.int32],
    place: Geometry,
    *,
    iou: float | None,
    limit: int,
    averaged: bool = False,
) -> tuple[Detections, NDArray[np.intp]]:
    """Turn boxes in pixels of the input into detections in pixels of the picture, most confident first.

    Duplicates are suppressed per class, unless ``iou`` is None, which says that the graph has done so itself. Boxes
    that are broken or outside the picture are left out. ``averaged``: duplicates have a say in where a box lies. Also
    returns the indices of the rows that were kept.
    """
    finite = np.flatnonzero(np.isfinite(xyxy).all(axis=1))
    scores = np.where(scores <= ROUNDED, np.minimum(scores, 1), scores).astype(np.float32)
    best_first = np.argsort(-scores[finite], kind="stable")
    kept = finite[best_first if iou is None else suppress(xyxy[finite], scores[finite], classes[finite], iou)]
    corners = average(xyxy, scores, classes, kept, finite) if averaged else xyxy[kept]
    boxes = to_picture(corners, place)
    solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    kept, boxes = kept[solid][:limit], boxes[solid][:limit]
    return Detections(boxes, scores[kept], classes[kept].astype(np.int32)), kept


def suppress(
    xyxy: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.int32], iou: float
) -> NDArray[np.intp]:
    """Indices of the boxes to keep, most confident first: none overlaps a kept one of its class by more than ``iou``.

    OpenCV's implementation takes 0.01 to 0.5 ms for 20 to 1,000 boxes, a numpy loop two to three times that.
    """
    if not len(scores):
        return np.zeros(0, np.intp)
    xywh = np.concatenate((xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]), axis=1)
    kept: Any = cv2.dnn.NMSBoxesBatched(xywh, scores, classes, 0.0, iou)  # type: ignore[arg-type]
    return np.asarray(kept, np.intp)


def average(
    xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    classes: NDArray[np.int32],
    kept: NDArray[np.intp],
    among: NDArray[np.intp],
) -> NDArray[np.float32]:
    """Corners of the boxes ``kept``, each averaged with those ``among`` that overlap it by more than SAME in its class.

    A box weighs as much as its score times its overlap: cells that agree are right together more often than the surest
    of them alone (box voting, after Gidaris and Komodakis, 2015).
    """
    with np.errstate(over="ignore", invalid="ignore"):  # networks that went wrong have boxes of any size
        weights = overlap(xyxy[kept, None], xyxy[among])
        weights *= (weights > SAME) & (classes[kept, None] == classes[among])
        weights *= scores[among]
        total = weights.sum(axis=1, keepdims=True)
        found = np.divide(weights @ xyxy[among], total, out=xyxy[kept], where=total > 0)
    return np.asarray(found, np.float32)


def to_picture(xyxy: NDArray[np.float32], place: Geometry) -> NDArray[np.float32]:
    """Convert boxes from pixels of the input to pixels of the picture, clipped to the picture."""
    scale_x, scale_y = place.width / place.inner_width, place.height / place.inner_height
    found = (xyxy - np.array([place.left, place.top] * 2)) * np.array([scale_x, scale_y] * 2)
    clipped: NDArray[np.float32] = found.clip(0, np.array([place.width, place.height] * 2)).astype(np.float32)
    return clipped
