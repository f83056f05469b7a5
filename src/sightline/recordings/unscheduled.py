"""Times that a schedule leaves out: they are noted as gaps while they last, so that the timeline can say why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from sightline.recordings.index import Gap, VideoSegment
from sightline.recordings.keeper import GAP_S

UNSCHEDULED = "outside its schedule"
"""Why nothing is recorded."""
NOTED_S = 10.0
"""Seconds between two notes of how far a gap is: as much of it may be lost where the server is killed."""


class Unscheduled:
    """Streams that are not recorded for now, as their schedule says so. On the event loop only."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._noted: dict[str, float] = {}

    def look(self, streams: Iterable[str], now: float) -> list[tuple[str, Gap]]:
        """Take in which they are by now, and return the gaps that are to be noted, up to now."""
        out = set(streams)
        due = []
        for stream in [*self._since]:
            since, noted = self._since[stream], self._noted[stream]
            if now < noted:  # somebody has set the clock back
                self._since[stream] = self._noted[stream] = now
            elif stream not in out or now - noted >= NOTED_S:
                due.append((stream, Gap(since, now, UNSCHEDULED)))
                self._noted[stream] = now
            if stream not in out:
                del self._since[stream], self._noted[stream]
        for stream in out - self._since.keys():
            self._since[stream] = self._noted[stream] = now
        return due


def merged(gaps: Sequence[Gap], segments: Iterable[VideoSegment]) -> list[Gap]:
    """Return gaps that do not overlap, in order. Within what a schedule leaves out nothing else is why.

    What is recorded nevertheless, for a rule or by hand, is no gap.
    """
    left_out = [(gap.started_at, gap.ended_at) for gap in gaps if gap.reason == UNSCHEDULED]
    if not left_out:
        return list(gaps)
    recorded = [(one.started_at, one.ended_at) for one in segments]
    found: list[Gap] = []
    for gap in gaps:
        cuts = recorded if gap.reason == UNSCHEDULED else left_out
        found += (part for part in _without(gap, cuts) if part.ended_at - part.started_at >= GAP_S)
    return sorted(found, key=lambda gap: gap.started_at)


def _without(gap: Gap, cuts: Iterable[tuple[float, float]]) -> list[Gap]:
    """Return what is left of a gap."""
    at, found = gap.started_at, []
    for start, end in chain(sorted(cuts), ((gap.ended_at, gap.ended_at),)):
        if end < at:
            continue
        if start > at:
            found.append(Gap(at, min(start, gap.ended_at), gap.reason))
        at = max(at, end)
        if at >= gap.ended_at:
            break
    return found
