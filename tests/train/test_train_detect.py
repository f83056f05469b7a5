"""Pictures that a detector learns from: rare classes are seen close by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sightline.train import augment, detect
from sightline.train.cache import Photos
from sightline.train.records import read
from support import made


def truth(labels: list[int], trust: list[float]) -> detect.PictureTruth:
    boxes = np.tile(np.array([8, 8, 24, 40], np.float32), (len(labels), 1))
    return detect.PictureTruth(boxes, np.array(labels), np.array(trust, np.float32), np.zeros(0, np.int64))


def test_boxes_are_found_by_class_but_for_those_that_nobody_trusts() -> None:
    truths = [truth([0, 2, 0], [1, 0.6, 0]), truth([], []), truth([0], [1])]
    found = detect.boxed_classes(truths, [4, 7, 9])
    assert [things.tolist() for things in found] == [[[4, 0], [9, 0]], [[4, 1]]]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_close_ups_show_one_thing_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    monkeypatch.setattr(detect, "CLOSE_UPS", share)
    monkeypatch.setattr(detect, "FILLS", (0.9, 0.95))
    monkeypatch.setattr(augment, "LARGEST", 100.0)
    monkeypatch.setattr(detect, "MOSAICS", ((1.0, 0.0),))
    data = read(made.coco_folder(tmp_path / "data", photos=12), "detect")
    photos = Photos(data.part(validation=False), tmp_path / "cache")
    task = detect.DetectTask(photos, photos)
    batch = task.batch(32, np.random.default_rng(0), 0.0)
    sides = (batch["boxes"][:, 2:] - batch["boxes"][:, :2]).max(1)
    largest = [sides[batch["picture"] == i].max(initial=0) for i in range(32)]
    shown = np.mean(np.array(largest) > 0.85 * batch["pixels"].shape[1])
    assert shown == 1 if share else shown < 0.5
