"""Whatever objects do and whichever frames are missing: each happening fulfils a rule once, in its time."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sightline.analytics.rules.board import RuleBoard
from sightline.analytics.rules.state import RuleTally
from sightline.analytics.zones.board import ZoneBoard
from sightline.core.events import Event
from sightline.core.rules import Rule
from sightline.core.types import Frame
from sightline.core.zones import CrossingLine, Zone
from support.ruling import PIXELS, Ruled
from support.walking import Sight, sighting

DRIVE = Zone(points=((0.4, 0.3), (0.6, 0.3), (0.6, 0.9), (0.4, 0.9)))
YARD = Zone(points=((0.1, 0.3), (0.5, 0.3), (0.5, 0.9), (0.1, 0.9)))
GATE = CrossingLine(points=((0.5, 1.0), (0.5, 0.0)))
OPERATIONS = ("frame",) * 12 + ("zones", "rules", "off", "camera lost", "restart")

seeds = st.integers(0, 2**32 - 1)
places = st.sampled_from([{"zone": "drive"}, {"zone": "yard"}, {"zone": "gone"}, {"line": "gate"}, {}])


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    place = draw(places)
    more = {} if "line" in place else {"for_s": draw(st.floats(0, 2)), "at_least": draw(st.integers(1, 3))}
    classes = draw(st.sampled_from([None, ("person",), ("car", "person"), ("truck",)]))
    return Rule.model_validate(place | more | {"classes": classes, "cooldown_s": draw(st.sampled_from([0, 0.5, 3]))})


@given(seeds, st.lists(rules(), min_size=1, max_size=4), st.lists(st.sampled_from(OPERATIONS), max_size=60))
def test_each_start_has_one_end_and_comes_in_its_time(seed: int, given: list[Rule], operations: list[str]) -> None:
    random = np.random.default_rng(seed)
    zones = ZoneBoard("door", {"drive": DRIVE, "yard": YARD}, {"gate": GATE})
    named = {f"rule{n}": rule for n, rule in enumerate(given)}
    board, events, started = RuleBoard(zones, named), list[Event](), dict[str, list[float]]()
    steady, at = time.monotonic() - 1000, 1000.0
    for operation in operations:
        steady += (passed := float(random.uniform(0, 0.6)))
        at += passed
        if operation == "frame":
            shown = [
                Sight(i, float(random.uniform(0.2, 0.8)), float(random.uniform(0.2, 0.8)), ("person", "car")[i % 2])
                for i in range(4)
                if random.uniform() < 0.8
            ]
            frame = Frame("door", len(events), at, steady, PIXELS)
            zones.take(frame, sighting(*shown))
            told = board.take(frame)
            for event in told:
                if event.phase == "start":
                    started.setdefault(event.rule, []).append(steady)
            events += told
        elif operation == "zones":
            there = {name: zone for name, zone in (("drive", DRIVE), ("yard", YARD)) if random.uniform() < 0.7}
            zones.change(there, zones.lines)
            events += board.look()
        elif operation == "rules":
            kept = {name: rule for name, rule in named.items() if random.uniform() < 0.7}
            events += board.change(kept)
            started = {name: times for name, times in started.items() if name in kept}  # others begin anew
        elif operation == "off":
            off = {"enabled": bool(random.uniform() < 0.5)}
            events += board.change({name: rule.model_copy(update=off) for name, rule in board.rules.items()})
        elif operation == "camera lost":
            zones.finish("the camera is gone")
            events += board.look()
        else:
            zones.finish("the server was started anew")  # as the journal ends what lasted
            events += board.look()
            tallies = board.tallies()
            zones = ZoneBoard("door", zones.zones, zones.lines)
            board = RuleBoard(zones, board.rules)
            board.restore(tallies)
    zones.finish("over")
    events += board.look()
    phases: dict[str, list[str]] = {}
    for event in events:
        phases.setdefault(event.id, []).append(event.phase)
    assert all(told == ["start", "end"] for told in phases.values())
    for name, times in started.items():
        gaps = np.diff(times)
        assert (gaps >= named[name].cooldown_s - 0.02).all(), "also over a restart, by the time of day"


def paths(random: np.random.Generator, frames: int) -> list[list[bool]]:
    """Whether each of three people is in the drive, by frame: they come and go."""
    there = random.uniform(size=3) < 0.5
    found = []
    for _ in range(frames):
        there ^= random.uniform(size=3) < 0.08
        found.append(there.tolist())
    return found


def shown(there: Sequence[bool]) -> list[Sight]:
    return [Sight(i, 0.5 if one else 0.15 + 0.05 * i, 0.6 + 0.1 * i) for i, one in enumerate(there)]


def expected(there: Sequence[Sequence[bool]], kept: Sequence[int], due: int) -> list[tuple[int, int]]:
    """The frames in which a rule about one is fulfilled, and by whom: once a visit, as it is seen to have lasted."""
    found = []
    for person in range(3):
        begun: int | None = None
        told = False
        for n in kept:
            if not there[n][person]:
                begun, told = None, False
                continue
            begun = n if begun is None else begun
            if not told and n - begun >= due:
                told = True
                found.append((n, person))
    return sorted(found)


@given(seeds, st.integers(1, 120), st.integers(0, 20), st.floats(0, 0.8))
def test_once_for_each_visit_that_is_seen_to_last(seed: int, frames: int, due: int, dropped: float) -> None:
    """No frames are missing for a second, so that a visit lasts between two sights of it."""
    random = np.random.default_rng(seed)
    there, kept = paths(random, frames), [0]
    for n in range(1, frames):
        if random.uniform() >= dropped or n - kept[-1] >= 9:
            kept.append(n)
    ruled = Ruled({"drive": DRIVE}, {}, Rule(zone="drive", for_s=due / 10, cooldown_s=0))
    for n in kept:
        ruled.take(n / 10, shown(there[n]))
    fired = [(round(event.at * 10), event.track) for event in ruled.events if event.phase == "start"]
    assert sorted(fired) == expected(there, kept, due)


@given(seeds, st.integers(10, 120), st.integers(0, 20))
def test_the_same_events_whatever_frames_are_dropped(seed: int, frames: int, due: int) -> None:
    """As long as those come in which a visit begins, has lasted, and is over."""
    random = np.random.default_rng(seed)
    there = paths(random, frames)
    needed = {n for n, _ in expected(there, range(frames), due)}
    needed |= {n for n in range(1, frames) if there[n] != there[n - 1]} | {0}
    rule = Rule(zone="drive", for_s=due / 10, cooldown_s=0)
    whole, some = (Ruled({"drive": DRIVE}, {}, rule) for _ in range(2))
    last = 0
    for n in range(frames):
        whole.take(n / 10, shown(there[n]))
        if n in needed or n - last >= 9 or random.uniform() < 0.2:
            some.take(n / 10, shown(there[n]))
            last = n
    assert some.told == whole.told


@given(seeds, st.integers(2, 3), st.integers(0, 15))
def test_several_at_a_time(seed: int, at_least: int, due: int) -> None:
    """It is fulfilled whenever so many have each been there for long enough, until there are fewer."""
    there = paths(np.random.default_rng(seed), 150)
    ruled = Ruled({"drive": DRIVE}, {}, Rule(zone="drive", for_s=due / 10, at_least=at_least, cooldown_s=0))
    since: list[int | None] = [None] * 3
    lasting, phases = False, []
    for n, now in enumerate(there):
        since = [(n if one is None else one) if here else None for one, here in zip(since, now, strict=True)]
        enough = sum(one is not None and n - one >= due for one in since) >= at_least
        if enough != lasting:
            phases.append((n, "start" if enough else "end"))
        lasting = enough
        ruled.take(n / 10, shown(now))
    told = [(round(event.at * 10), event.phase) for event in ruled.events]
    assert told == phases


def test_a_change_of_guard_ends_nothing_and_what_a_cooldown_swallowed_ends_too() -> None:
    """Two are there all the time, though one goes as another comes; later ones count again."""
    rule = Rule(zone="drive", at_least=2, cooldown_s=2.5)
    ruled = Ruled({"drive": DRIVE}, {}, rule)
    both, guard, one = shown([True, True, False]), shown([True, False, True]), shown([True, False, False])
    ruled.see([both] * 5 + [guard] * 5 + [one] * 5)
    assert ruled.told == ["0.0 start 1", "1.0 end 1 1.0"]
    ruled.see([both] * 5 + [one] * 10 + [both] * 5, start=1.5)
    assert ruled.told[2:] == ["3.0 start 1"], "the time in between fell into the cooldown"


@given(seeds, st.integers(0, 86399), st.booleans())
def test_hours_hold(seed: int, begin: int, outside: bool) -> None:
    """Who is there as they begin fulfils the rule then, and who comes while they do not last does not."""
    midnight = time.mktime((2026, 11, 25, 0, 0, 0, 0, 0, -1))
    rule = Rule(zone="drive", hours="08:00-18:00", outside=outside, cooldown_s=0)
    ruled = Ruled({"drive": DRIVE}, {}, rule, begin=midnight + begin)
    there, started = paths(np.random.default_rng(seed), 60), set[tuple[int, int]]()
    visits = [0, 0, 0]
    for n, now in enumerate(there):
        when = midnight + begin + n * 60
        for person in range(3):
            visits[person] += int(now[person] and (n == 0 or not there[n - 1][person]))
        new = ruled.see([shown(now)], start=n * 0.5, fps=1 / 60)
        fired = {event.track for event in new if event.phase == "start"}
        assert not fired or rule.counts_at(when + 1) or rule.counts_at(when - 1)
        for person in range(3):
            if now[person] and rule.counts_at(when - 1) and rule.counts_at(when + 1):
                assert person in fired or (person, visits[person]) in started
        started |= {(person, visits[person]) for person in range(3) if person in fired}


def test_a_last_time_that_lies_ahead_holds_nothing_back() -> None:
    """The server's clock was set back while it was down."""
    zones = ZoneBoard("door", {"drive": DRIVE})
    board = RuleBoard(zones, {"rule": Rule(zone="drive", cooldown_s=3600)})
    board.restore({"rule": RuleTally(3, time.time() + 1e6), "gone": RuleTally(1, 1.0)})
    frame = Frame("door", 1, 1.0, time.monotonic(), PIXELS)
    zones.take(frame, sighting(Sight(1, 0.5)))
    assert [event.phase for event in board.take(frame)] == ["start"]
    assert board.tallies()["rule"].fired == 4
