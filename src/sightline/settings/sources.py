"""Where settings come from, with their earlier names replaced and a profile's model given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from sightline import profiles
from sightline.core.errors import ConfigError

RENAMED = {"sinks": "outputs", "hub": "weights_url"}
"""Earlier names of settings, which are read as well."""


def renamed(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings under their own names in place of earlier ones. Raises ConfigError for one that has both."""
    names = {prefix + old: prefix + new for old, new in RENAMED.items()}
    for old, new in names.items():
        if old in given and new in given:
            raise ConfigError(f"{old} and {new} are the same setting: expected one of them")
    return {names.get(key, key): value for key, value in given.items()}


class NamedSource(PydanticBaseSettingsSource):
    """A source with settings' earlier names replaced.

    ``profile`` gives ``model`` its value, and ``model`` alone undoes a weaker source's profile.
    """

    def __init__(self, settings_cls: type[BaseSettings], source: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._source = source

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._source.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        found = renamed(self._source())
        profile, model = found.get("profile"), found.get("model")
        if profile is not None and model not in (None, profile):
            raise ConfigError(f"model {model} and profile {profile}: expected one of them")
        if profile is not None:
            return {**found, "model": check_profile(str(profile))}
        return found if model is None else {**found, "profile": None}


def check_profile(name: str) -> str:
    """Return ``name`` if it is a profile's. Raises ConfigError otherwise."""
    known = [*profiles.shipped(), *profiles.names()]
    if name not in known:
        raise ConfigError(f"profile {name[:80]!r}: expected one of {', '.join(known)}")
    return name
