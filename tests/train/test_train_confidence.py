"""A trained detector's confidence is the share of boxes that are right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.train.confidence import correct, correction, right
from sightline.train.nets import DetectorNet
from sightline.train.records import DataSet, FileRef, Record


def judged(factor: float, offset: float, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and verdicts that are right as often as the corrected scores say."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-2, 2, count)
    return 1 / (1 + np.exp(-logits)), rng.random(count) < 1 / (1 + np.exp(-(factor * logits + offset)))


@pytest.mark.parametrize(("factor", "offset"), [(1.0, 0.0), (2.0, 1.0), (0.6, -1.5), (1.3, 2.0)])
def test_the_correction_is_found(factor: float, offset: float) -> None:
    found = correction(*judged(factor, offset, 20_000))
    assert list(found) == [pytest.approx(factor, abs=0.1), pytest.approx(offset, abs=0.15)]


def test_a_few_boxes_move_little_and_none_move_nothing() -> None:
    assert correction(np.zeros(0), np.zeros(0, np.bool_)) == (1.0, 0.0)
    factor, offset = correction(*judged(2.0, 1.0, 5))
    assert abs(factor - 1) < 0.5
    assert abs(offset) < 0.5


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60),
)
def test_any_scores_keep_their_order(rows: list[tuple[float, bool]]) -> None:
    factor, offset = correction(np.array([s for s, _ in rows], np.float64), np.array([v for _, v in rows], np.bool_))
    assert factor > 0
    assert np.isfinite(offset)


def test_right_is_what_overlaps_a_true_box_of_its_class_that_is_not_taken() -> None:
    record = Record("a.jpg", FileRef(Path("a.jpg")), complete=frozenset({0, 1}))
    data = DataSet(("cup", "disc", "mug"), (record,))
    truth = [np.array([[0, 0, 10, 10, 0], [50, 50, 60, 60, 1]], np.float32)]
    found = [
        np.array(
            [
                [0, 0, 10, 9, 0, 0.9],  # right
                [0, 0, 10, 10, 0, 0.8],  # taken
                [0, 0, 10, 10, 1, 0.7],  # of another class
                [50, 50, 60, 53, 1, 0.6],  # too little of it
                [0, 0, 10, 10, 2, 0.5],  # a class that nobody annotated here: not judged
            ],
            np.float32,
        )
    ]
    scores, verdicts = right(data, truth, found)
    assert scores.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert verdicts.tolist() == [True, False, False, False]
    assert right(data, [truth[0][:0]], found)[1].tolist() == [False] * 4


def test_a_correction_becomes_part_of_the_network() -> None:
    net = DetectorNet(3).eval()
    pixels = torch.randint(0, 255, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        before, sides = net(pixels)
        correct(net, 1.5, -0.25)
        after, same = net(pixels)
    assert torch.allclose(after, before * 1.5 - 0.25, atol=1e-5)
    assert torch.equal(sides, same)
