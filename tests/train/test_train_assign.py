"""Which cells answer for a box, and what the loss asks of them."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from sightline.train.assign import assign, cells, detection_loss, distance_overlap, overlap, to_boxes  # noqa: E402

SIZE = 64


def batch(boxes: list[list[float]], labels: list[int], unjudged: list[int] | None = None) -> dict[str, Any]:
    return {
        "pixels": torch.zeros(1, SIZE, SIZE, 3, dtype=torch.uint8),
        "picture": torch.zeros(len(boxes), dtype=torch.int32),
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int32),
        "trust": torch.ones(len(boxes)),
        "unjudged": torch.tensor(unjudged or [], dtype=torch.int64),
    }


def test_cells_cover_three_grids() -> None:
    centres, strides = cells(SIZE)
    assert len(centres) == 8 * 8 + 4 * 4 + 2 * 2
    assert centres[0].tolist() == [4, 4]
    assert centres[-1].tolist() == [48, 48]
    assert sorted(set(strides.tolist())) == [8, 16, 32]


def test_overlap_of_known_boxes() -> None:
    a = torch.tensor([[0.0, 0, 10, 10]])
    b = torch.tensor([[5.0, 0, 15, 10]])
    assert overlap(a, b).item() == pytest.approx(1 / 3, abs=1e-5)
    assert distance_overlap(a, a).item() == pytest.approx(1, abs=1e-4)
    assert distance_overlap(a, b + 50).item() < 0


def test_an_untrained_network_is_given_cells_at_the_box() -> None:
    centres, strides = cells(SIZE)
    found = to_boxes(torch.ones(1, len(centres), 4), centres, strides)
    box = torch.tensor([[16.0, 16, 48, 48]])
    rows, chosen, aim = assign(
        torch.full((1, len(centres)), 0.01), found, centres, strides, torch.zeros(1, dtype=torch.int64), box
    )
    assert len(rows) > 0
    assert ((centres[chosen] > 16 - 9) & (centres[chosen] < 48 + 9)).all()
    assert (aim >= 0).all()
    assert (aim <= 1).all()


def test_a_box_smaller_than_a_cell_still_gets_one() -> None:
    centres, strides = cells(SIZE)
    found = to_boxes(torch.full((1, len(centres), 4), 0.5), centres, strides)
    box = torch.tensor([[6.5, 6.5, 9.5, 9.5]])
    rows, _, _ = assign(
        torch.full((1, len(centres)), 0.01), found, centres, strides, torch.zeros(1, dtype=torch.int64), box
    )
    assert len(rows) > 0


def test_gradient_descent_on_the_loss_finds_the_box_and_its_class() -> None:
    centres, strides = cells(SIZE)
    logits = torch.full((1, 2, len(centres)), -3.0, requires_grad=True)
    raw = torch.zeros(1, len(centres), 4, requires_grad=True)
    optimizer = torch.optim.Adam([logits, raw], lr=0.1)
    truth = batch([[10.0, 12, 40, 50]], [1])
    for _ in range(150):
        optimizer.zero_grad()
        parts = detection_loss(logits, torch.nn.functional.softplus(raw), truth)
        torch.autograd.backward(parts["scores"] + parts["boxes"])
        optimizer.step()
    label, cell = divmod(int(logits.flatten().argmax()), len(centres))
    assert label == 1
    box = to_boxes(torch.nn.functional.softplus(raw), centres, strides)[0, cell]
    assert overlap(box, truth["boxes"][0]).item() > 0.9


def test_scores_that_nobody_judged_get_no_gradient() -> None:
    centres, _ = cells(SIZE)
    count = len(centres)
    logits = torch.zeros(1, 2, count, requires_grad=True)
    parts = detection_loss(logits, torch.ones(1, count, 4), batch([], [], list(range(count, 2 * count))))
    torch.autograd.backward(parts["scores"] + parts["boxes"])
    assert (logits.grad[0, 1] == 0).all()
    assert (logits.grad[0, 0] > 0).all()
