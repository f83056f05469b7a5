"""What is wrong with a setting, in our words in place of pydantic's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sightline.core.errors import BadSetting
from sightline.core.rules import MOST_RULES, bad_rule
from sightline.core.zones import MOST_SHAPES, CrossingLine, Zone, bad_shape

ITEMS: Mapping[str, Callable[[Mapping[str, Any], str], BadSetting]] = {
    "zones": partial(bad_shape, Zone),
    "lines": partial(bad_shape, CrossingLine),
    "rules": bad_rule,
}
"""Tables of a stream whose keys have words of their own for what is wrong."""
STREAM = "a stream's name of 1 to 64 letters, digits, '_' or '-'"
MODEL = "a model's name of 1 to 64 letters, digits, '_', '-' or '.'"
NAMES = {"sources": STREAM, "streams": STREAM, "models": MODEL, "places": MODEL}
"""What the keys of these tables are."""


def meant(name: str, known: Collection[str], prefix: str = "") -> str:
    """Return in words which of the known names may be meant: those that look like it, or else all."""
    near = [prefix + one for one in get_close_matches(name, known)]
    return f"did you mean {' or '.join(near)}?" if near else f"expected one of {', '.join(prefix + k for k in known)}"


def told(problem: dict[str, Any], known: Mapping[str, FieldInfo]) -> str:
    """Return in words what is wrong with a setting. ``known``: all settings."""
    key = ".".join(str(part) for part in problem["loc"])
    match problem["loc"]:
        case ("streams", _, ("zones" | "lines" | "rules") as kind, _, *rest) if rest != ["[key]"]:
            found = ITEMS[kind]({**problem, "loc": rest}, ".".join(map(str, problem["loc"][:4])) + ".")
            return f"setting {found.message}"
        case ("streams", _, ("zones" | "lines" | "rules") as kind, *name):
            got = repr(name[0]) if name else _amount(problem["input"])
            return f"setting {'.'.join(map(str, problem['loc'][:3]))}: got {got}; expected {_tables(kind)}"
    name, *rest = problem["loc"]
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {key!r}: {_elsewhere(problem['loc'], known) or meant(*_asked(problem['loc'], known))}"
    if problem["type"] == "missing":
        return f"setting {key} is missing"
    if len(rest) == 2 and rest[1] == "[key]":
        return f"setting {name}: got {rest[0]!r}; expected {NAMES[name]}"
    if name == "sources":  # an address may hold a password
        return f'setting {key}: expected a source, as in door = "rtsp://camera.lan/1"'
    if problem["type"] == "value_error":
        return f"setting {key}: {problem['ctx']['error']}"
    field = known.get(name) if all(isinstance(part, int) for part in rest) else None
    expected = f"; {problem['msg']}"
    if problem["type"] in ("tuple_type", "list_type"):
        expected = "; expected a list, in brackets"
    elif field is not None and problem["type"] == "string_pattern_mismatch":  # a pattern says little to a person
        expected = f". {field.description}"
    return f"setting {key}: got {problem.get('input')!r}{expected}"


def _tables(kind: str) -> str:
    most = MOST_RULES if kind == "rules" else MOST_SHAPES
    return f"at most {most} tables [streams.NAME.{kind}.NAME], named by 1 to 64 letters, digits, '_' or '-'"


def _amount(given: object) -> str:
    return f"{len(given)} of them" if isinstance(given, Mapping) else repr(given)[:80]


def _elsewhere(loc: Sequence[str | int], known: Mapping[str, FieldInfo]) -> str:
    """Return in words where a key belongs that is one of a stream, or one of the whole server; else nothing."""
    match loc:
        case (str(key),) if key in (_table(known["streams"].annotation) or {}):
            return "it belongs to a stream, into a table [streams.NAME]"
        case ("streams", _, str(key)) if key in known:
            return "it belongs to the whole server, above all tables"
    return ""


def _asked(loc: Sequence[str | int], known: Mapping[str, FieldInfo]) -> tuple[str, Collection[str]]:
    """Return an unknown key, and the keys that there are where it stands."""
    fields = known
    for part in loc[:-1]:
        inner = _table(fields[str(part)].annotation) if part in fields else None  # else it is a name or a number
        fields = inner or fields
    return str(loc[-1]), fields


def _table(annotation: Any) -> Mapping[str, FieldInfo] | None:
    """Return the fields of the tables that a setting is made of; None where it is no table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields
    return next((found for part in get_args(annotation) if (found := _table(part)) is not None), None)
