"""Average precision with classes that only some photos know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("pycocotools")

from sightline.train.coco import average_precision
from sightline.train.records import DataSet, FileRef, Record


def data(*complete: set[int]) -> DataSet:
    ref = FileRef(Path("none"))
    return DataSet(("cat", "dog"), tuple(Record(str(i), ref, complete=frozenset(c)) for i, c in enumerate(complete)))


def rows(*values: list[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def test_perfect_boxes_give_one_and_none_give_nought() -> None:
    truth = [rows([10, 10, 50, 50, 0], [20, 20, 90, 60, 1])]
    found = [np.concatenate([truth[0], [[0.9], [0.8]]], 1).astype(np.float32)]
    good = average_precision(data({0, 1}), truth, found)
    assert good.mean50 == pytest.approx(1)
    assert good.mean == pytest.approx(1)
    assert good.boxes == {0: 1, 1: 1}
    assert average_precision(data({0, 1}), truth, [np.zeros((0, 6), np.float32)]).mean50 == 0


def test_a_find_counts_against_the_model_only_where_its_class_was_looked_for() -> None:
    truth = [rows([10, 10, 50, 50, 0]), np.zeros((0, 5), np.float32)]
    false = rows([60, 60, 90, 90, 0, 0.95])
    found = [rows([10, 10, 50, 50, 0, 0.9]), false]
    assert average_precision(data({0}, {1}), truth, found).mean50 == pytest.approx(1)
    assert average_precision(data({0}, {0}), truth, found).mean50 == pytest.approx(0.5)


def test_a_loose_box_counts_at_half_overlap_only() -> None:
    truth = [rows([0, 0, 100, 100, 0])]
    found = [rows([0, 0, 100, 70, 0, 0.9])]
    result = average_precision(data({0}), truth, found)
    assert result.mean50 == pytest.approx(1)
    assert result.mean == pytest.approx(0.5)
