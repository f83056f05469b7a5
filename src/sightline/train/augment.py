"""Augmentation: pictures are moved, scaled, rotated, mirrored, recoloured and blurred differently each time."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.types import Image

PAD = 114
"""Grey value (0 to 255) around a photo that doesn't fill the square."""
LARGEST = 4.0
"""Factor beyond which a small thing enlarged is but a blur."""
Matrix = NDArray[np.float64]


def letterbox(shape: tuple[int, ...], width: int, height: int) -> float:
    """Scale factor that fits an H x W picture into a canvas, with the picture in the top left corner."""
    return min(width / shape[1], height / shape[0])


def placement(
    shape: tuple[int, ...],
    width: int,
    height: int,
    rng: np.random.Generator,
    *,
    zoom: tuple[float, float],
    angle: float = 0.0,
    stretch: float = 1.15,
) -> Matrix:
    """Random 2 x 3 affine map of an H x W photo onto a canvas; ``zoom`` is relative to the size that just fits."""
    h, w = shape[:2]
    scale = letterbox(shape, width, height) * math.exp(rng.uniform(math.log(zoom[0]), math.log(zoom[1])))
    aspect = math.exp(rng.uniform(-1, 1) * math.log(stretch) / 2)
    sx, sy = scale * aspect, scale / aspect
    turn = math.radians(rng.uniform(-angle, angle))
    flip = -1.0 if rng.random() < 0.5 else 1.0
    matrix = np.array(
        [
            [sx * flip * math.cos(turn), -sy * math.sin(turn), 0.0],
            [sx * flip * math.sin(turn), sy * math.cos(turn), 0.0],
        ]
    )
    # A photo larger than the canvas covers it. A smaller one lands anywhere inside it.
    for axis, side, room in ((0, w * sx, width), (1, h * sy, height)):
        low, high = sorted((side / 2, room - side / 2))
        middle = rng.uniform(low, high)
        matrix[axis, 2] = middle - matrix[axis, 0] * w / 2 - matrix[axis, 1] * h / 2
    return matrix


def close_up(
    box: NDArray[np.float32], side: int, rng: np.random.Generator, *, fills: tuple[float, float], stretch: float
) -> Matrix:
    """Random 2 x 3 affine map of a photo onto a square canvas that shows this box of it whole, filling that share.

    ``fills`` bounds the longer side of the box, as a share of the canvas.
    """
    wide, high = np.maximum(box[2:4] - box[:2], 1.0)
    share = math.exp(rng.uniform(math.log(fills[0]), math.log(fills[1])))
    aspect = math.exp(rng.uniform(-1, 1) * math.log(stretch) / 2)
    scale = min(side * share / max(wide * aspect, high / aspect), LARGEST)
    sx, sy = scale * aspect, scale / aspect
    flip = -1.0 if rng.random() < 0.5 else 1.0
    x = rng.uniform(sx * wide / 2, max(side - sx * wide / 2, sx * wide / 2))
    y = rng.uniform(sy * high / 2, max(side - sy * high / 2, sy * high / 2))
    cx, cy = (box[:2] + box[2:4]) / 2
    return np.array([[sx * flip, 0.0, x - sx * flip * cx], [0.0, sy, y - sy * cy]])


def warp(image: Image, matrix: Matrix, width: int, height: int) -> Image:
    """Warp a photo by ``matrix`` onto a grey canvas."""
    shrinks = abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]) < 0.3
    flags = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), flags=flags, borderValue=(PAD, PAD, PAD)), np.uint8
    )


def warp_mask(mask: NDArray[np.uint8], matrix: Matrix, size: int, border: int) -> NDArray[np.uint8]:
    """Warp a mask of class ids by ``matrix`` onto a ``size`` x ``size`` square filled with ``border``."""
    moved = cv2.warpAffine(mask, matrix, (size, size), flags=cv2.INTER_NEAREST, borderValue=(border,))
    return np.asarray(moved, np.uint8)


def warp_boxes(
    boxes: NDArray[np.float32], matrix: Matrix, width: int, height: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes N x 4 moved and clipped to the canvas, and the share of each that is still on it (0 to 1)."""
    x, y = boxes[:, [0, 2, 2, 0]], boxes[:, [1, 1, 3, 3]]
    px = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
    py = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
    moved = np.stack([px.min(1), py.min(1), px.max(1), py.max(1)], 1)
    cut = moved.clip(0, (width, height, width, height))
    before = np.maximum((moved[:, 2] - moved[:, 0]) * (moved[:, 3] - moved[:, 1]), 1e-6)
    inside = (cut[:, 2] - cut[:, 0]) * (cut[:, 3] - cut[:, 1]) / before
    return cut.astype(np.float32), inside.astype(np.float32)


def recolour(image: Image, rng: np.random.Generator, strength: float = 1.0) -> Image:
    """Change brightness, contrast, gamma and white balance at random; sometimes also grey, blur, noise or JPEG."""
    ramp = np.arange(256, dtype=np.float32)[:, None] / 255
    gamma = math.exp(rng.normal(0, 0.25 * strength))
    contrast = math.exp(rng.normal(0, 0.2 * strength))
    balance = np.exp(rng.normal(0, 0.07 * strength, 3)).astype(np.float32)
    table = ((ramp**gamma - 0.5) * contrast + 0.5 + rng.normal(0, 0.08 * strength)) * balance
    image = np.asarray(cv2.LUT(image, (table * 255).clip(0, 255).astype(np.uint8)[None]), np.uint8)
    chance = rng.random()
    if chance < 0.05:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None], 3, 2)
    elif chance < 0.12:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.5)), np.uint8)
    elif chance < 0.17:
        noise = rng.integers(-16, 17, image.shape, np.int16)
        image = (image.astype(np.int16) + noise).clip(0, 255).astype(np.uint8)
    elif chance < 0.22:
        packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 70))])[1]
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return image
