"""Plugins. A built-in plugin's file name is its name and it is imported on demand; others use entry points.

A plugin module (or an entry point in the group ``sightline.KIND``) is found by name:

>>> load("engines", "onnx").__name__
'sightline.engines.onnx'
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, TypeAlias

from sightline.core.errors import ConfigError

Kind: TypeAlias = Literal["engines", "models", "renderers", "sources", "sinks", "transports", "analytics"]


@cache
def _found(kind: Kind) -> dict[str, EntryPoint | None]:
    folder = Path(__file__).parents[1] / kind
    built_in: dict[str, EntryPoint | None] = {
        m.name: None for m in pkgutil.iter_modules([str(folder)]) if not m.name.startswith("_") and m.name != "base"
    }
    return built_in | {e.name: e for e in entry_points(group=f"sightline.{kind}")}


def names(kind: Kind) -> list[str]:
    """The names of all plugins of a kind, sorted. Imports none of them."""
    return sorted(_found(kind))


def load(kind: Kind, name: str) -> Any:
    """The plugin's module (or what its entry point names). Raises ConfigError for an unknown name."""
    found = _found(kind)
    if name not in found:
        raise ConfigError(f"no plugin {name!r} in {kind}: expected one of {', '.join(names(kind))}")
    entry = found[name]
    return importlib.import_module(f"sightline.{kind}.{name}") if entry is None else entry.load()
