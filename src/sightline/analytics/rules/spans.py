"""Who is there for long enough. It knows no rules and no frames: a span begins, is seen to go on, and ends.

Times are seconds on one clock that never goes back. That a span has not ended says nothing: its object may be gone
already. What counts is when it was last seen to be there.
"""

from __future__ import annotations

import heapq
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

TOLERANCE_S = 1e-3
"""Seconds by which times may differ and are the same."""
Key: TypeAlias = "int | str"
"""Tells spans apart, or what they fulfil."""


@dataclass(slots=True, eq=False)
class Span:
    """A visit to a place, or something else that lasts."""

    row: int
    """Its object; -1 for none."""
    class_name: str
    due: float
    """When it has lasted for long enough."""
    there: float
    """When it was last seen to go on, as far as anybody has looked."""


There: TypeAlias = Callable[[Span], float]
"""Tells when a span was last seen to go on."""


class Fulfilled(NamedTuple):
    """What a rule is about has happened, and lasts until its key is over."""

    key: Key
    span: Span
    """The one by which it did."""


class Spans(ABC):
    """The spans that a rule is about."""

    def __init__(self, for_s: float) -> None:
        self._for_s = for_s
        self._all: dict[Key, Span] = {}
        self._queue: list[tuple[float, int, Key]] = []
        """When each is due, the earliest first; also those that have ended."""
        self._order = itertools.count()
        self._due: dict[Key, Span] = {}
        """Those whose time has come, in that order."""

    @property
    def waiting(self) -> bool:
        """True if ``look`` may find something."""
        return bool(self._queue or self._due)

    def begin(self, key: Key, row: int, class_name: str, since: float) -> None:
        """A span has begun."""
        span = self._all[key] = Span(row, class_name, since + self._for_s, since)
        heapq.heappush(self._queue, (span.due, next(self._order), key))

    @abstractmethod
    def look(self, clock: float, after: float, there: There) -> list[Fulfilled]:
        """Return what is fulfilled now. ``after``: spans must be seen to go on at this time or later."""

    @abstractmethod
    def end(self, key: Key, until: float, after: float) -> tuple[Fulfilled | None, Key | None]:
        """A span has ended, and was seen to go on until then. Return what it had fulfilled unnoticed, and what ends."""

    def over(self, clock: float) -> Key | None:
        """Return what has ended by what ended and began meanwhile, once all of that is known."""
        return None

    def _ripen(self, clock: float) -> None:
        while self._queue and self._queue[0][0] <= clock + TOLERANCE_S:
            key = heapq.heappop(self._queue)[2]
            if key in self._all:
                self._due[key] = self._all[key]

    def _gone(self, key: Key) -> Span | None:
        self._due.pop(key, None)
        span = self._all.pop(key, None)
        if len(self._queue) > 2 * len(self._all) + 64:  # most of them ended before they were due
            self._queue = [one for one in self._queue if one[2] in self._all]
            heapq.heapify(self._queue)
        return span


class EachSpan(Spans):
    """Each span counts by itself: it fulfils the rule once, until it ends."""

    def look(self, clock: float, after: float, there: There) -> list[Fulfilled]:
        """Return the spans that have lasted for long enough. Each is returned once."""
        self._ripen(clock)
        found = [
            Fulfilled(key, span) for key, span in self._due.items() if there(span) >= max(span.due, after) - TOLERANCE_S
        ]
        for one in found:
            self._gone(one.key)
        return found

    def end(self, key: Key, until: float, after: float) -> tuple[Fulfilled | None, Key | None]:
        """End a span, whether it was returned or not."""
        span = self._gone(key)
        if span is None or max(span.there, until) < max(span.due, after) - TOLERANCE_S:
            return None, key
        return Fulfilled(key, span), key


class SpansTogether(Spans):
    """So many spans at the same time fulfil the rule, until there are fewer."""

    def __init__(self, for_s: float, at_least: int) -> None:
        super().__init__(for_s)
        self._at_least = at_least
        self._lasting: int | None = None
        self._numbers = itertools.count(1)

    def look(self, clock: float, after: float, there: There) -> list[Fulfilled]:
        """Return the time at which there are enough, once until there are fewer."""
        self._ripen(clock)
        if self._lasting is not None or len(self._due) < self._at_least:
            return []
        for span in self._due.values():
            span.there = max(span.there, there(span))
        for begin in sorted({max(span.due, after) for span in self._due.values()}):
            together = [
                span
                for span in self._due.values()
                if span.due <= begin + TOLERANCE_S and span.there >= begin - TOLERANCE_S
            ]
            if len(together) >= self._at_least:
                self._lasting = next(self._numbers)
                return [Fulfilled(self._lasting, together[-1])]
        return []

    def end(self, key: Key, until: float, after: float) -> tuple[Fulfilled | None, Key | None]:
        """End a span. Another may take its place in the same frame: see ``over``."""
        self._gone(key)
        return None, None

    def over(self, clock: float) -> Key | None:
        """Return what several fulfilled, once there are fewer."""
        self._ripen(clock)
        if self._lasting is None or len(self._due) >= self._at_least:
            return None
        over, self._lasting = self._lasting, None
        return over
