"""Confidences that mean what they say: of the boxes with a confidence of 0.3, three in ten are right.

A training alone does not see to that. The boxes found in the photos kept aside say how far off the confidences are, and
two numbers put it right (after Platt, 1999): a factor and an offset of the logits. They become part of the network. The
order of the boxes stays, and so does every average precision.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sightline.core.boxes import overlap
from sightline.train.nets import DetectorNet
from sightline.train.records import DataSet

RIGHT = 0.5
"""Overlap with a true box of its class from which a found box is right."""
SHOWN = 0.05
"""Score below which nobody has boxes shown: those say nothing here."""
DOUBT = 30.0
"""How many boxes it takes to believe in a correction as much as in none."""
LEAST, MOST = 0.3, 3.0
"""Bounds of the factor: beyond them the boxes found say nothing about confidences."""
STEPS = 50


def right(
    data: DataSet, truth: Sequence[NDArray[np.float32]], found: Sequence[NDArray[np.float32]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores of all found boxes that can be judged and may be shown, and whether each is right.

    ``truth`` has rows of box and class, ``found`` of box, class and score, photo by photo, the best first. A true box
    makes one found box right. A class is judged only in photos in which every instance of it is annotated.
    """
    scores: list[float] = []
    verdicts: list[bool] = []
    for record, boxes, rows in zip(data.records, truth, found, strict=True):
        left = boxes.copy()
        for row in rows:
            if int(row[4]) not in record.complete or row[5] < SHOWN:
                continue
            overlaps = np.where(left[:, 4] == row[4], overlap(left[:, :4], row[:4]), 0.0)
            hit = bool(len(left)) and float(overlaps.max()) >= RIGHT
            if hit:
                left = np.delete(left, int(overlaps.argmax()), 0)
            scores.append(float(row[5]))
            verdicts.append(hit)
    return np.array(scores, np.float64), np.array(verdicts, np.bool_)


def correction(scores: NDArray[np.float64], verdicts: NDArray[np.bool_]) -> tuple[float, float]:
    """Factor (> 0) and offset of the logits, with which scores are the share of right boxes. 1 and 0 change nothing.

    They are the most likely ones by Newton's method. Few boxes say little, and move them little.
    """
    logits = np.log(scores.clip(1e-6, 1 - 1e-6)) - np.log1p(-scores.clip(1e-6, 1 - 1e-6))
    inputs = np.stack([logits, np.ones_like(logits)], 1)
    start = np.array([1.0, 0.0])
    at = start.copy()
    for _ in range(STEPS):
        says = 1 / (1 + np.exp(-inputs @ at))
        slope = inputs.T @ (verdicts - says) - DOUBT * (at - start)
        bend = (inputs * (says * (1 - says))[:, None]).T @ inputs + DOUBT * np.eye(2)
        step = np.linalg.solve(bend, slope)
        at = at + step * min(1.0, 1 / (float(np.abs(step).max()) + 1e-9))
        if np.abs(step).max() < 1e-6:
            break
    return float(at[0].clip(LEAST, MOST)), float(at[1])


def correct(net: DetectorNet, factor: float, offset: float) -> None:
    """Make a correction part of a network: its logits become ``factor`` times what they were, plus ``offset``."""
    with torch.no_grad():
        for layer in net.scores:
            assert isinstance(layer, torch.nn.Conv2d)
            assert layer.bias is not None
            layer.weight.mul_(factor)
            layer.bias.mul_(factor).add_(offset)
