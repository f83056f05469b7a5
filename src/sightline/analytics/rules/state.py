"""One rule of a stream: what fulfils it, and what of that lasts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec import Struct, structs

from sightline.analytics._happenings import Box, Happening
from sightline.analytics.rules.spans import EachSpan, Fulfilled, Key, Span, Spans, SpansTogether
from sightline.core.events import Event
from sightline.core.rules import Rule


class Moment(NamedTuple):
    """When something is looked at."""

    at: float
    """Seconds since 1970, on the clock of the frame."""
    seq: int
    clock: float
    """Seconds on the clock by which spans last."""
    steady: float
    """Seconds on a clock that nobody sets, for the time between two events."""
    when: float
    """Seconds since 1970, on the server's clock."""


class RuleTally(Struct):
    """How often a rule was fulfilled. It can be saved."""

    fired: int = 0
    last: float | None = None
    """Seconds since 1970, on the server's clock."""


class RuleState:
    """A rule that is enabled."""

    def __init__(self, name: str, rule: Rule, tally: RuleTally, *, stream: str, ids: Callable[[], str]) -> None:
        """``ids``: gives each event its id."""
        self.rule, self.tally = rule, tally
        self.last_steady = -math.inf
        """When it was fulfilled last, on the steady clock."""
        self._event = Event(
            id="",
            stream=stream,
            phase="start",
            kind="rule",
            at=0.0,
            seq=0,
            zone=rule.zone or rule.line or "",
            rule=name,
        )
        self._ids = ids
        self._spans: Spans = SpansTogether(rule.for_s, rule.at_least) if rule.at_least > 1 else EachSpan(rule.for_s)
        self._lasting: dict[Key, tuple[Event, float]] = {}
        """Starts of the events that last, and when they began on the clock of spans."""
        self._last_end = 0.0, ""
        """When and why the last span ended."""
        self._after = 0.0
        """What has ended before is of no concern."""
        self._minute: float | None = None
        self._allowed = True

    def begin(self, key: Key, row: int, class_name: str, since: float) -> None:
        """A span that the rule may be about has begun."""
        if self.rule.classes is None or class_name in self.rule.classes:
            self._spans.begin(key, row, class_name, since)

    @property
    def waiting(self) -> bool:
        """True if ``look`` may find something."""
        return self._spans.waiting

    def set_aside(self, clock: float) -> None:
        """What ended before this time is of no concern."""
        self._after = clock

    def crossed(self, one: Happening, moment: Moment) -> Iterable[Event]:
        """An object has crossed the rule's line."""
        wanted = self.rule.classes is None or one.class_name in self.rule.classes
        if wanted and self.rule.direction in (None, one.direction) and self._allows(moment):
            span = Span(one.row, one.class_name, one.since, one.since)
            yield from self._start(Fulfilled(one.number, span), moment, (one.track, one.box), one.direction)
            yield from self._end(one.number, moment, "")

    def look(
        self, moment: Moment, there: Callable[[Span], float], looks: Callable[[int], tuple[int, Box]] | None = None
    ) -> Iterable[Event]:
        """See whether spans have lasted for long enough. ``looks``: tells an object's track and box by its row."""
        if self._allows(moment):
            for fulfilled in self._spans.look(moment.clock, self._after, there):
                yield from self._start(fulfilled, moment, None if looks is None else looks(fulfilled.span.row))

    def end(
        self, key: Key, moment: Moment, *, until: float, seen: bool, reason: str, look: tuple[int, Box] | None = None
    ) -> Iterable[Event]:
        """A span has ended. ``seen``: it was seen to go on until then."""
        self._last_end = until, reason
        allowed = self._allows(moment)
        late, over = self._spans.end(key, until if seen else -math.inf, self._after)
        if late is not None and allowed:
            yield from self._start(late, moment, look)
        if over is not None:
            yield from self._end(over, moment._replace(clock=until), reason)

    def settle(self, moment: Moment) -> Iterable[Event]:
        """All is known that happened by now: end what is over by that."""
        if (over := self._spans.over(moment.clock)) is not None:  # also where no event lasts by it
            until, reason = self._last_end
            yield from self._end(over, moment._replace(clock=until), reason)

    def stop(self, moment: Moment, reason: str) -> Iterable[Event]:
        """The rule is no longer in force."""
        for key in list(self._lasting):
            yield from self._end(key, moment, reason)

    def change(self, rule: Rule) -> bool:
        """Go on with another rule that is about the same; return False if it is not."""
        if rule.about() != self.rule.about():
            return False
        self.rule, self._minute = rule, None
        return True

    def _start(
        self, fulfilled: Fulfilled, moment: Moment, look: tuple[int, Box] | None, direction: str = ""
    ) -> Iterable[Event]:
        if moment.steady - self.last_steady < self.rule.cooldown_s:
            return
        self.last_steady = moment.steady
        self.tally.fired += 1
        self.tally.last = moment.when
        track, box = (None, None) if look is None else look
        start = structs.replace(
            self._event,
            id=self._ids(),
            at=moment.at,
            seq=moment.seq,
            class_name=fulfilled.span.class_name,
            track=track,
            box=box,
            direction=direction,
            actions=self.rule.actions,
        )
        self._lasting[fulfilled.key] = start, moment.clock
        yield start

    def _end(self, key: Key, moment: Moment, reason: str) -> Iterable[Event]:
        if key in self._lasting:
            start, begun = self._lasting.pop(key)
            seconds = round(max(0.0, moment.clock - begun), 3)
            yield start.ended(moment.at, moment.seq, seconds, reason)

    def _allows(self, moment: Moment) -> bool:
        """Return True if the rule's hours allow this time. Whoever is there when they begin must be seen after that."""
        minute = moment.when // 60
        if minute != self._minute:
            self._minute, before = minute, self._allowed
            self._allowed = self.rule.counts_at(moment.when)
            if self._allowed and not before:
                self._after = moment.clock
        return self._allowed
