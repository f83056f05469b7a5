"""A teacher: an existing model that knows what a data set doesn't say."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ConfigError
from sightline.train.cache import Photos
from sightline.train.guide import Guide
from sightline.zoo.catalogue import find
from sightline.zoo.loader import load_model

LEAST = 0.1
"""Confidence below which teacher boxes are left out. ``detect.CERTAIN`` says what happens to the uncertain rest."""


def teach(photos: Photos, teacher: str, folder: Path) -> list[NDArray[np.float32]]:
    """Teacher boxes for every photo, N x 6 each: box in the photo's pixels, class, confidence. Cached in ``folder``.

    The teacher's classes are matched by name. Raises ConfigError if the data set has none of them.
    """
    key = hashlib.sha256("\n".join([teacher, *(r.name for r in photos.data.records)]).encode()).hexdigest()
    path = folder / f"{key[:16]}.taught.npz"
    if path.is_file():
        kept = np.load(path)
        return np.split(kept["rows"], np.cumsum(kept["counts"])[:-1])
    model = load_model(teacher, confidence=LEAST)
    model.options = replace(model.options, iou=0.6)
    ids = {name: i for i, name in enumerate(photos.data.classes)}
    class_of = np.array([ids.get(label, -1) for label in model.card.labels])
    if (class_of < 0).all():
        raise ConfigError(f"the teacher {teacher} knows none of the classes {', '.join(photos.data.classes[:10])}")
    rows = []
    for i in range(len(photos)):
        prediction = model.predict([photos.image(i)])[0]
        if not prediction.scored:
            raise ConfigError(f"the teacher {teacher} finds no boxes: expected a detector")
        found = prediction.objects
        classes = class_of[found.class_id]
        all_rows = np.concatenate([found.xyxy, classes[:, None], found.confidence[:, None]], 1)
        rows.append(all_rows[classes >= 0].astype(np.float32))
    model.close()
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(path, rows=np.concatenate(rows), counts=np.array([len(r) for r in rows]))
    return rows


def guided(teacher: str, classes: Sequence[str]) -> Guide | None:
    """The teacher as one that sees every training picture, if it is a YOLOX file, else None."""
    path = find(teacher).graph
    if path is None:
        return None
    model = load_model(teacher)
    labels = model.card.labels
    model.close()
    return Guide.of(path, classes, labels)
