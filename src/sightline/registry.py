"""Plugin registry. A built-in plugin is named after its file and imported on demand; others use entry points.

``load`` finds a plugin module (or an entry point in the group ``sightline.KIND``) by name:

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

from sightline.errors import ConfigError

Kind: TypeAlias = Literal["engines", "models", "renderers", "sources", "sinks", "transports"]


@cache
def _found(kind: Kind) -> dict[str, EntryPoint | None]:
    folder = Path(__file__).parent / kind
    built_in: dict[str, EntryPoint | None] = {
        m.name: None for m in pkgutil.iter_modules([str(folder)]) if not m.name.startswith("_") and m.name != "base"
    }
    return built_in | {e.name: e for e in entry_points(group=f"sightline.{kind}")}


def names(kind: Kind) -> list[str]:
    """Names of all plugins of a kind, sorted. Imports none of them."""
    return sorted(_found(kind))


def load(kind: Kind, name: str) -> Any:
    """The plugin's module (or the object that its entry point names). Raises ConfigError for an unknown name."""
    found = _found(kind)
    if name not in found:
        raise ConfigError(f"no plugin {name!r} in {kind}: expected one of {', '.join(names(kind))}")
    entry = found[name]
    return importlib.import_module(f"sightline.{kind}.{name}") if entry is None else entry.load()
