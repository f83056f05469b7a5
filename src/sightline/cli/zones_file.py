"""Zones and lines in a file for ``sightline run``, and what they counted in words."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sightline.analytics.zones.totals import Counted
from sightline.core.errors import BadRequest, BadSetting, ConfigError
from sightline.core.zones import AnyShape, CrossingLine, Zone, check_shape_name, parse_shape

MOST_BYTES = 1 << 20


def read_zones(path: Path) -> tuple[dict[str, Zone], dict[str, CrossingLine]]:
    """Read zones and lines by name from a TOML or JSON file, as ``[streams.NAME]`` has them. Raises ConfigError."""
    given = _read(path)
    unknown = sorted(given.keys() - {"zones", "lines"})
    if unknown or not (given.get("zones") or given.get("lines")):
        got = ", ".join(unknown)[:80] or "none of them"
        raise ConfigError(f"--zones {path}: got {got}; expected the tables [zones.NAME] and [lines.NAME]")
    return _shapes(path, "zones", given, Zone), _shapes(path, "lines", given, CrossingLine)


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


def _shapes(path: Path, key: str, given: Mapping[str, Any], kind: type[AnyShape]) -> dict[str, AnyShape]:
    tables = given.get(key, {})
    if not isinstance(tables, dict):
        raise ConfigError(f"--zones {path}: {key}: got {str(tables)[:60]!r}; expected tables by name")
    try:
        return {check_shape_name(name): parse_shape(kind, table, f"{key}.{name}.") for name, table in tables.items()}
    except (BadSetting, BadRequest) as e:
        raise ConfigError(f"--zones {path}: {e.message}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"--zones {path}: {path.stat().st_size} bytes: expected at most {MOST_BYTES}")
        text = path.read_text("utf-8")
        read = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as e:
        raise ConfigError(f"--zones {path}: {e.strerror}; expected a TOML or JSON file") from None
    except ValueError as e:  # of either form, or no text at all
        raise ConfigError(f"--zones {path}: {e}; expected a TOML or JSON file") from None
    if not isinstance(read, dict):
        raise ConfigError(f"--zones {path}: got {str(read)[:60]!r}; expected the tables zones and lines")
    return read
