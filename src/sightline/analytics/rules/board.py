"""The rules of one stream: they outlive its cameras, and change while it runs."""

from __future__ import annotations

import itertools
import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping

from sightline.analytics._happenings import Followed, Happening
from sightline.analytics.base import NOTHING, Stage, Staged
from sightline.analytics.rules.spans import Span
from sightline.analytics.rules.state import Moment, RuleState, RuleTally
from sightline.core.events import Event
from sightline.core.predictions import Prediction
from sightline.core.rules import Rule
from sightline.core.types import Frame, ModelCard

CAMERA = ("scene", "stream")
"""Kinds of events about the camera."""


class RuleBoard:
    """The rules of a stream, and what has fulfilled them. The loop and the stages' threads may use it."""

    def __init__(
        self, zones: Followed, rules: Mapping[str, Rule] | None = None, *, file: bool = False, dated: bool = False
    ) -> None:
        """``zones``: what counts in the stream, whose lock it uses.

        ``file``: frames come from a file. Then their clock is the only one. Hours of rules are left aside, unless the
        frames are ``dated``: in other files nobody knows them.
        """
        self.changes = 0
        """Grows with whatever is worth saving."""
        self.rules: Mapping[str, Rule] = {}
        """Rules by name. Not to be changed in place."""
        self.wanted = False
        """True if there is a rule for which the stream has to be processed."""
        self.clips = False
        """True if there is a rule that keeps clips."""
        self._zones = zones
        self._file, self._timeless = file, file and not dated
        self._tallies: dict[str, RuleTally] = {}
        self._states: dict[str, RuleState] = {}
        """Those that are enabled."""
        self._of_place: dict[tuple[str, str], list[RuleState]] = {}
        """By kind and name: who concerns a zone, a line or the picture."""
        self._of_objects: list[RuleState] = []
        self._of_several: list[RuleState] = []
        """Those that want more than one object."""
        self._of_camera: dict[str, list[RuleState]] = {}
        """By kind of event: who concerns the camera."""
        self._camera: dict[str, tuple[Event, float]] = {}
        """What lasts of the camera, by its event's id, and since when, ``time.monotonic()``."""
        prefix, numbers = secrets.token_hex(4), itertools.count(1)
        self._ids: Callable[[], str] = lambda: f"{prefix}-{next(numbers)}"
        self.change(rules or {})

    def take(self, frame: Frame) -> tuple[Event, ...]:
        """Look at a frame that the zones have taken."""
        with self._zones.lock:
            if not self._states:
                return ()
            moment = self._moment(frame.received_at)
            events = self._follow(moment)
            for state in self._of_objects:
                if state.waiting:
                    events += state.look(moment, self._there(state), self._zones.looks)
            return self._told(events)

    def look(self) -> tuple[Event, ...]:
        """Return what has ended without a frame."""
        with self._zones.lock:
            return self._told(self._follow(self._moment(time.monotonic()))) if self._states else ()

    def hear(self, event: Event) -> tuple[Event, ...]:
        """Take in an event about the stream's camera: rules may be about that."""
        with self._zones.lock:
            moment = self._now()._replace(at=event.at, seq=event.seq)
            if event.phase == "start":
                self._camera[event.id] = event, moment.clock
            elif event.phase == "end":
                self._camera.pop(event.id, None)
            events: list[Event] = []
            for state in self._of_camera.get(event.kind, ()):
                if event.phase == "start":
                    state.begin(event.id, -1, event.class_name, moment.clock)
                    events += state.look(moment, lambda _: math.inf)
                elif event.phase == "end":
                    events += state.end(event.id, moment, until=moment.clock, seen=True, reason=event.reason)
            return self._told(events)

    def tick(self) -> tuple[Event, ...]:
        """Return what the camera has done for long enough by now."""
        if not self._camera or not self._of_camera:
            return ()
        with self._zones.lock:
            moment, events = self._now(), list[Event]()
            for states in self._of_camera.values():
                for state in states:
                    events += state.look(moment, lambda _: math.inf)
            return self._told(events)

    def change(self, rules: Mapping[str, Rule]) -> tuple[Event, ...]:
        """Have these rules from now on; return the ends of what lasted by others."""
        with self._zones.lock:
            moment = self._moment(time.monotonic())
            events = self._follow(moment)
            before, self._states = self._states, {}
            self.rules = dict(rules)
            self._tallies = {name: self._tallies.get(name) or RuleTally() for name in rules}
            for name, rule in rules.items():
                old = before.pop(name, None)
                if old is not None and rule.enabled and old.change(rule):
                    self._states[name] = old
                    continue
                if old is not None:
                    events += old.stop(moment, "the rule was changed" if rule.enabled else "the rule was switched off")
                if rule.enabled:
                    self._states[name] = self._new(name, rule, moment, old)
            for old in before.values():
                events += old.stop(moment, "the rule was removed")
            self._arrange()
            self.changes += 1
            return self._told(events)

    def tallies(self) -> dict[str, RuleTally]:
        """Return how often each rule was fulfilled. It can be saved."""
        with self._zones.lock:
            return {name: RuleTally(one.fired, one.last) for name, one in self._tallies.items()}

    def restore(self, tallies: Mapping[str, RuleTally]) -> None:
        """Go on from tallies that were saved, for rules that are still there: also not again before their time."""
        with self._zones.lock:
            for name, saved in tallies.items():
                if (tally := self._tallies.get(name)) is not None:
                    tally.fired, tally.last = saved.fired, saved.last
                    if name in self._states:
                        self._states[name].last_steady = _steady(saved)

    def _new(self, name: str, rule: Rule, moment: Moment, old: RuleState | None) -> RuleState:
        """Make the state of a rule, which is about whoever is there already too."""
        tally = self._tallies[name]
        held = rule.model_copy(update={"hours": None, "days": None}) if self._timeless else rule
        state = RuleState(name, held, tally, stream=self._zones.stream, ids=self._ids)
        state.last_steady = _steady(tally) if old is None else old.last_steady
        if rule.when == "object":
            state.set_aside(moment.clock)
            for visit in self._zones.visits():
                if (visit.kind, visit.name) == _place(rule):
                    state.begin(visit.number, visit.row, visit.class_name, visit.since)
        for event, since in self._camera.values():
            if event.kind == rule.when:
                state.begin(event.id, -1, event.class_name, since)
        return state

    def _arrange(self) -> None:
        self._of_place, self._of_camera = {}, {}
        for state in self._states.values():
            if state.rule.when == "object":
                self._of_place.setdefault(_place(state.rule), []).append(state)
            else:
                self._of_camera.setdefault(state.rule.when, []).append(state)
        self._of_objects = [state for states in self._of_place.values() for state in states]
        self._of_several = [state for state in self._of_objects if state.rule.at_least > 1]
        self.wanted = any(state.rule.when != "stream" for state in self._states.values())
        self.clips = any("clip" in state.rule.actions for state in self._states.values())
        self._zones.follows_picture = ("picture", "") in self._of_place

    def _follow(self, moment: Moment) -> list[Event]:
        """Take in what the zones have seen since the last look."""
        events: list[Event] = []
        for one in self._zones.news():
            for state in self._of_place.get((one.kind, one.name), ()):
                events += _happened(state, one, moment)
        for state in self._of_several:
            events += state.settle(moment)
        return events

    def _there(self, state: RuleState) -> Callable[[Span], float]:
        zone = state.rule.zone or ""
        return lambda span: self._zones.there(span.row, zone)

    def _moment(self, received: float) -> Moment:
        """Return the time of the last frame. ``received``: when it came, ``time.monotonic()``."""
        at, seq = self._zones.last
        clock = self._zones.clock
        if self._file:
            return Moment(at, seq, clock, clock, at)
        return Moment(at, seq, clock, received, time.time() - (time.monotonic() - received))

    def _now(self) -> Moment:
        """Return the time for what is about the camera: frames need not come."""
        steady, when = time.monotonic(), time.time()
        return Moment(when, self._zones.last[1], steady, steady, when)

    def _told(self, events: list[Event]) -> tuple[Event, ...]:
        self.changes += len(events)
        return tuple(events)


