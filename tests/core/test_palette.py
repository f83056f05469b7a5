"""The colours of classes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core import palette

GOLDEN = Path(__file__).parents[1] / "golden" / "palette.json"


def hexed(bgr: palette.Colour) -> str:
    return "#{2:02x}{1:02x}{0:02x}".format(*bgr)


def test_the_colours_are_those_of_the_golden_file() -> None:
    """The browser's palette is held to the same file, so a change here is a change there."""
    golden = json.loads(GOLDEN.read_text())
    ours = [
        {"color": hexed(palette.color(i)), "text": hexed(palette.text_color(palette.color(i)))}
        for i in range(len(golden))
    ]
    assert len(golden) == 64
    assert ours == golden


def test_the_first_colours_are_told_apart_by_the_eye() -> None:
    colours = np.array([palette.color(i) for i in range(len(palette.HAND_PICKED))], np.float32) / 255
    lab = cv2.cvtColor(colours[:, None], cv2.COLOR_BGR2LAB)[:, 0]
    distances = [float(np.linalg.norm(a - b)) for a, b in itertools.combinations(lab, 2)]
    assert min(distances) > 15  # 2.3 is the least difference that can be seen
    neighbours = [float(np.linalg.norm(a - b)) for a, b in itertools.pairwise(lab)]
    assert min(neighbours) > 40


def test_no_two_of_the_first_256_are_equal() -> None:
    assert len({palette.color(i) for i in range(256)}) == 256


@given(st.integers(-(2**40), 2**40))
def test_any_number_has_a_colour_that_is_not_dark(class_id: int) -> None:
    colour = palette.color(class_id)
    assert all(0 <= channel <= 255 for channel in colour)
    assert max(colour) >= 160


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_text_has_the_contrast_that_wcag_asks_for(colour: palette.Colour) -> None:
    assert contrast(colour, palette.text_color(colour)) >= 4.5


@pytest.mark.parametrize(("colour", "text"), [((255, 255, 255), (0, 0, 0)), ((0, 0, 0), (255, 255, 255))])
def test_text_on_white_is_black_and_on_black_white(colour: palette.Colour, text: palette.Colour) -> None:
    assert palette.text_color(colour) == text


def test_the_table_is_the_colours_and_ours_to_change() -> None:
    table = palette.table()
    assert table.shape == (256, 1, 3)
    assert table.dtype == np.uint8
    assert tuple(table[200, 0].tolist()) == palette.color(200)
    table[:] = 0
    assert tuple(palette.table()[200, 0].tolist()) == palette.color(200)


def contrast(a: palette.Colour, b: palette.Colour) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(bgr: palette.Colour) -> float:
    shares = np.array(bgr) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.0722, 0.7152, 0.2126])
