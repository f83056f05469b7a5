"""Where this user's programs keep what outlives them, and what can be got again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sightline.core.errors import NoFolder


def own_folder() -> Path:
    """Return Sightline's folder among those of this user. Raises NoFolder where the user has none."""
    try:
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Application Support"
        else:
            base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    except RuntimeError:
        raise NoFolder("this user has no folder: expected the setting data to name one") from None
    return Path(base) / "sightline"


def cache_folder() -> Path:
    """Return the default folder of the cache: SIGHTLINE_CACHE, or the usual place on this system."""
    home = Path.home()
    if named := os.environ.get("SIGHTLINE_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "sightline" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "sightline"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "sightline"
