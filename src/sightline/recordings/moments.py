"""Times as people write and read them."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from datetime import datetime

LATEST = 1e11


def moment(text: str) -> float:
    """Return seconds since 1970. A time without a zone is this machine's own. Raises ValueError."""
    with suppress(ValueError):
        seconds = float(text)
        if math.isfinite(seconds) and 0 <= seconds <= LATEST:
            return seconds
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromisoformat(text).timestamp()
    raise ValueError(f"{text[:60]}: expected a time such as 2026-11-30T08:15:00, or seconds since 1970")


def when(at: float) -> str:
    """Return a time on this machine's clock."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
