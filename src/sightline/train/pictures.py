"""Pictures for reports: curves, and photos with the findings drawn in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.types import Image

GREEN, RED, GREY, INK = (80, 200, 80), (60, 60, 235), (225, 225, 225), (60, 60, 60)
COLOURS = ((200, 90, 20), (40, 120, 230), (90, 160, 40), (160, 60, 150), (30, 30, 200))


def curves(title: str, x: Sequence[float], lines: Mapping[str, Sequence[float]], x_name: str) -> Image:
    """A 640 x 360 line chart over a common x axis; the y axis begins at 0."""
    w, h, left, top, right, bottom = 640, 360, 56, 34, 28, 44
    canvas = np.full((h, w, 3), 255, np.uint8)
    highest = max((v for line in lines.values() for v in line), default=1.0) * 1.05 or 1.0
    farthest = max(x, default=1.0) or 1.0

    def at(u: float, v: float) -> tuple[int, int]:
        return (
            round(left + u / farthest * (w - left - right)),
            round(h - bottom - min(v, highest) / highest * (h - top - bottom)),
        )

    for i in range(5):
        v = highest * i / 4
        cv2.line(canvas, at(0, v), at(farthest, v), GREY, 1)
        _write(canvas, f"{v:.3g}", (4, at(0, v)[1] + 4))
        _write(canvas, f"{farthest * i / 4:.4g}", (at(farthest * i / 4, 0)[0] - 12, h - bottom + 16))
    _write(canvas, title, (left, 20))
    _write(canvas, x_name, (w // 2 - 40, h - 8))
    for k, (name, line) in enumerate(lines.items()):
        colour = COLOURS[k % len(COLOURS)]
        points = np.array([at(u, v) for u, v in zip(x, line, strict=True)], np.int32)
        cv2.polylines(canvas, [points], False, colour, 2, cv2.LINE_AA)
        _write(canvas, f"{name} {line[-1]:.3f}" if len(line) else name, (left + 110 + 150 * k, 20), colour)
    return canvas


def _write(canvas: Image, text: str, at: tuple[int, int], colour: tuple[int, int, int] = INK) -> None:
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)


def boxes_drawn(image: Image, truth: NDArray[np.float32], found: NDArray[np.float32], classes: Sequence[str]) -> Image:
    """The photo with true boxes in thin green and found ones in red with class and score. Rows: box, class[, score]."""
    image = image.copy()
    for x1, y1, x2, y2, *_ in truth.tolist():
        cv2.rectangle(image, (round(x1), round(y1)), (round(x2), round(y2)), GREEN, 1)
    for x1, y1, x2, y2, c, score in found.tolist():
        cv2.rectangle(image, (round(x1), round(y1)), (round(x2), round(y2)), RED, 1)
        _write(image, f"{classes[int(c)]} {score:.2f}", (round(x1) + 2, round(y1) + 11), RED)
    return image


def mask_drawn(image: Image, truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> Image:
    """The photo with found classes tinted red and the edges of the true ones green."""
    red = image * 0.5 + np.array(RED) * 0.5
    image = np.where((found > 0)[..., None], red, image).astype(np.uint8)
    inside = ((truth > 0) & (truth < 255)).astype(np.uint8)
    outlines = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
    cv2.drawContours(image, outlines, -1, GREEN, 1)
    return image


def sheet(pictures: Sequence[Image], columns: int = 4, side: int = 240) -> Image:
    """A grid of pictures, each with its longer side scaled to ``side``."""
    scaled = []
    for picture in pictures:
        factor = side / max(picture.shape[:2])
        size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
        scaled.append(np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8))
    height = max((p.shape[0] for p in scaled), default=side)
    canvas = np.full((max(1, -(-len(scaled) // columns)) * height, columns * side, 3), 255, np.uint8)
    for k, picture in enumerate(scaled):
        y, x = k // columns * height, k % columns * side
        canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return canvas
