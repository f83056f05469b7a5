"""Times as people write them on the command line."""

from __future__ import annotations

from sightline.core.errors import ConfigError
from sightline.recordings.moments import moment


def moment_of(option: str, text: str) -> float:
    """Return what an option says, in seconds since 1970. Raises ConfigError."""
    try:
        return moment(text)
    except ValueError as e:
        raise ConfigError(f"{option} {e}") from None
