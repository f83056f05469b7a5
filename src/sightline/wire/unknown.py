"""Figures that a peer does not know: null, which is what JSON makes of NaN, and NaN itself. They count as not said."""

from __future__ import annotations

import math
from typing import Any


def without_unknown(value: Any) -> Any:
    """Return what was decoded without the keys whose value is null, NaN or infinite, however deep."""
    if isinstance(value, dict):
        return {key: without_unknown(one) for key, one in value.items() if not _is_unknown(one)}
    return [without_unknown(one) for one in value] if isinstance(value, list) else value


def _is_unknown(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))
