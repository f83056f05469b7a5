"""Numbers of a trial that can't be what a family reads, though shapes and names are those of its files.

Such a graph would load and find nothing, or boxes of no size, without a word. Each check raises ModelError.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.models._boxes import ROUNDED, WIDEST_SHARE
from sightline.models.base import Graph

SLACK = 0.05
"""What graphs that compute in integers may give below 0."""


def check_pixels(graph: Graph, boxes: NDArray[Any]) -> None:
    """Boxes are to be in pixels of the input."""
    filled = _filled(boxes)
    if len(filled) and np.abs(filled).max() <= WIDEST_SHARE:
        raise _wrong(graph, "its boxes are shares of the picture (0 to 1)", "pixels of the input")


def check_shares(graph: Graph, boxes: NDArray[Any]) -> None:
    """Boxes are to be shares of the picture."""
    filled = _filled(boxes)
    if len(filled) and np.median(np.abs(filled).max(axis=1)) > WIDEST_SHARE:
        raise _wrong(graph, "its boxes are in pixels", "shares of the picture (0 to 1)")


def check_certainties(graph: Graph, scores: NDArray[Any]) -> None:
    """Scores are to be from 0 to 1."""
    finite = scores[np.isfinite(scores)]
    if finite.size and finite.min() < -SLACK:
        raise _wrong(graph, f"its scores are as low as {finite.min():.2g}, as before a sigmoid", "scores from 0 to 1")


def check_logits(graph: Graph, logits: NDArray[Any]) -> None:
    """Scores are to be what is before a sigmoid: most things that a network sees are nothing, far below 0."""
    finite = logits[np.isfinite(logits)]
    if finite.size > 1 and finite.min() >= 0 and finite.max() <= ROUNDED:
        raise _wrong(graph, "its scores are all from 0 to 1, as after a sigmoid", "scores from before it")


def _filled(boxes: NDArray[Any]) -> NDArray[Any]:
    """The rows of N x 4 that are no filling: with numbers above 0."""
    filled: NDArray[Any] = boxes[np.isfinite(boxes).all(axis=1) & (boxes > 0).any(axis=1)]
    return filled


def _wrong(graph: Graph, found: str, expected: str) -> ModelError:
    return ModelError(
        f"{graph.path}: {found}; expected {expected}, as its makers' tool writes them (docs/models.md, Bring your own "
        "model). Export it again with that tool"
    )
