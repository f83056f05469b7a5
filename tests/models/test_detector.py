"""What is read from the outputs of a detector that ``sightline train detect`` wrote."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from sightline.core.predictions import Detections
from sightline.zoo.loader import load_model
from support.made_graph import MakeGraph

BOXES = [[8, 8, 24, 24], [10, 8, 26, 24], [8, 40, 24, 56], [8, 9, 24, 25]]


def read(
    make_graph: MakeGraph, scores: Sequence[Sequence[float]], confidence: float, boxes: object = BOXES
) -> Detections:
    """Have a graph say these boxes, with scores of classes x boxes."""
    outputs = {"boxes": np.array(boxes, np.float32), "scores": np.array(scores)}
    path = make_graph(outputs, size=(64, 64), dtype="uint8", metadata={"sightline": "detect"})
    model = load_model(str(path), engine="onnx", confidence=confidence)
    return model.predict([np.zeros((64, 64, 3), np.uint8)])[0].objects


def test_boxes_that_agree_are_averaged_by_score_and_overlap(make_graph: MakeGraph) -> None:
    found = read(make_graph, [[0.8, 0.4, 0.5, 0.1]], 0.25)
    assert found.confidence.tolist() == pytest.approx([0.8, 0.5])
    weight = 0.4 * 14 / 18  # 14 of 18 columns are common to both
    left = (0.8 * 8 + weight * 10) / (0.8 + weight)
    assert found.xyxy[0].tolist() == pytest.approx([left, 8, left + 16, 24], abs=1e-3), "the fourth is not confident"
    assert found.xyxy[1].tolist() == [8, 40, 24, 56], "nobody else saw it"


def test_other_classes_and_boxes_elsewhere_have_no_say(make_graph: MakeGraph) -> None:
    found = read(make_graph, [[0.8, 0.0, 0.5, 0.0], [0.0, 0.7, 0.0, 0.6]], 0.25)
    assert found.class_id.tolist() == [0, 1, 0]
    assert found.xyxy[0].tolist() == [8, 8, 24, 24]


def test_a_cell_has_one_class_and_all_that_it_may_be_where_it_is_not_sure(make_graph: MakeGraph) -> None:
    scores = [[0.8, 0.0, 0.2, 0.0], [0.3, 0.0, 0.15, 0.0], [0.02, 0.0, 0.02, 0.0]]
    assert read(make_graph, scores, 0.25).class_id.tolist() == [0]
    found = read(make_graph, scores, 0.1)
    assert list(zip(found.class_id.tolist(), found.xyxy[:, 1].tolist(), strict=True)) == [(0, 8), (0, 40), (1, 40)]


@pytest.mark.filterwarnings("error")
def test_boxes_of_any_size_are_left_alone(make_graph: MakeGraph) -> None:
    huge = [[-1e20, -1e20, 1e20, 1e20], [-9e19, -1e20, 1e20, 1e20], [8, 40, 24, 56], [8, 9, np.nan, 25]]
    found = read(make_graph, [[0.8, 0.7, 0.5, 0.9]], 0.25, huge)
    assert [8, 40, 24, 56] in found.xyxy.tolist()
    assert np.isfinite(found.xyxy).all()
