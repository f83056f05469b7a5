"""Zones, lines and rules in a file for ``sightline run``, and what came of them in words."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sightline.analytics.rules.board import RuleBoard
from sightline.analytics.zones.totals import Counted
from sightline.core.errors import BadRequest, BadSetting, ConfigError
from sightline.core.rule_words import sentence
from sightline.core.rules import MOST_RULES, Rule, lacking, parse_rule
from sightline.core.zones import MOST_SHAPES, CrossingLine, Zone, check_shape_name, parse_shape

Item = TypeVar("Item")
MOST_BYTES = 1 << 20


class ZonesFile(NamedTuple):
    """What a file has, by name."""

    zones: dict[str, Zone]
    lines: dict[str, CrossingLine]
    rules: dict[str, Rule]


def read_zones(path: Path, option: str = "--zones") -> ZonesFile:
    """Read zones, lines and rules from a TOML or JSON file, as ``[streams.NAME]`` has them. Raises ConfigError."""
    where = f"{option} {path}"
    given = _read(path, where)
    unknown = sorted(given.keys() - set(ZonesFile._fields))
    if unknown or not any(given.values()):
        got = ", ".join(unknown)[:80] or "none of them"
        raise ConfigError(f"{where}: got {got}; expected the tables [zones.NAME], [lines.NAME] and [rules.NAME]")
    return ZonesFile(
        _items(where, "zones", given, MOST_SHAPES, partial(parse_shape, Zone)),
        _items(where, "lines", given, MOST_SHAPES, partial(parse_shape, CrossingLine)),
        _items(where, "rules", given, MOST_RULES, parse_rule),
    )


def troubles(read: ZonesFile, labels: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield what names something that is not there, and what that is. ``labels``: the model's classes."""

    def unknown(classes: Sequence[str] | None) -> list[str]:
        return [one for one in classes or () if one not in labels]

    for name, shape in (*read.zones.items(), *read.lines.items()):
        if missing := unknown(shape.classes):
            yield name, f"the stream's model has no class {', '.join(missing)}: choose others, or another model"
    for name, rule in read.rules.items():
        for lack in lacking(rule, read.zones, read.lines, unknown(rule.classes)):
            yield name, lack
        if rule.when != "object":
            yield name, f"when = {rule.when} is about a camera, and is never fulfilled here"


def told(counted: Counted) -> Iterator[tuple[str, str]]:
    """Yield each zone and line with what it counted, in words."""
    for name, zone in counted.zones.items():
        said = []
        for class_name, entered in zone.entered.items():
            dwell = zone.dwell.get(class_name)
            stayed = "" if dwell is None else f", stayed {dwell.mean:.1f} s, at most {dwell.longest:.1f} s"
            said.append(f"{class_name}: {entered} entered, {zone.left.get(class_name, 0)} left{stayed}")
        yield name, "; ".join(said) or "nothing entered"
    for name, line in counted.lines.items():
        classes = sorted(line.into.keys() | line.out.keys())
        said = [f"{one}: {line.into.get(one, 0)} in, {line.out.get(one, 0)} out" for one in classes]
        yield name, "; ".join(said) or "nothing crossed"


def told_rules(rules: RuleBoard) -> Iterator[tuple[str, str]]:
    """Yield each rule with how often it was fulfilled, in words."""
    for name, tally in rules.tallies().items():
        times = {0: "not fulfilled", 1: "fulfilled once"}.get(tally.fired, f"fulfilled {tally.fired} times")
        yield name, f"{times}: {sentence(rules.rules[name])}"


def _items(
    where: str, key: str, given: Mapping[str, Any], most: int, parse: Callable[[object, str], Item]
) -> dict[str, Item]:
    tables = given.get(key, {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{where}: {key}: got {str(tables)[:60]!r}; expected tables by name")
    if len(tables) > most:
        raise ConfigError(f"{where}: {key}: got {len(tables)} tables; expected at most {most}")
    try:
        return {check_shape_name(name): parse(table, f"{key}.{name}.") for name, table in tables.items()}
    except (BadSetting, BadRequest) as e:
        raise ConfigError(f"{where}: {e.message}") from None


def _read(path: Path, where: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{where}: {path.stat().st_size} bytes: expected at most {MOST_BYTES}")
        text = path.read_text("utf-8")
        read = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as e:
        raise ConfigError(f"{where}: {e.strerror}; expected a TOML or JSON file") from None
    except ValueError as e:  # of either form, or no text at all
        raise ConfigError(f"{where}: {e}; expected a TOML or JSON file") from None
    if not isinstance(read, dict):
        raise ConfigError(f"{where}: got {str(read)[:60]!r}; expected the tables zones, lines and rules")
    return read
