"""Times as people write and read them on the command line."""

from __future__ import annotations

import time

from sightline.core.errors import ConfigError
from sightline.recordings.moments import moment


def moment_of(option: str, text: str) -> float:
    """Return what an option says, in seconds since 1970. Raises ConfigError."""
    try:
        return moment(text)
    except ValueError as e:
        raise ConfigError(f"{option} {e}") from None


def when(at: float) -> str:
    """Return a time on this machine's clock."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
