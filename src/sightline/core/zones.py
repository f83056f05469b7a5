"""Zones and lines as people give them: one set of keys and checks for the settings file, the API and ``run``.

Points are from 0 to 1 of the upright picture, from its upper left corner. Pure Python, as the settings import this.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from sightline.core.errors import BadRequest, BadSetting

Point: TypeAlias = tuple[float, float]
SHAPE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
ShapeName = Annotated[str, Field(pattern=f"^{SHAPE_NAME.pattern}$")]
"""Name of a zone or a line."""

MOST_POINTS = 100
MOST_SHAPES = 64
"""Zones, and lines, that a stream may have."""
MOST_CLASSES = 256
LEAST_AREA = 1e-5
"""Share of the picture that a zone must cover: three pixels of 640 x 480."""


def check_zone(given: object) -> tuple[Point, ...]:
    """Return a zone's corners. Raises ValueError for what is no outline of an area in the picture."""
    points = _points(given, 3, MOST_POINTS)
    closed = [*points, points[0]]
    for n, (one, other) in enumerate(pairwise(closed), 1):
        if one == other:
            raise ValueError(f"got the point {list(one)} twice in a row; expected corners that differ (point {n})")
    edges = list(pairwise(closed))
    for n, first in enumerate(edges):
        for m in range(n + 1, len(edges)):
            if _cross(first, edges[m], neighbours=m - n in (1, len(edges) - 1)):
                raise ValueError(
                    f"got edges that meet, after the points {n + 1} and {m + 1}; expected an outline that does not "
                    "cross or touch itself"
                )
    area = abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in edges)) / 2
    if area < LEAST_AREA:
        raise ValueError(f"got an area of {area:.1e} of the picture; expected at least {LEAST_AREA:g}")
    return points


def check_line(given: object) -> tuple[Point, Point]:
    """Return a line's two ends. Raises ValueError."""
    first, second = _points(given, 2, 2)
    if math.dist(first, second) < 0.001:
        raise ValueError(f"got a line from {list(first)} to {list(second)}; expected two ends that differ")
    return first, second


