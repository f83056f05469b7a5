"""Rules as people give them: one set of keys and checks for the settings file, the API and the page's form.

A rule reads as a sentence: when a person is in the drive for 2 s, outside 08:00-18:00, not again for 60 s: notify.
Pure Python, as the settings import this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sightline.core.errors import BadSetting
from sightline.core.events import ACTIONS, TELLING, Action
from sightline.core.schedule import DAYS, MINUTES, Day, in_hours
from sightline.core.zones import MOST_CLASSES, BaseShape, ShapeName

MOST_RULES = 64
"""Rules that a stream may have."""
HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _check_hours(given: object) -> object:
    """Return hours as they are kept: midnight has one name. Raises ValueError."""
    if isinstance(given, str) and given.endswith("-24:00"):
        given = given.removesuffix("-24:00") + "-00:00"
    if isinstance(given, str) and (HOURS.fullmatch(given) is None or given[:5] == given[6:]):
        raise ValueError("no times")
    return given


class Rule(BaseModel):
    """What has to happen in a stream, when, how often it counts, and who is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: Annotated[bool, Field(strict=True)] = True
    when: Literal["object", "scene", "stream"] = "object"
    """What it is about: objects; the camera was covered or moved; the camera was lost."""
    classes: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(
        default=None, min_length=1, max_length=MOST_CLASSES
    )
    """Names of the classes that count; null for all."""
    zone: ShapeName | None = None
    """Zone in which they have to be. With neither zone nor line, the whole picture."""
    line: ShapeName | None = None
    """Line that they have to cross."""
    direction: Literal["in", "out"] | None = None
    """Which way they have to cross it; null for both."""
    at_least: int = Field(default=1, strict=True, ge=1, le=1000)
    """Number of objects that have to be there at the same time."""
    for_s: float = Field(default=0.0, ge=0, le=86400)
    """Seconds for which they have to be there."""
    hours: Annotated[str | None, BeforeValidator(_check_hours)] = None
    """Time of day, such as 08:00-18:00 or 22:00-06:00, by the server's clock; null for any."""
    outside: Annotated[bool, Field(strict=True)] = False
    """True if ``hours`` and ``days`` are when it does not count."""
    days: tuple[Day, ...] | None = Field(default=None, min_length=1, max_length=7)
    """Days of the week on which ``hours`` begin; null for all."""
    cooldown_s: float = Field(default=60.0, ge=0, le=604800)
    """Seconds after it was fulfilled in which it is not again."""
    actions: tuple[Action, ...] = TELLING
    """Who is told, and whether a clip is kept. It is always among the events."""

    @model_validator(mode="after")
    def _check_place(self) -> Rule:
        if self.zone is not None and self.line is not None:
            raise ValueError("zone; a zone and a line; expected one of them")
        if self.direction is not None and self.line is None:
            raise ValueError("direction; a direction without a line; expected a line, or no direction")
        if self.line is not None and (self.for_s or self.at_least > 1):
            raise ValueError("line; a line with for_s or at_least; expected a zone, as crossing takes no time")
        about = (self.classes, self.zone, self.line)
        if self.when != "object" and (self.at_least > 1 or any(one is not None for one in about)):
            raise ValueError("when; a rule about no object with classes, zone, line or at_least; expected none of them")
        return self

    def about(self) -> tuple[object, ...]:
        """Return what has to happen: rules that differ in anything else are fulfilled by the same."""
        return self.when, self.classes, self.zone, self.line, self.direction, self.at_least, self.for_s

    def counts_at(self, when: float) -> bool:
        """Return True if its hours and days allow this time (seconds since 1970), in the server's time zone."""
        if self.hours is None and self.days is None:
            return True
        return self._within(datetime.fromtimestamp(when)) != self.outside

    def _within(self, now: datetime) -> bool:
        begin, end = 0, MINUTES
        if self.hours is not None:
            begin, end = (int(part[:2]) * 60 + int(part[3:]) for part in self.hours.split("-"))
        return in_hours(now, begin, end, DAYS if self.days is None else self.days)


EXPECTED = {
    "enabled": "true or false",
    "when": "object, scene or stream",
    "classes": f"a list of 1 to {MOST_CLASSES} names of classes, or null for all",
    "zone": "the name of a zone, or null",
    "line": "the name of a line, or null",
    "direction": "in, out, or null for both",
    "at_least": "a whole number from 1 to 1000",
    "for_s": "a number of seconds from 0 to 86400",
    "hours": "two times that differ, such as 08:00-18:00, or null",
    "outside": "true or false",
    "days": "a list of mon, tue, wed, thu, fri, sat or sun, or null for all",
    "cooldown_s": "a number of seconds from 0 to 604800",
    "actions": f"a list of {', '.join(ACTIONS)}",
}
"""Expected values in words, by key."""


def lacking(
    rule: Rule, zones: Mapping[str, BaseShape], lines: Mapping[str, BaseShape], unknown: Sequence[str]
) -> list[str]:
    """Return what is not there that a rule is about, each with what can be done.

    ``unknown``: its classes that the model does not have.
    """
    found = []
    shape = zones.get(rule.zone or "") or lines.get(rule.line or "")
    if rule.zone is not None and rule.zone not in zones:
        found.append(f"there is no zone {rule.zone}: set it, or choose another")
    if rule.line is not None and rule.line not in lines:
        found.append(f"there is no line {rule.line}: set it, or choose another")
    if unknown:
        found.append(f"the stream's model has no class {', '.join(unknown)}: choose others, or another model")
    if shape is not None and shape.classes is not None and not set(rule.classes or shape.classes) & set(shape.classes):
        found.append(f"{rule.zone or rule.line} counts no {', '.join(rule.classes or ())}: add them to its classes")
    return found


def parse_rule(given: object, where: str = "") -> Rule:
    """Return a rule from what a person gave. Raises BadSetting. ``where``: words before the key."""
    try:
        return Rule.model_validate(given)
    except ValidationError as e:
        raise bad_rule(e.errors()[0], where) from None


def bad_rule(problem: Mapping[str, Any], where: str = "") -> BadSetting:
    """Convert a pydantic error into a BadSetting in our words."""
    steps = [str(part) for part in problem["loc"] if part != "body"]
    if not steps and problem["type"] == "value_error":
        key, got, expected = str(problem["ctx"]["error"]).split("; ")
        expected = expected.removeprefix("expected ")
        return BadSetting(f"{where}{key}: got {got}; expected {expected}", f"{where}{key}", got, expected)
    if not steps:
        return BadSetting.of(where.rstrip(".") or "body", problem.get("input"), f"the keys {', '.join(EXPECTED)}")
    if steps[0] not in EXPECTED:
        return BadSetting.of(f"{where}{steps[0]}"[:100], problem.get("input"), f"one of the keys {', '.join(EXPECTED)}")
    return BadSetting.of(f"{where}{steps[0]}", problem.get("input"), EXPECTED[steps[0]])
