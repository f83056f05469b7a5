"""Numbers as messages have them."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.rounding import rounded


@given(st.floats(-1e10, 1e10))
def test_what_is_rounded_has_three_digits_and_is_the_nearest(value: float) -> None:
    assert rounded(value) == round(rounded(value), 3)
    assert abs(rounded(value) - value) <= 0.0005 + 1e-5


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_no_number_stays_as_it_is(value: float) -> None:
    assert json.dumps(rounded(value)) == json.dumps(value)
