"""A teacher's boxes are matched by the names of classes, and asked for once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sightline.core.errors import ConfigError
from sightline.train.cache import Photos
from sightline.train.records import read
from sightline.train.teacher import teach
from support import made
from support.made_graph import MakeGraph


def teacher(make_graph: MakeGraph, names: str) -> Path:
    """Always finds one thing of its second class, at 8..40 x 16..56 of 64 x 64."""
    outputs = {"boxes": np.array([[8, 16, 40, 56]], np.float32), "scores": np.array([[0.05], [0.8]], np.float32)}
    return make_graph(outputs, metadata={"sightline": "detect", "names": names})


def test_boxes_come_in_the_photos_pixels_with_the_data_sets_classes(make_graph: MakeGraph, tmp_path: Path) -> None:
    photos = Photos(read(made.coco_folder(tmp_path / "data", photos=3), "detect"), tmp_path / "cache")
    path = teacher(make_graph, "['cup', 'disc']")
    rows = teach(photos, str(path), tmp_path / "cache")
    assert len(rows) == 3
    assert rows[2].tolist() == [pytest.approx([16, 32, 80, 112, made.CLASSES.index("disc"), 0.8])]
    path.unlink()
    assert [r.tolist() for r in teach(photos, str(path), tmp_path / "cache")] == [r.tolist() for r in rows]


def test_a_teacher_of_other_classes_is_refused(make_graph: MakeGraph, tmp_path: Path) -> None:
    photos = Photos(read(made.coco_folder(tmp_path / "data", photos=1), "detect"), tmp_path / "cache")
    with pytest.raises(ConfigError, match="knows none of the classes"):
        teach(photos, str(teacher(make_graph, "['cup', 'fork']")), tmp_path / "cache")
