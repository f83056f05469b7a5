"""Average precision as COCO defines it (pycocotools), for photos that may be annotated for some classes only."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sightline.train.records import DataSet

LEAST = 0.001
"""Score from which boxes are judged, as is usual with COCO."""
OVERLAPS = tuple(float(v) for v in np.linspace(0.5, 0.95, 10))


@dataclass(frozen=True, slots=True)
class Precision:
    """Average precision by class id; classes without a box in the photos are absent."""

    per_class50: dict[int, float]
    per_class: dict[int, float]
    boxes: dict[int, int]
    """Number of true boxes of each class."""

    @property
    def mean50(self) -> float:
        """Mean over the classes present, at an overlap of one half."""
        return float(np.mean(list(self.per_class50.values()))) if self.per_class50 else 0.0

    @property
    def mean(self) -> float:
        """Mean over the classes present and over the overlaps asked for."""
        return float(np.mean(list(self.per_class.values()))) if self.per_class else 0.0


def average_precision(
    data: DataSet,
    truth: Sequence[NDArray[np.float32]],
    found: Sequence[NDArray[np.float32]],
    overlaps: Sequence[float] = OVERLAPS,
) -> Precision:
    """Compare found rows (box, class, score) with true rows (box, class), photo by photo.

    A class is judged only in photos in which every instance of it is annotated. ``overlaps`` begins with 0.5.
    """
    images: list[dict[str, int]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for i, (record, boxes, rows) in enumerate(zip(data.records, truth, found, strict=True), start=1):
        images.append({"id": i})
        for x1, y1, x2, y2, c in boxes[[int(c) in record.complete for c in boxes[:, 4]]].tolist():
            w, h = x2 - x1, y2 - y1
            annotations.append({"id": len(annotations) + 1, "image_id": i, "category_id": int(c), "iscrowd": 0}
                               | {"bbox": [x1, y1, w, h], "area": w * h})  # fmt: skip
        for x1, y1, x2, y2, c, s in rows[[int(c) in record.complete for c in rows[:, 4]]].tolist():
            results.append({"image_id": i, "category_id": int(c), "bbox": [x1, y1, x2 - x1, y2 - y1], "score": s})
    there = sorted({a["category_id"] for a in annotations})
    boxes_of = {c: sum(a["category_id"] == c for a in annotations) for c in there}
    if not there or not results:
        zero = dict.fromkeys(there, 0.0)
        return Precision(zero, zero, boxes_of)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        coco = COCO()
        coco.dataset = {"info": {}, "images": images, "annotations": annotations}
        coco.dataset["categories"] = [{"id": c, "name": data.classes[c]} for c in range(len(data.classes))]
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(results), "bbox")
        judge.params.iouThrs = np.array(overlaps)
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.params.maxDets = [100]
        judge.evaluate()
        judge.accumulate()
    table = judge.eval["precision"][:, :, :, 0, 0].mean(1)  # overlaps x classes
    columns = {c: k for k, c in enumerate(judge.params.catIds)}
    return Precision(
        {c: float(table[0, columns[c]]) for c in there},
        {c: float(table[:, columns[c]].mean()) for c in there},
        boxes_of,
    )
