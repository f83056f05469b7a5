"""Options of commands that are settings: each is named once, and its type and help come from ``Settings``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, TypeAlias, get_args, get_origin

import typer

from sightline.settings.settings import Settings

Given: TypeAlias = Mapping[str, Any]
"""Values given on the command line, by setting, None where none was; arguments for ``load_settings``."""
NOTHING: Given = {}


@dataclass(frozen=True, slots=True)
class FromSettings:
    """Annotation of a parameter that stands for several options: the settings of these names."""

    names: tuple[str, ...]
    note: str = ""
    """Sentence for the help of each, after what the setting means."""


def options_for(*names: str, note: str = "") -> FromSettings:
    """For ``given: Annotated[Given, options_for("model", "engine")] = NOTHING`` in a command with ``with_settings``."""
    return FromSettings(names, note)


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose ``Annotated[Given, options_for(...)]`` parameters are the options that they stand for."""
    signature = inspect.signature(command, eval_str=True)
    parts = {name: found for name, one in signature.parameters.items() if (found := _part(one)) is not None}

    def wrapped(**given: Any) -> None:
        taken = {name: {key: given.pop(key) for key in part.names} for name, part in parts.items()}
        command(**given, **taken)

    options: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        options += _options(parts[name]) if name in parts else [parameter]
    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    wrapped.__annotations__ = {}
    wrapped.__signature__ = signature.replace(parameters=options)  # type: ignore[attr-defined]
    return wrapped


def _part(parameter: inspect.Parameter) -> FromSettings | None:
    return next((one for one in get_args(parameter.annotation) if isinstance(one, FromSettings)), None)


def _options(part: FromSettings) -> Iterator[inspect.Parameter]:
    for name in part.names:
        option = _option(name, part.note)
        yield inspect.Parameter(
            name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=option, annotation=_type(name) | None
        )


def _type(name: str) -> Any:
    """Return the type that the command line takes for a setting. ``Settings`` checks and names choices."""
    if name == "adaptive":  # on|off
        return str
    annotation = Settings.model_fields[name].annotation
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType] if NoneType in get_args(annotation) else []
    kind = kinds[0] if kinds else annotation
    return str if get_origin(kind) is Literal else kind


def _option(name: str, note: str) -> Any:
    field = Settings.model_fields[name]
    words = [str(field.description), note]
    if field.default is not None and field.default is not False:
        words.append(f"Default: {'on' if field.default is True else field.default}.")
    flag = "--" + name.replace("_", "-")
    names = [] if field.annotation is not bool or name == "adaptive" else [flag]
    if names and field.default is True:
        names = [f"{flag}/--no-{flag[2:]}"]
    metavar = "on|off" if name == "adaptive" else None
    return typer.Option(None, *names, help=" ".join(filter(None, words)), show_default=False, metavar=metavar)
