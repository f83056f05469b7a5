"""The HTTP API of settings: what is set, where it comes from, and what can be changed while the server runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, SecretStr

from sightline.core.errors import BadRequest, BadSetting, Changed, ConfigError, Shortage
from sightline.core.openapi import refusals
from sightline.security.authorization import needs
from sightline.server.api.checked import checked_by
from sightline.server.api.precondition import AsItWas
from sightline.server.live_settings import LiveSettings
from sightline.server.state import state_of
from sightline.settings.changes import EXPECTED, SettingChanges, bad_change
from sightline.settings.outputs import OutputTable
from sightline.settings.settings import Origin, Settings, settings_file

router = APIRouter(tags=["settings"], route_class=checked_by(bad_change))

HIDDEN = "(hidden)"


class SettingReport(BaseModel):
    """One setting."""

    name: str
    value: Any
    """What it is now. Addresses of cameras, and of outputs, may hold passwords and are not told."""
    default: Any
    origin: Origin
    """Where the value comes from; page: changed while the server ran."""
    about: str
    live: bool
    """Whether the server takes a change while it runs. Others need a restart."""
    version: str
    """Another one with each change, for If-Match; empty where it can't be changed while the server runs."""
    changeable: bool
    """Whether it can be changed here: what the settings file, the environment or the command line say stands above."""
    expected: str
    """Expected values in words, where it can be changed while the server runs; else empty."""


class SettingsReport(BaseModel):
    """All settings."""

    settings: list[SettingReport]
    file: str | None
    """The settings file; null where there is none."""
    kept_in: str | None
    """File that has what is changed here; null where this user has no folder for it."""


@router.get("/api/settings", dependencies=[needs("admin")], responses=refusals(ConfigError))
async def settings(request: Request) -> SettingsReport:
    """What is set, and where it comes from."""
    return _report(state_of(request).settings)


@router.patch(
    "/api/settings",
    dependencies=[needs("admin")],
    responses=refusals(BadRequest, BadSetting, Changed, ConfigError, Shortage),
)
async def change_settings(request: Request, changes: SettingChanges, expected: AsItWas) -> SettingsReport:
    """Change what is given, all of it or nothing. It holds at once, and over restarts. Null is the default.

    If-Match has the versions of all that is given.
    """
    live = state_of(request).settings
    await live.change(changes, lambda name: expected.check(f"the setting {name}", live.version(name)))
    return _report(live)


def _report(live: LiveSettings) -> SettingsReport:
    file = settings_file()
    return SettingsReport(
        settings=[_setting(live, name) for name in Settings.model_fields],
        file=None if file is None else str(file.resolve()),
        kept_in=None if live.path is None else str(live.path),
    )


def _setting(live: LiveSettings, name: str) -> SettingReport:
    field = Settings.model_fields[name]
    return SettingReport(
        name=name,
        value=_shown(getattr(live.now, name)),
        default=_shown(field.default),
        origin=live.origin(name),
        about=str(field.description),
        live=name in EXPECTED,
        version=live.version(name) if name in EXPECTED else "",
        changeable=live.changeable(name),
        expected=EXPECTED.get(name, ""),
    )


def _shown(value: Any) -> Any:
    """A value for JSON, without what may be secret."""
    match value:
        case SecretStr():
            return HIDDEN
        case OutputTable():
            return {"kind": value.kind}
        case BaseModel():
            return {name: _shown(getattr(value, name)) for name in sorted(value.model_fields_set)}
        case dict():
            return {name: _shown(one) for name, one in value.items()}
        case tuple() | list():
            return [_shown(one) for one in value]
        case bool() | int() | float() | str() | None:
            return value
        case Path():
            return str(value)
    return str(value)
