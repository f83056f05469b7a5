"""The alpha of models with two classes says what their map says, and more softly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from sightline.core.predictions import Segmentation
from sightline.models._alpha import LONGEST, alpha_of, alpha_of_shares
from sightline.models._class_map import best_class
from sightline.zoo.loader import load_model
from support.made_graph import MakeGraph

LOGITS = arrays.arrays(np.float32, (2, 5, 7), elements=st.floats(-40, 40, width=32))


@given(LOGITS, st.booleans(), st.sampled_from([np.float32, np.float16]))
def test_more_than_half_is_where_the_class_is(logits: NDArray[np.float32], last: bool, kind: type) -> None:
    given_: NDArray[Any] = logits.astype(kind)
    if last:  # classes last in memory
        given_ = np.moveaxis(np.ascontiguousarray(np.moveaxis(given_, 0, -1)), -1, 0)
    alpha = alpha_of(given_)
    assert alpha is not None
    apart = np.abs(given_[1].astype(np.float32) - given_[0]) > 0.05
    assert ((alpha >= 128) == best_class(given_))[apart].all()
    sure = np.abs(given_[1].astype(np.float32) - given_[0]) > 3
    assert np.isin(alpha[sure], (0, 255)).all(), "what a model is sure of is not see-through"


def test_shares_of_a_softmax_are_taken_as_they_are() -> None:
    second = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    alpha = alpha_of(np.stack((1 - second, second)))
    assert alpha is not None
    assert np.abs(alpha - 255 * second).max() < 0.51
    np.testing.assert_array_equal(alpha, alpha_of_shares(second))


def test_other_classes_have_none_and_large_outputs_a_small_one() -> None:
    assert alpha_of(np.zeros((3, 4, 4), np.float32)) is None
    large = alpha_of(np.zeros((2, 300, 3 * LONGEST), np.float32))
    assert large is not None
    assert large.shape == (100, LONGEST)


@pytest.mark.parametrize(
    ("outputs", "family"),
    [
        ({"logits": np.linspace(-2, 2, 2048).reshape(2, 32, 32)}, "semantic"),
        ({"output": np.linspace(0, 1, 1024).reshape(1, 32, 32)}, "modnet"),
        ({"output": np.linspace(-2, 2, 1024).reshape(1, 32, 32)}, "birefnet"),
        ({f"d{i}": np.linspace(0, 1, 1024).reshape(1, 32, 32) for i in range(7)}, "u2net"),
    ],
)
def test_each_family_of_two_classes_gives_one(
    outputs: dict[str, NDArray[np.float64]], family: str, make_graph: MakeGraph
) -> None:
    """Fault 28 is not only that of ``person``."""
    graph = make_graph(
        {name: values.astype(np.float32) for name, values in outputs.items()},
        size=(32, 32),
        metadata={"family": family, "names": "['background','person']"},
    )
    found = load_model(str(graph), engine="onnx").predict([np.zeros((48, 64, 3), np.uint8)])[0]
    assert isinstance(found, Segmentation)
    assert found.alpha is not None
    assert found.alpha.shape[1] == 32
