"""Counts of zones and lines: who is in an area, who entered and left it, and who crossed a line which way.

``board`` is what a stream has, ``counter`` counts, ``crossings`` decides what is a crossing, ``objects`` follows ids.
"""

from __future__ import annotations

from sightline.analytics.base import Stage
from sightline.analytics.zones.board import CountInZones, ZoneBoard


def create(board: ZoneBoard | None = None) -> Stage:
    """A stage for one camera of a stream, whose board it is. Without a board it has no zones."""
    return CountInZones(ZoneBoard("") if board is None else board)
