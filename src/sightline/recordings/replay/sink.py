"""Takes the results of a run into a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from sightline.core.events import Event
from sightline.recordings.replay.comparison import ReplayComparison
from sightline.sinks.base import Entry


class ComparisonSink:
    """A sink that writes nothing."""

    target = ""
    wants_drawn = False

    def __init__(self, comparison: ReplayComparison) -> None:
        self.last_at = 0.0
        """When the last picture was taken."""
        self._comparison = comparison

    def write(self, entry: Entry) -> None:
        """Take in a result, with its events."""
        self.last_at = entry.result.frame.captured_at
        self._comparison.add(self.last_at, entry.result)

    def tell(self, events: Sequence[Event]) -> None:
        """Take in the ends of what lasted."""
        self._comparison.tell(events)

    def close(self) -> None:
        """Nothing is open."""
