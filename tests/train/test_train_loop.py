"""Schedule and averaged weights suit a run of any length."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from sightline.train.loop import TrainOptions, share, steps, train
from sightline.train.weights import load_checkpoint


class Slope:
    """A task whose one weight grows by the learning rate in every step."""

    kind = "detect"
    classes: tuple[str, ...] = ("a",)

    def network(self) -> Any:
        return torch.nn.Conv2d(1, 1, 1, bias=False)

    def batch(self, size: int, rng: np.random.Generator, progress: float) -> dict[str, Any]:
        return {"pixels": np.zeros((size, 4, 4, 1), np.uint8)}

    def loss(self, net: Any, batch: dict[str, Any]) -> dict[str, Any]:
        return {"fall": -net.weight.sum()}

    def validate(self, net: Any) -> dict[str, float]:
        return {}


@pytest.mark.parametrize("photos", [12, 100])
def test_the_averaged_weights_follow_in_short_runs(tmp_path: Path, photos: int) -> None:
    torch.manual_seed(0)
    begin = Slope().network().weight.item()
    options = TrainOptions(epochs=100, weight_decay=0, device="cpu")
    average, history, finished = train(Slope(), tmp_path, options, photos=photos)
    end = float(load_checkpoint(tmp_path / "checkpoint.pt")["net"]["weight"])
    assert finished
    assert history[-1]["step"] == round(100 * photos / options.batch_size)
    assert end - begin > 0.03
    assert abs(end - average.state_dict()["weight"].item()) < 0.05 * (end - begin)


def test_no_step_is_checked_twice(tmp_path: Path) -> None:
    options = TrainOptions(epochs=1, batch_size=4, device="cpu")
    history = train(Slope(), tmp_path, options, photos=12)[1]
    assert [row["step"] for row in history] == [2, 3]
    assert all("loss fall" in row for row in history)


def test_few_photos_make_a_run_of_200_steps_and_named_epochs_are_kept() -> None:
    assert [steps(TrainOptions(), photos) for photos in (11, 64, 200, 9000)] == [200, 200, 625, 28125]
    assert [steps(TrainOptions(epochs=100), photos) for photos in (11, 200)] == [34, 625]
    assert steps(TrainOptions(epochs=0.001), 11) == 1
    assert steps(TrainOptions(minutes=60), 11) == math.inf, "an hour is an hour, however few photos there are"
    assert steps(TrainOptions(minutes=60, epochs=100), 200) == 625


def test_the_learning_rate_rises_in_a_tenth_of_a_short_run_and_in_300_steps_of_a_long_one() -> None:
    assert share(0, 0) < 0.01
    assert share(0.02, 400) == pytest.approx(1, abs=0.01)
    assert share(0.05, 31) == pytest.approx(0.5, abs=0.01)
    assert share(0.2, 2) > 0.9  # few steps, as the minutes allow no more
    assert share(1, 1000) == pytest.approx(0.02)
