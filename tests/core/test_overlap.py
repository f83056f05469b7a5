"""How well boxes fit each other."""

from __future__ import annotations

import numpy as np
import pytest

from sightline.core.boxes import overlap

BOX = np.array([0, 0, 10, 10], np.float32)


@pytest.mark.parametrize(
    ("other", "share"),
    [
        ([0, 0, 10, 10], 1),
        ([5, 0, 15, 10], 1 / 3),
        ([2, 2, 4, 7], 0.1),
        ([10, 0, 20, 10], 0),
        ([20, 20, 30, 30], 0),
        ([3, 3, 3, 8], 0),
    ],
    ids=["itself", "a third", "inside", "touching", "apart", "without an area"],
)
def test_overlap_of_two(other: list[float], share: float) -> None:
    assert overlap(BOX, np.array(other, np.float32)) == pytest.approx(share, abs=1e-6)
    assert overlap(np.array(other, np.float32), BOX) == pytest.approx(share, abs=1e-6)


def test_boxes_without_an_area_do_not_overlap_themselves() -> None:
    assert overlap(BOX * 0, BOX * 0) == 0


def test_every_one_with_every_other() -> None:
    row = np.stack([BOX, BOX + 5, BOX + 20])
    table = overlap(row[:, None], row[:2])
    np.testing.assert_allclose(table, np.array([[1, 1 / 7], [1 / 7, 1], [0, 0]]), atol=1e-6)
    assert overlap(row[:0], BOX).shape == (0,)
