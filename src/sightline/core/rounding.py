"""Numbers as messages have them."""

from __future__ import annotations

import math


def rounded(value: float) -> float:
    """Round to thousandths. Python's own ``round`` goes by way of text, which takes six times as long."""
    return math.floor(value * 1000 + 0.5) / 1000 if math.isfinite(value) else value
