"""A person's edges are steady from frame to frame, and follow what moves: fault 28.

``python tests/analytics/test_steady.py``, with ``tests`` on PYTHONPATH, writes ``golden/steady.json`` anew.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from sightline.analytics.base import Pipeline
from sightline.analytics.steady import FORGOTTEN_S, MOVING, STILL
from sightline.core.predictions import Detections, Prediction, Segmentation
from sightline.core.types import Encoded, Frame, ModelCard
from sightline.inference.client_results import result_of
from sightline.media import codecs
from sightline.wire.requests import PageResults

GOLDEN = Path(__file__).parents[1] / "golden" / "steady.json"
Alpha = NDArray[np.uint8]
CARD = ModelCard("person", "segmenter", "segment", ("background", "person"), (64, 64), "MIT", "here")
ALPHAS = arrays.arrays(np.uint8, (6, 9))
TIMES = st.floats(0, FORGOTTEN_S)


def said(alpha: Alpha) -> Segmentation:
    return Segmentation(np.zeros((12, 18), np.uint8), alpha=alpha)


def show(pipeline: Pipeline, alpha: Alpha, at: float, card: ModelCard = CARD) -> Alpha:
    """What is shown of a frame; its map is where the alpha is a half or more."""
    frame = Frame("hall", 0, at, at, Encoded(b"", 18, 12))
    shown = pipeline.apply(frame, said(alpha), card).prediction
    assert isinstance(shown, Segmentation)
    assert shown.alpha is not None
    if shown.alpha is not alpha:
        enlarged = cv2.resize(shown.alpha, (18, 12), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(shown.class_map, enlarged >= 128)
    return shown.alpha


def disc(x: float, y: float, noise: float, rng: np.random.Generator) -> Alpha:
    """Somebody with soft edges, 3 pixels wide."""
    rows, columns = np.mgrid[0:90, 0:160]
    alpha = (255 * ((40 - np.hypot(columns - x, rows - y)) / 3 + 0.5)).clip(0, 255)
    edge = (alpha > 0) & (alpha < 255)
    seen = np.rint((alpha + edge * rng.normal(0, noise, alpha.shape)).clip(0, 255))
    return np.asarray(seen, np.uint8)


def change(alphas: list[Alpha]) -> float:
    """Mean change between frames as a share of the area."""
    values = np.array(alphas, np.float32)
    return float((np.abs(np.diff(values, axis=0)).sum((1, 2)) / values[1:].sum((1, 2))).mean())


def test_a_still_person_changes_by_less_than_half_a_percent_whatever_frames_are_missing() -> None:
    rng = np.random.default_rng(1)
    own = [disc(80 + rng.normal(0, 0.3), 45 + rng.normal(0, 0.3), 15, rng) for _ in range(60)]
    assert change(own[5:]) > 0.01
    for every in (1, 3):
        pipeline = Pipeline.of(["steady"])
        shown = [show(pipeline, alpha, n / 25) for n, alpha in enumerate(own) if n % every == 0]
        assert change(shown[5:]) < 0.005


def test_who_moves_is_followed_within_the_frame() -> None:
    rng = np.random.default_rng(1)
    own = [disc(40 + 4 * n, 45, 0, rng) for n in range(20)]
    pipeline = Pipeline.of(["steady"])
    shown = [show(pipeline, alpha, n / 25) for n, alpha in enumerate(own)]
    behind = np.abs(np.array(shown[1:], np.float32) - own[1:]).sum()
    assert behind < 0.5 * np.abs(np.diff(np.array(own, np.float32), axis=0)).sum(), "half a frame"


@given(ALPHAS, ALPHAS, TIMES)
def test_what_is_shown_lies_between_what_was_and_what_is_and_large_changes_are_followed_at_once(
    before: Alpha, now: Alpha, passed: float
) -> None:
    pipeline = Pipeline.of(["steady"])
    assert show(pipeline, before, 5.0) is before, "the first one is the model's own"
    shown = show(pipeline, now, 5.0 + passed).astype(int)
    assert (shown >= np.minimum(before, now)).all()
    assert (shown <= np.maximum(before, now)).all()
    around = cv2.blur(cv2.absdiff(before, now), (5, 5))
    np.testing.assert_array_equal(shown[around >= MOVING], now[around >= MOVING])


@given(ALPHAS, st.integers(-STILL, STILL), TIMES, st.floats(0, 1))
def test_a_small_change_goes_by_time_not_by_frames(before: Alpha, more: int, passed: float, part: float) -> None:
    before = before // 2 + 64
    now = (before.astype(int) + more).astype(np.uint8)
    once, often = Pipeline.of(["steady"]), Pipeline.of(["steady"])
    for pipeline in (once, often):
        show(pipeline, before, 0.0)
    show(often, now, passed * part)
    assert np.abs(show(often, now, passed).astype(int) - show(once, now, passed)).max() <= 1


def test_nothing_of_before_is_left_after_a_cut_a_gap_another_model_or_another_size() -> None:
    first, second = np.full((6, 9), 120, np.uint8), np.full((6, 9), 130, np.uint8)
    other, left = np.full((9, 6), 130, np.uint8), np.zeros((6, 9), np.uint8)
    left[:, :4] = 255

    def after(alpha: Alpha, at: float = 0.04, card: ModelCard = CARD) -> bool:
        """Whether it is shown as the model gave it."""
        pipeline = Pipeline.of(["steady"])
        show(pipeline, first if alpha is not left else 255 - left, 0.0)
        return show(pipeline, alpha, at, card) is alpha

    assert not after(second)
    assert not after(second, card=replace(CARD)), "the same model"
    assert after(second, FORGOTTEN_S + 0.1)
    assert after(second, -0.1), "a clock that goes back"
    assert after(second, card=replace(CARD, name="other"))
    assert after(other)
    assert after(left), "a cut"


def test_what_has_no_alpha_passes_and_begins_anew() -> None:
    pipeline, frame = Pipeline.of(["steady"]), Frame("hall", 0, 0.0, 0.0, Encoded(b"", 18, 12))
    alpha, later = np.full((6, 9), 120, np.uint8), np.full((6, 9), 130, np.uint8)
    others: list[Prediction] = [Detections.empty(), Segmentation(np.zeros((2, 2), np.uint8))]
    for other in others:
        show(pipeline, alpha, 0.0)
        assert pipeline.apply(frame, other, CARD).prediction is other
        assert show(pipeline, later, 0.04) is later
    show(pipeline, alpha, 0.1)
    pipeline.finish("the camera is gone", pipeline)
    assert show(pipeline, later, 0.12) is not later, "the stage went on in the pipeline that took its place"
    assert show(pipeline.renewed(), alpha, 0.14) is alpha, "another camera"


def test_frames_in_which_nothing_moved_were_shown_too() -> None:
    """A change after a reused result is as slow as any: time did not stand still for it."""
    pipeline, alpha = Pipeline.of(["steady"]), np.full((6, 9), 120, np.uint8)
    show(pipeline, alpha, 0.0)
    for n in range(1, 100):
        pipeline.touch(Frame("hall", n, n / 25, 0.0, Encoded(b"", 18, 12)), said(alpha))
    assert show(pipeline, alpha + 20, 4.0).max() <= 123


def test_what_a_cameras_page_found_is_steadied_too() -> None:
    pipeline, alpha = Pipeline.of(["steady"]), np.full((6, 9), 126, np.uint8)
    make = partial(result_of, card=CARD, pipeline=pipeline)
    shown = []
    for n, more in enumerate((0, 40)):
        frame = Frame("hall", n, n / 25, 0.0, Encoded(b"", 18, 12))
        page = PageResults("person", "wasm", 2, 9.5, mask_bytes=1)
        png = codecs.encode_mask(np.full((12, 18), more > 0, np.uint8), alpha + np.uint8(more))
        made = make(frame, page, png)
        assert made.mask_png is not None
        shown.append(codecs.decode_alpha(made.mask_png))
    assert shown[0] is not None
    assert shown[1] is not None
    assert 0 < int(shown[1][0, 0]) - int(shown[0][0, 0]) < 30


def golden() -> list[dict[str, Any]]:
    """Frames with noise and movement, a cut, a gap and another size; and what is shown of each."""
    rng = np.random.default_rng(7)
    films = [(np.roll(cv2.resize(disc(80, 45, 0, rng), (16, 9)), n // 3, 1), n / 20) for n in range(9)]
    films += [(255 - films[0][0], 0.5), (255 - films[0][0], 9.0), (films[1][0].T.copy(), 9.1), (films[1][0].T, 9.2)]
    pipeline, cases = Pipeline.of(["steady"]), []
    for clean, at in films:
        alpha = (clean + rng.normal(0, 12, clean.shape)).clip(0, 255).astype(np.uint8)
        height, width = alpha.shape
        shown = show(pipeline, alpha, at)
        text = {k: base64.b64encode(v.tobytes()).decode() for k, v in (("alpha", alpha), ("shown", shown))}
        cases.append({"at": at, "width": width, "height": height, **text})
    return cases


def test_the_golden_file_which_pages_are_held_to_is_what_python_shows() -> None:
    for made, kept in zip(golden(), json.loads(GOLDEN.read_text()), strict=True):
        for key in ("alpha", "shown"):
            ours, theirs = (np.frombuffer(base64.b64decode(one.pop(key)), np.uint8).astype(int) for one in (made, kept))
            assert np.abs(ours - theirs).max() <= 1
        assert made == kept


if __name__ == "__main__":
    GOLDEN.write_text("[\n " + ",\n ".join(map(json.dumps, golden())) + "\n]\n")
