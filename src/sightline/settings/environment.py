"""What our commands and those that they start have of the environment, apart from the settings."""

from __future__ import annotations

import os
from pathlib import Path

from sightline.settings.settings import PREFIX, Settings, data_folder


def environment_for_commands(picture: Path | None) -> dict[str, str]:
    """Return the environment of an operator's program: this one's, without Sightline's own settings.

    Among those may be secrets. ``picture``: path of an event's picture, which it gets.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return env if picture is None else env | {PREFIX + "PICTURE": str(picture)}


def environment_of_server(settings: Settings) -> dict[str, str]:
    """Return the environment in which our other commands have the settings of a server, command line and all.

    Tables are left out. The port is a free one, as the server has its own.
    """
    env = dict(os.environ)
    if settings.profile is None:  # a model on the command line undoes it
        env.pop(PREFIX + "PROFILE", None)
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if settings.origin(name) == "command line" and isinstance(value, str | int | float | Path):
            env[PREFIX + name.upper()] = str(value)
    return env | {PREFIX + "PORT": "0"}


def client_token() -> str | None:
    """Token that our commands send to a server: SIGHTLINE_TOKEN."""
    return os.environ.get("SIGHTLINE_TOKEN", "").strip() or None  # files of secrets end with a line break


def client_authority() -> Path | None:
    """Authority that our commands trust in addition to the system's: SIGHTLINE_CA, else this machine's own."""
    named = os.environ.get("SIGHTLINE_CA")
    if named:
        return Path(named)
    own = data_folder() / "tls" / "ca.crt"
    return own if own.is_file() else None


def notify_socket() -> str | None:
    """Socket on which the service manager that started us hears how we are: NOTIFY_SOCKET."""
    return os.environ.get("NOTIFY_SOCKET") or None


def environment(**defaults: object) -> dict[str, str]:
    """Environment for a server that we start: ours, with ``defaults`` for settings that it lacks."""
    return {PREFIX + key.upper(): str(value) for key, value in defaults.items()} | os.environ


def environment_for_ray(token: Path) -> dict[str, str]:
    """Return the environment of what we start of Ray. ``token``: file with the cluster's token, where there is one.

    Frames of up to 2 MB go straight to a replica: above 100 KB they would take Ray's store. A head that is gone for
    long must not end who asks it.
    """
    own = {
        "RAY_max_direct_call_object_size": str(2 << 20),
        "RAY_gcs_rpc_server_reconnect_timeout_s": str(7 * 86400),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DISABLE_IMPORT_WARNING": "1",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "PYTHONWARNINGS": "ignore",
    }
    if token.is_file():
        own |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    return own | os.environ


def cluster_token(settings: Settings) -> Path:
    """Return the file of the cluster's token, which need not be there."""
    return settings.cluster.token_file or data_folder(settings) / "cluster" / "token"
