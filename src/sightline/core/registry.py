"""Plugins. A built-in plugin's file name is its name and it is imported on demand; others use entry points.

A plugin module (or an entry point in the group ``sightline.KIND``) is found by name:

>>> load("engines", "onnx").__name__
'sightline.engines.onnx'

A plugin that fails to import, or lacks what its kind must have, harms no other: ``plugins`` leaves it out with one
warning, and ``load`` raises ConfigError with the reason.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, TypeAlias

from sightline.core.errors import FAULTS, ConfigError, cancelled

log = logging.getLogger(__name__)

Kind: TypeAlias = Literal["engines", "models", "renderers", "sources", "sinks", "transports", "outputs", "analytics"]

CONTRACTS: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "engines": (("open", "available", "devices", "precisions"),),
    "models": (("LAYOUTS", "recognise", "build"), ("builtin", "create")),
    "renderers": (("render",),),
    "sources": (("WHAT", "handles", "open"),),
    "sinks": (("open",),),
    "transports": (("serve",),),
    "outputs": (("Settings", "check", "open"),),
    "analytics": (("create",),),
}
"""Names that a plugin of each kind must have. A kind with several contracts wants one of them met."""
ELSEWHERE: dict[Kind, tuple[EntryPoint, ...]] = {
    "sources": (EntryPoint("recording", "sightline.recordings.source", "sightline.sources"),)
}
"""Built-in plugins that stand beside what they are about, as that is above their own folder."""


@cache
def _found(kind: Kind) -> dict[str, EntryPoint | None]:
    folder = Path(__file__).parents[1] / kind
    built_in: dict[str, EntryPoint | None] = {
        m.name: None for m in pkgutil.iter_modules([str(folder)]) if not m.name.startswith("_") and m.name != "base"
    }
    return built_in | {e.name: e for e in (*ELSEWHERE.get(kind, ()), *entry_points(group=f"sightline.{kind}"))}


def names(kind: Kind) -> list[str]:
    """The names of all plugins of a kind, sorted. Imports none of them, so some may not load."""
    return sorted(_found(kind))


def load(kind: Kind, name: str) -> Any:
    """The plugin's module (or what its entry point names). Raises ConfigError for an unknown or broken plugin."""
    if name not in _found(kind):
        raise ConfigError(f"no plugin {name!r} in {kind}: expected one of {', '.join(names(kind))}")
    plugin, broken = _loaded(kind, name)
    if broken:
        raise ConfigError(f"plugin {name!r} in {kind} can't be used: {broken}")
    return plugin


def plugins(kind: Kind) -> dict[str, Any]:
    """All plugins of a kind by name, sorted, without those that are broken: each of these is logged once."""
    found = {name: _loaded(kind, name) for name in names(kind)}
    return {name: plugin for name, (plugin, broken) in found.items() if not broken}


def answers(kind: Kind, function: str, *given: Any) -> dict[str, Any]:
    """What each plugin of a kind that has the function returns, by its name. One that raises is left out, and logged
    once."""
    found: dict[str, Any] = {}
    for name, plugin in plugins(kind).items():
        if hasattr(plugin, function):
            try:
                found[name] = getattr(plugin, function)(*given)
            except FAULTS as e:
                if cancelled(e):
                    raise
                _warn(kind, name, function, type(e).__name__)
    return found


@cache
def _warn(kind: Kind, name: str, function: str, error: str) -> None:
    """Say it once for each kind of error; its words are left out, as they may hold an address with a password."""
    log.warning("plugin %r in %s is left out: its %s raised %s", name, kind, function, error)


@cache
def _loaded(kind: Kind, name: str) -> tuple[Any, str]:
    """The plugin and, where it can't be used, why."""
    entry = _found(kind)[name]
    try:
        plugin = importlib.import_module(f"sightline.{kind}.{name}") if entry is None else entry.load()
    except FAULTS as e:
        if cancelled(e):  # Ctrl-C while it is imported is no fault of it
            raise
        return _broken(kind, name, f"{type(e).__name__}: {e}")
    contracts = CONTRACTS.get(kind, ())
    lacking = [[needed for needed in contract if not _has(plugin, needed)] for contract in contracts]
    if contracts and all(lacking):
        return _broken(kind, name, f"it lacks {' or '.join(', '.join(needed) for needed in lacking)}")
    return plugin, ""


def _has(plugin: Any, needed: str) -> bool:
    """Names in capitals are words for people, all others can be called."""
    found = getattr(plugin, needed, None)
    return isinstance(found, str) if needed.isupper() else callable(found)


def _broken(kind: Kind, name: str, why: str) -> tuple[None, str]:
    log.warning("plugin %r in %s can't be used: %s", name, kind, why)
    return None, why
