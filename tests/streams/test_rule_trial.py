"""A rule that is tried on what was seen says what it would have said live."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sightline.analytics.zones.board import ZoneBoard
from sightline.analytics.zones.history import KEPT_S, MOST_ROWS
from sightline.core.rules import Rule
from sightline.core.types import Frame
from sightline.core.zones import CrossingLine, Zone
from sightline.streams.boards import Boards
from sightline.streams.rule_trial import boards_for, replayed
from support.ruling import PIXELS, Ruled
from support.walking import Sight, empty, line, sighting

DRIVE = Zone(points=((0.4, 0.3), (0.6, 0.3), (0.6, 0.9), (0.4, 0.9)))
GATE = CrossingLine(points=((0.5, 1.0), (0.5, 0.0)))
RULES = [
    Rule(zone="drive", for_s=1, cooldown_s=0),
    Rule(zone="drive", cooldown_s=3, classes=("person",)),
    Rule(zone="drive", at_least=2, for_s=0.5, cooldown_s=0),
    Rule(line="gate", cooldown_s=0),
    Rule(for_s=1.5, cooldown_s=5),
]


def tried(ruled: Ruled, rule: Rule) -> list[tuple[float, int | None, float | None]]:
    boards = Boards(ruled.zone_board, ruled.board)
    trial = replayed(boards_for(rule, boards), ruled.zone_board.recent(1e9))
    return [(round(one.at, 1), one.track, one.seconds) for one in trial.fired]


@given(st.integers(0, 2**32 - 1), st.sampled_from(RULES))
def test_it_is_what_the_rule_said_live(seed: int, rule: Rule) -> None:
    random = np.random.default_rng(seed)
    ruled = Ruled({"drive": DRIVE}, {"gate": GATE}, rule)
    places = random.uniform(0.2, 0.8, 3)
    for part in range(3):
        frames: list[Sequence[Sight]] = []
        for _ in range(int(random.integers(0, 40))):
            places = np.clip(places + random.normal(0, 0.04, 3), 0, 1)
            frames.append([Sight(part * 3 + n, float(x)) for n, x in enumerate(places) if random.uniform() < 0.9])
        ruled.see(frames, start=part * 100.0)
        if random.uniform() < 0.5:
            ruled.finish("the camera is gone")
    live: dict[str, tuple[float, int | None, float | None]] = {}
    for event in ruled.events:
        at = round(event.at, 1) if event.phase == "start" else live[event.id][0]
        live[event.id] = at, event.track, event.seconds
    assert tried(ruled, rule) == list(live.values())


def test_a_rule_that_is_not_set_and_one_that_is_off() -> None:
    ruled = Ruled({"drive": DRIVE}, {}, Rule(enabled=False))
    ruled.see(line(*[0.5] * 25, *[0.2] * 5))
    assert ruled.events == []
    assert tried(ruled, Rule(zone="drive", for_s=2, enabled=False)) == [(2.0, 1, 0.5)]
    assert ruled.events == [], "a trial tells nobody"
    assert ruled.board.tallies()["rule"].fired == 0


def test_what_is_kept_is_little() -> None:
    board = ZoneBoard("door")
    crowd = sighting(*(Sight(n, 0.1 + n / 500) for n in range(400)))
    received = time.monotonic()
    for n in range(600):
        board.take(Frame("door", n, n / 100, received + n / 100, PIXELS), crowd)
    seen = [one for one in board.recent() if one is not None]
    assert 60 <= len(seen) <= 67, "about eleven a second"
    for n in range(600):
        board.take(Frame("door", n, 10 + n / 10, received + 10 + n / 10, PIXELS), crowd)
    seen = [one for one in board.recent() if one is not None]
    assert sum(len(one.ids) for one in seen) <= MOST_ROWS
    for n in range(2000):
        board.take(Frame("door", n, 100 + n, received + 100 + n, PIXELS), sighting())
    seen = [one for one in board.recent() if one is not None]
    assert KEPT_S <= len(seen) <= KEPT_S + 1


def test_who_was_there_before_it_had_an_id() -> None:
    """The way that an object came before it was certain counts as it does live: it is kept with the frame."""
    ruled = Ruled({}, {"gate": GATE}, Rule(line="gate", cooldown_s=0))
    ruled.take(0.0, [])
    trail = np.full((1, 4, 2), np.nan, np.float32)
    trail[0, -2:] = [[0.4 * 1600, 0.6 * 900], [0.55 * 1600, 0.6 * 900]]
    ruled.take(0.1, [Sight(1, 0.55)], trail)
    assert [event.direction for event in ruled.events] == ["in", "in"]
    assert tried(ruled, Rule(line="gate", cooldown_s=0)) == [(0.1, 1, 0.0)]


def test_nothing_was_seen() -> None:
    ruled = Ruled({"drive": DRIVE}, {}, Rule())
    assert replayed(boards_for(Rule(), Boards(ruled.zone_board, ruled.board)), ruled.zone_board.recent()) == (0.0, [])
    ruled.see(empty(0.5))
    assert tried(ruled, Rule()) == []