class ApplyRules(Stage):
    """Looks whether a stream's rules are fulfilled, for one camera."""

    quick = True

    def __init__(self, board: RuleBoard | None) -> None:
        self._board = board

    def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Staged:
        """Look at what the zones have seen in a frame."""
        return self.touch(frame)

    def touch(self, frame: Frame) -> Staged:
        """Objects are where they were, for longer."""
        events = () if self._board is None else self._board.take(frame)
        return Staged(events=events) if events else NOTHING

    def finish(self, reason: str) -> tuple[Event, ...]:
        """End what lasts. The zones have finished and know why."""
        return () if self._board is None else self._board.look()


def _place(rule: Rule) -> tuple[str, str]:
    """Kind and name of what a rule about objects is about."""
    if rule.line is not None:
        return "line", rule.line
    return ("picture", "") if rule.zone is None else ("zone", rule.zone)


def _happened(state: RuleState, one: Happening, moment: Moment) -> Iterable[Event]:
    """Tell a rule of what happened at its place."""
    if one.kind == "line":
        return state.crossed(one, moment)
    if one.direction == "in":
        state.begin(one.number, one.row, one.class_name, one.since)
        return ()
    until = one.since + (one.seconds or 0.0)
    look = one.track, one.box
    return state.end(one.number, moment, until=until, seen=one.vanished, reason=one.reason, look=look)


def _steady(tally: RuleTally) -> float:
    """Return when a rule was fulfilled last, on the clock that nobody sets; a time to come was another clock's."""
    passed = -1.0 if tally.last is None else time.time() - tally.last
    return -math.inf if passed < 0 else time.monotonic() - passed
