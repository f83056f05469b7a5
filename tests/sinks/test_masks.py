"""Class maps as PNG."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.core.errors import SinkError
from sightline.core.predictions import Detections, Segmentation
from sightline.sinks import masks
from support.results import entry, files_end_at, two_found

IMAGE = np.zeros((48, 64, 3), np.uint8)
HALVES = Segmentation(np.array([[0, 200]], np.uint8))


def read(path: Path) -> NDArray[np.uint8]:
    mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    return np.asarray(mask, np.uint8)


def test_class_ids_at_the_sources_size(tmp_path: Path) -> None:
    sink = masks.open(str(tmp_path / "new" / "masks"))
    sink.write(entry(IMAGE, seq=12, prediction=HALVES))
    sink.close()
    mask = read(tmp_path / "new" / "masks" / "000012.png")
    assert mask.shape == (48, 64)
    assert mask.dtype == np.uint8
    assert (mask[:, :32] == 0).all()
    assert (mask[:, 32:] == 200).all()


def test_an_outline_of_two_classes_has_no_steps(tmp_path: Path) -> None:
    """Fault 28: a model's map has fewer pixels than a large picture."""
    sink = masks.open(str(tmp_path))
    corner = np.array([[0, 0, 255], [0, 0, 255], [255, 255, 255]], np.uint8)
    soft = Segmentation((corner >= 128).astype(np.uint8), alpha=corner)
    sink.write(entry(IMAGE, prediction=soft))
    sink.write(entry(IMAGE, seq=1, prediction=soft.only(frozenset({1}))))
    rows = (read(tmp_path / "000000.png") == 0).sum(axis=1)
    assert len(set(rows.tolist())) > 5, "a round corner"
    assert set(np.unique(read(tmp_path / "000001.png"))) == {1, 255}, "a background that is hidden"


def test_of_instances_the_class_is_written_with_one_added(tmp_path: Path) -> None:
    sink = masks.open(str(tmp_path))
    sink.write(entry(IMAGE, prediction=two_found(np.array([[0, 1, 2, 2]], np.uint8))))
    far = Detections(
        np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.array([900], np.int32), None, np.ones((1, 1), np.uint8)
    )
    sink.write(entry(IMAGE, seq=1, prediction=far))
    assert read(tmp_path / "000000.png")[0, ::16].tolist() == [0, 2, 1, 1]
    assert read(tmp_path / "000001.png")[0, 0] == 255


def test_pictures_give_their_names_and_none_overwrites_another(tmp_path: Path) -> None:
    sink = masks.open(str(tmp_path))
    for seq, source in enumerate(["bus.jpg", "bus.png", "a.b.webp"]):
        sink.write(entry(IMAGE, seq=seq, prediction=HALVES, source=source, still=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.png", "bus.png", "bus.png.png"]


def test_boxes_without_masks_are_refused_with_what_to_do(tmp_path: Path) -> None:
    sink = masks.open(str(tmp_path))
    with pytest.raises(SinkError, match="'finder' finds boxes without masks: leave --masks out"):
        sink.write(entry(IMAGE, prediction=two_found()))


def test_a_folder_that_can_not_be_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="can't be written"):
        masks.open(str(tmp_path / "file"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_full_disk_is_told_and_leaves_no_half_picture(tmp_path: Path) -> None:
    noise = Segmentation(np.random.default_rng(0).integers(0, 255, (48, 64), np.uint8))
    sink = masks.open(str(tmp_path))
    with files_end_at(100), pytest.raises(SinkError, match=r"000000\.png: can't be written: File too large"):
        sink.write(entry(IMAGE, prediction=noise))
    assert list(tmp_path.iterdir()) == []
