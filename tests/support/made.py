"""Made data sets: bright discs and bars on noise, as COCO boxes and as masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

CLASSES = ("disc", "bar")


def shapes(rng: np.random.Generator, side: int = 128) -> tuple[Any, Any, list[tuple[float, float, float, float, int]]]:
    """A picture, its mask of class ids (0 is background) and its boxes x1, y1, x2, y2, class."""
    image = rng.integers(0, 90, (side, side, 3), np.uint8)
    mask = np.zeros((side, side), np.uint8)
    boxes: list[tuple[float, float, float, float, int]] = []
    for kind in rng.permutation(2)[: rng.integers(1, 3)].tolist():
        x, y = (int(v) for v in rng.integers(side // 4, side * 3 // 4, 2))
        r = int(rng.integers(side // 8, side // 4))
        if mask[max(0, y - r) : y + r, max(0, x - r) : x + r].any():
            continue
        if kind == 0:
            cv2.circle(image, (x, y), r, (40, 200, 250), -1)
            cv2.circle(mask, (x, y), r, 1, -1)
            half = (r, r)
        else:
            half = (r, r // 3)
            cv2.rectangle(image, (x - r, y - r // 3), (x + r, y + r // 3), (250, 80, 60), -1)
            cv2.rectangle(mask, (x - r, y - r // 3), (x + r, y + r // 3), 2, -1)
        x1, y1 = max(0, x - half[0]), max(0, y - half[1])
        boxes.append((x1, y1, min(side, x + half[0] + 1), min(side, y + half[1] + 1), kind))
    return image, mask, boxes


def coco_folder(folder: Path, photos: int = 40, seed: int = 0) -> Path:
    """A data set of boxes."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    images: list[Any] = []
    annotations: list[Any] = []
    for i in range(photos):
        image, _, boxes = shapes(rng)
        cv2.imwrite(str(folder / "images" / f"{i}.png"), image)
        images.append({"id": i, "file_name": f"{i}.png", "width": 128, "height": 128})
        for x1, y1, x2, y2, c in boxes:
            box = [float(x1), float(y1), float(x2 - x1), float(y2 - y1)]
            annotations.append({"id": len(annotations), "image_id": i, "category_id": 10 + c, "bbox": box})
    categories = [{"id": 10 + i, "name": name} for i, name in enumerate(CLASSES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def mask_folder(folder: Path, photos: int = 40, seed: int = 0) -> Path:
    """A data set of masks."""
    rng = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(photos):
        image, mask, _ = shapes(rng)
        cv2.imwrite(str(folder / "images" / f"{i}.png"), image)
        cv2.imwrite(str(folder / "masks" / f"{i}.png"), mask)
    (folder / "classes.txt").write_text("background\ndisc\nbar\n")
    return folder
