"""What is wrong with a setting, in our words in place of pydantic's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic.fields import FieldInfo

from sightline.core.errors import BadSetting
from sightline.core.rules import bad_rule
from sightline.core.zones import CrossingLine, Zone, bad_shape

ITEMS: Mapping[str, Callable[[Mapping[str, Any], str], BadSetting]] = {
    "zones": partial(bad_shape, Zone),
    "lines": partial(bad_shape, CrossingLine),
    "rules": bad_rule,
}
"""Tables of a stream whose keys have words of their own for what is wrong."""


def told(problem: dict[str, Any], known: Mapping[str, FieldInfo]) -> str:
    """Return in words what is wrong with a setting. ``known``: all settings."""
    key = ".".join(str(part) for part in problem["loc"])
    match problem["loc"]:
        case ("streams", _, ("zones" | "lines" | "rules") as kind, _, *rest) if rest != ["[key]"]:
            found = ITEMS[kind]({**problem, "loc": rest}, ".".join(map(str, problem["loc"][:4])) + ".")
            return f"setting {found.message}"
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {key!r}: expected one of {', '.join(known)}"
    if key.startswith("sources"):  # an address may hold a password
        what = "a stream's name of 1 to 64 letters, digits, '_' or '-'" if key.endswith("[key]") else "a source"
        return f'setting {key.removesuffix(".[key]")}: expected {what}, as in door = "rtsp://camera.lan/1"'
    if problem["type"] == "value_error":
        return f"setting {key}: {problem['ctx']['error']}"
    name, *rest = problem["loc"]
    field = known.get(name) if all(isinstance(part, int) for part in rest) else None
    expected = f"; {problem['msg']}"
    if field is not None and problem["type"] == "string_pattern_mismatch":  # a pattern says little to a person
        expected = f". {field.description}"
    return f"setting {key}: got {problem.get('input')!r}{expected}"
