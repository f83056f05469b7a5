"""Zones and lines as people give them: what is wrong is told with what was got and what was expected."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import BadSetting
from sightline.core.zones import CrossingLine, Zone, parse_shape

SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
METRES = [[0, 0], [4, 0], [4, 8], [0, 8]]
OUTLINES: dict[str, tuple[Any, str]] = {
    "two points": ([[0, 0], [1, 1]], "got 2 points; expected 3 to 100"),
    "too many": ([[0, 0]] * 10_000, "got 10000 points; expected 3 to 100"),
    "crosses itself": ([[0, 0], [1, 1], [1, 0], [0, 1]], "got edges that meet, after the points 1 and 3; expected an"),
    "touches itself": ([[0, 0], [1, 0], [0.5, 0.5], [1, 1], [0, 1], [0.5, 0.5]], "got edges that meet"),
    "goes back on itself": ([[0, 0], [1, 0], [0.5, 0], [0.5, 1]], "got edges that meet"),
    "a corner twice": ([[0, 0], [0, 0], [1, 1], [1, 0]], "got the point [0.0, 0.0] twice in a row"),
    "out of the picture": ([[0, 0], [1.2, 0], [1, 1]], "got [1.2, 0] as point 2; expected x and y from 0 to 1"),
    "no number": ([[0, 0], [math.nan, 0], [1, 1]], "got [nan, 0] as point 2"),
    "infinite": ([[0, 0], [1, -math.inf], [1, 1]], "got [1, -inf] as point 2"),
    "a word": ([[0, 0], ["1", 0], [1, 1]], "got ['1', 0] as point 2"),
    "a truth value": ([[0, 0], [True, 0], [1, 1]], "got [True, 0] as point 2"),
    "three numbers": ([[0, 0], [1, 0, 1], [1, 1]], "got [1, 0, 1] as point 2"),
    "no list": ("0,0 1,0 1,1", "got '0,0 1,0 1,1'; expected 3 to 100 points [x, y]"),
    "nothing": (None, "got 'None'; expected 3 to 100 points"),
    "no area": ([[0.5, 0.5], [0.5001, 0.5], [0.5, 0.5001]], "got an area of 5.0e-09 of the picture; expected at least"),
}


@pytest.mark.parametrize("name", OUTLINES)
def test_an_outline_that_is_none(name: str) -> None:
    points, told = OUTLINES[name]
    with pytest.raises(BadSetting) as caught:
        parse_shape(Zone, {"points": points}, "zones.drive.")
    assert caught.value.message.startswith("zones.drive.points: ")
    assert told in caught.value.message
    assert caught.value.key == "zones.drive.points"
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ([[0, 0]], "got 1 points; expected 2"),
        (SQUARE, "got 4 points; expected 2"),
        ([[0.5, 0.5], [0.5, 0.5]], "expected two ends that differ"),
        ([[0, 0], [0, 2]], "got [0, 2] as point 2"),
    ],
)
def test_a_line_that_is_none(points: Any, told: str) -> None:
    with pytest.raises(BadSetting, match="points") as caught:
        parse_shape(CrossingLine, {"points": points})
    assert told in caught.value.message


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ({}, "points: got {}; expected points [x, y]"),
        (5, "body: got 5; expected the keys points"),
        ({"points": SQUARE, "anchor": "top"}, "anchor: got 'top'; expected bottom or center"),
        ({"points": SQUARE, "color": "red"}, "color: got 'red'; expected a colour such as #33aaff"),
        ({"points": SQUARE, "classes": "car"}, "classes: got 'car'; expected a list of 1 to 256"),
        ({"points": SQUARE, "min_size": 2}, "min_size: got 2; expected a number from 0 to 1"),
        ({"points": SQUARE, "colour": "#33aaff"}, "colour: got '#33aaff'; expected one of the keys points"),
        ({"points": SQUARE, "loiter_s": 0}, "loiter_s: got 0; expected a number of seconds from 0.1 to 86400"),
        ({"points": SQUARE, "loiter_s": float("nan")}, "loiter_s: got nan; expected a number of seconds"),
        ({"points": SQUARE, "loiter_s": True}, "loiter_s: got True; expected a number of seconds"),
        ({"points": SQUARE[:3], "ground": METRES}, "ground: got places for a zone of 3 corners"),
        ({"points": SQUARE, "ground": [[0, 0]] * 4}, "ground: got places that form no four-cornered area"),
        ({"points": SQUARE, "ground": METRES[:3]}, "ground: got 3 points; expected 4"),
    ],
)
def test_other_keys(given_: Any, told: str) -> None:
    with pytest.raises(BadSetting) as caught:
        parse_shape(Zone, given_)
    assert told in caught.value.message


def test_only_zones_have_loiter_s() -> None:
    assert parse_shape(Zone, {"points": SQUARE, "loiter_s": 20}).loiter_s == 20
    with pytest.raises(BadSetting, match="expected one of the keys points, classes, min_size, anchor, color"):
        parse_shape(CrossingLine, {"points": [[0, 0], [1, 1]], "loiter_s": 20})


def test_an_outline_that_comes_back_to_its_first_point_is_as_geojson_has_it() -> None:
    assert parse_shape(Zone, {"points": [*SQUARE, SQUARE[0]]}) == parse_shape(Zone, {"points": SQUARE})


@pytest.mark.parametrize("case", json.loads((Path(__file__).parents[1] / "golden" / "outlines.json").read_text()))
def test_edges_meet_where_pages_say_so(case: dict[str, Any]) -> None:
    with pytest.raises(BadSetting) if case["meet"] else contextlib.nullcontext():
        parse_shape(Zone, {"points": case["points"]})


def test_outlines_need_not_be_convex_and_may_go_either_way_round() -> None:
    bent = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.5, 0.2], [0.1, 0.9]]
    assert parse_shape(Zone, {"points": bent, "ground": None}).points == tuple(map(tuple, bent))
    assert parse_shape(Zone, {"points": bent[::-1]}).points == tuple(map(tuple, bent[::-1]))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner)))
def test_whatever_is_given_is_a_zone_or_refused_in_words(points: Any) -> None:
    with contextlib.suppress(BadSetting):
        assert len(parse_shape(Zone, {"points": points}).points) >= 3
