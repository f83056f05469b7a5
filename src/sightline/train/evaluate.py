"""Model accuracy on held-out photos: average precision or intersection over union, by class and by group."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.boxes import overlap
from sightline.core.errors import ConfigError
from sightline.core.types import Image
from sightline.models.base import Model
from sightline.train import pictures
from sightline.train.cache import Photos
from sightline.train.records import IGNORE, DataSet, read
from sightline.zoo.loader import load_model

WORST = 12
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A table of figures, and the photos with the worst results."""

    model: str
    photos: int
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: dict[str, float]
    worst: Image = field(repr=False)

    def save(self, folder: Path) -> None:
        """Write ``evaluation.json`` and ``worst.jpg``."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {"model": self.model, "photos": self.photos, "figures": self.figures}
        content |= {"columns": self.columns, "rows": self.rows}
        (folder / "evaluation.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        cv2.imwrite(str(folder / "worst.jpg"), self.worst)


def evaluate(
    spec: str,
    data: Path,
    cache: Path,
    *,
    engine: str = "auto",
    precision: str = "auto",
    weights: Path | None = None,
    store: Path | None = None,
    everything: bool = False,
    progress: Progress,
) -> Evaluation:
    """Evaluate a model on the validation split of a data set, or on all of it.

    ``cache`` is a folder for decoded photos, ``store`` the folder with profile weights, ``weights`` a file to use
    instead. Raises ConfigError if the model and the data set have no class in common, or if no photo is held out.
    """
    model = load_model(spec, engine=engine, precision=precision, weights=weights, cache=store)
    try:
        full = read(data, model.card.task)
        part = full if everything else full.part(validation=True)
        if not part.records:
            raise ConfigError(f"{data} holds no photo kept aside for validation: judge all with --all")
        photos = Photos(part, cache)
        judge = _boxes if model.card.task == "detect" else _masks
        return judge(model, photos, spec, progress)
    finally:
        model.close()


def _classes(model: Model, data: DataSet) -> NDArray[np.int64]:
    """Map the model's class ids to the data set's; -1 for a class that the data set doesn't have."""
    ids = {name: i for i, name in enumerate(data.classes)}
    found = np.array([ids.get(label, -1) for label in model.card.labels], np.int64)
    if (found < 0).all():
        raise ConfigError(
            f"the model's classes ({', '.join(model.card.labels[:5])} ...) and those of the data set "
            f"({', '.join(data.classes[:5])} ...) have none in common"
        )
    return found


def _boxes(model: Model, photos: Photos, spec: str, progress: Progress) -> Evaluation:
    from sightline.train.coco import LEAST, average_precision

    model.options = replace(model.options, confidence=LEAST)
    class_of = _classes(model, photos.data)
    found = []
    for i in range(len(photos)):
        result = model.predict([photos.image(i)])[0].objects
        classes = class_of[result.class_id]
        rows = np.concatenate([result.xyxy, classes[:, None], result.confidence[:, None]], 1)
        found.append(rows[classes >= 0].astype(np.float32))
        progress(i + 1, len(photos))
    precision = average_precision(photos.data, photos.boxes, found)
    names = photos.data.classes
    order = sorted(precision.boxes, key=lambda c: -precision.boxes[c])
    table = [("all", str(sum(precision.boxes.values())), f"{precision.mean50:.3f}", f"{precision.mean:.3f}")]
    table += [
        (names[c], str(precision.boxes[c]), f"{precision.per_class50[c]:.3f}", f"{precision.per_class[c]:.3f}")
        for c in order
    ]
    figures = {"mAP50": precision.mean50, "mAP50-95": precision.mean, "classes judged": float(len(order))}
    figures |= {f"AP50 {names[c]}": precision.per_class50[c] for c in order}
    shown = sorted(range(len(photos)), key=lambda i: -_mistakes(photos, i, found[i]))[:WORST]
    drawn = [
        pictures.boxes_drawn(photos.image(i), photos.boxes[i], found[i][found[i][:, 5] > 0.3], names) for i in shown
    ]
    columns = ("class", "boxes", "AP50", "AP50-95")
    return Evaluation(spec, len(photos), columns, tuple(table), figures, pictures.sheet(drawn))


def _mistakes(photos: Photos, i: int, rows: NDArray[np.float32]) -> float:
    """Missed boxes and false ones, weighted by size, counting only the classes annotated in the photo."""
    complete = photos.data.records[i].complete
    h, w = photos.image(i).shape[:2]
    truth = photos.boxes[i][[int(c) in complete for c in photos.boxes[i][:, 4]]]
    rows = rows[[s > 0.3 and int(c) in complete for c, s in rows[:, 4:6]]] if len(rows) else rows
    missed, wrong = truth, []
    for row in rows:
        overlaps = np.where(missed[:, 4] == row[4], overlap(missed[:, :4], row[:4]), 0.0)
        if len(missed) and overlaps.max() > 0.5:
            missed = np.delete(missed, int(overlaps.argmax()), 0)
        else:
            wrong.append(row)
    return float(sum(np.sqrt(max(0.0, (r[2] - r[0]) * (r[3] - r[1])) / (w * h)) for r in [*missed, *wrong]))


def _masks(model: Model, photos: Photos, spec: str, progress: Progress) -> Evaluation:
    from sightline.train.segment import confusion, overlaps

    class_of = np.maximum(_classes(model, photos.data), 0).astype(np.uint8)
    names = photos.data.classes
    counts: dict[str, NDArray[np.int64]] = {}
    single: list[tuple[float, int, NDArray[np.uint8]]] = []
    for i in range(len(photos)):
        progress(i + 1, len(photos))
        if not photos.has_mask(i):
            continue
        raster = model.predict([photos.image(i)])[0].raster()
        assert raster is not None
        h, w = photos.image(i).shape[:2]
        found = class_of[cv2.resize(raster.values, (w, h), interpolation=cv2.INTER_NEAREST)]
        table = confusion(found, photos.mask(i), len(names))
        group = photos.data.records[i].group
        for key in {"all", group}:
            counts[key] = counts.get(key, np.zeros_like(table)) + table
        iou = overlaps(table)[1:]
        single.append((float(np.nanmean(iou)) if not np.isnan(iou).all() else 1.0, i, found))
    rows: list[tuple[str, ...]] = []
    figures: dict[str, float] = {}
    for group, table in sorted(counts.items()):
        iou = overlaps(table)
        number = sum(1 for _, i, _ in single if group in ("all", photos.data.records[i].group))
        rows.append((group, str(number), f"{np.nanmean(iou):.3f}", *(f"{v:.3f}" for v in iou)))
        figures |= {f"mean IoU, {group}": float(np.nanmean(iou))}
        figures |= {f"IoU {name}, {group}": float(v) for name, v in zip(names, iou, strict=True) if not np.isnan(v)}
    single.sort(key=lambda entry: entry[0])
    drawn = [
        pictures.mask_drawn(photos.image(i), np.where(photos.mask(i) == IGNORE, 0, photos.mask(i)), found)
        for _, i, found in single[:WORST]
    ]
    columns = ("photos of", "number", "mean IoU", *(f"IoU {name}" for name in names))
    return Evaluation(spec, len(photos), columns, tuple(rows), figures, pictures.sheet(drawn))