def check_ground(given: object) -> tuple[Point, ...]:
    """Return the places in metres of a zone's four corners. Raises ValueError."""
    points = _points(given, 4, 4, most=10000.0, what="metres on the ground")
    closed = [*points, *points[:2]]
    turns = [
        (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
        for a, b, c in zip(closed, closed[1:], closed[2:], strict=False)
    ]
    if not (min(turns) > 0.01 or max(turns) < -0.01):
        raise ValueError("got places that form no four-cornered area; expected the corners in the order of the points")
    return points


class BaseShape(BaseModel):
    """What zones and lines have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    points: tuple[Point, ...]
    classes: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(
        default=None, min_length=1, max_length=MOST_CLASSES
    )
    """Names of the classes that count; null for all."""
    min_size: float = Field(default=0.0, ge=0, le=1)
    """Least height of an object's box, as a share of the picture's."""
    anchor: Literal["bottom", "center"] = "bottom"
    """Point of an object's box that counts: the middle of its lower edge, or of the box."""
    color: str | None = Field(default=None, pattern=r"^#[0-9a-fA-F]{6}$")
    """Colour in which pages draw it, such as #33aaff; null for their own choice."""


class Zone(BaseShape):
    """An area of the picture."""

    points: Annotated[tuple[Point, ...], BeforeValidator(check_zone)]
    """3 to 100 corners, in order."""
    ground: tuple[Point, ...] | None = None
    """Where the zone's four corners lie on the ground, in metres: then the speed of objects in it is told."""

    loiter_s: float | None = Field(default=None, ge=0.1, le=86400, strict=True)
    """Seconds in the zone after which an object loiters; null for never."""

    @field_validator("ground", mode="before")
    @classmethod
    def _check_ground(cls, given: object, info: ValidationInfo) -> object:
        corners = len(info.data.get("points", ()))
        if given is not None and corners not in (0, 4):
            raise ValueError(f"got places for a zone of {corners} corners; expected them for one of four")
        return None if given is None else check_ground(given)


class CrossingLine(BaseShape):
    """A directed line across the picture. Seen from the first end towards the second, ``in`` is to the right."""

    points: Annotated[tuple[Point, Point], BeforeValidator(check_line)]
    """Its two ends."""


AnyShape = TypeVar("AnyShape", bound=BaseShape)

EXPECTED = {
    "points": "points [x, y] from 0 to 1 of the picture: 3 to 100 corners of a zone, or the two ends of a line",
    "loiter_s": "a number of seconds from 0.1 to 86400, or null",
    "ground": "four places [x, y] in metres, or null",
    "classes": f"a list of 1 to {MOST_CLASSES} names of classes, or null for all",
    "min_size": "a number from 0 to 1",
    "anchor": "bottom or center",
    "color": "a colour such as #33aaff, or null",
}
"""Expected values in words, by key."""


def check_shape_name(name: str) -> str:
    """Return ``name`` if it can name a zone or a line; raise BadRequest otherwise."""
    if not SHAPE_NAME.fullmatch(name):
        raise BadRequest(f"name {name[:80]!r} of a zone, line or rule: expected 1 to 64 letters, digits, '_' or '-'")
    return name


def parse_shape(kind: type[AnyShape], given: object, where: str = "") -> AnyShape:
    """Return a zone or a line from what a person gave. Raises BadSetting. ``where``: words before the key."""
    try:
        return kind.model_validate(given)
    except ValidationError as e:
        raise bad_shape(kind, e.errors()[0], where) from None


def bad_shape(kind: type[BaseShape], problem: Mapping[str, Any], where: str = "") -> BadSetting:
    """Convert a pydantic error into a BadSetting in our words."""
    steps = [str(part) for part in problem["loc"] if part != "body"]
    key = steps[0] if steps else ""
    keys = [name for name in EXPECTED if name in kind.model_fields]
    if not key:
        return BadSetting.of(where.rstrip(".") or "body", problem.get("input"), f"the keys {', '.join(keys)}")
    if key not in keys:
        return BadSetting.of(f"{where}{key}"[:100], problem.get("input"), f"one of the keys {', '.join(keys)}")
    if problem["type"] == "value_error":
        got, _, expected = str(problem["ctx"]["error"]).partition("; expected ")
        got = got.removeprefix("got ")
        return BadSetting(f"{where}{key}: got {got}; expected {expected}", f"{where}{key}", got, expected)
    return BadSetting.of(f"{where}{key}", problem.get("input"), EXPECTED[key])


def _points(
    given: object, least: int, most_points: int, *, most: float = 1.0, what: str = "the picture"
) -> tuple[Point, ...]:
    """Return points. The first one again at the end of an outline, as GeoJSON has it, is left out."""
    counted = f"{least}" if least == most_points else f"{least} to {most_points}"
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise ValueError(f"got {str(given)[:60]!r}; expected {counted} points [x, y]")
    if least < len(given) <= most_points + 1 and least > 2 and given[0] == given[-1]:
        given = given[:-1]
    if not least <= len(given) <= most_points:
        raise ValueError(f"got {len(given)} points; expected {counted}")
    low = 0.0 if most == 1.0 else -most
    for n, point in enumerate(given, 1):
        whole = isinstance(point, Sequence) and not isinstance(point, str | bytes) and len(point) == 2
        if not whole or not all(_is_number(value, low, most) for value in point):
            shown = str(point)[:60]
            raise ValueError(f"got {shown} as point {n}; expected x and y from {low:g} to {most:g} of {what}")
    return tuple((float(x), float(y)) for x, y in given)


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _cross(one: tuple[Point, Point], other: tuple[Point, Point], *, neighbours: bool) -> bool:
    """Return True if two edges have a point in common, save the corner that neighbours share."""
    (a, b), (c, d) = one, other
    if neighbours:  # they overlap where the second goes straight back
        corner, end, start = (b, d, a) if b == c else (a, c, b)
        back = (start[0] - corner[0]) * (end[0] - corner[0]) + (start[1] - corner[1]) * (end[1] - corner[1])
        return back > 0 and _turn(start, corner, end) == 0
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    touching = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(turn == 0 and _between(*three) for turn, three in zip(turns, touching, strict=True))


def _turn(a: Point, b: Point, c: Point) -> float:
    """Return which side of the line from a to b the point c lies on; 0 on the line."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _between(a: Point, b: Point, c: Point) -> bool:
    """Return True if c, which is on the line through a and b, is between them."""
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])
