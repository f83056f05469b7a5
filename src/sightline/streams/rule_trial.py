"""Tries a rule: what it would have said of the last minutes, or says of a clip. No rule of the stream is concerned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import structs

from sightline.analytics.rules.board import RuleBoard
from sightline.analytics.zones.board import ZoneBoard
from sightline.analytics.zones.history import PastFrame
from sightline.core.events import Event
from sightline.core.rules import Rule
from sightline.core.types import Frame
from sightline.streams.boards import Boards

NAME = "trial"
MOST_FIRED = 1000
"""Times at which a rule may have been fulfilled; of more the first ones are told."""
NOTHING = np.zeros((1, 1, 3), np.uint8)


class Trial(NamedTuple):
    """What came of it."""

    seconds: float
    """How long was looked at."""
    fired: Sequence[Event]
    """The start of each time, with how long it lasted where that is known."""


def boards_for(rule: Rule, boards: Boards, *, file: bool = False) -> Boards:
    """Return new boards with this rule, switched on, and what it names. ``file``: see ``RuleBoard``."""
    zones = {name: zone for name, zone in boards.zones.zones.items() if name == rule.zone}
    lines = {name: line for name, line in boards.zones.lines.items() if name == rule.line}
    board = ZoneBoard(boards.stream, zones, lines)
    rule = rule.model_copy(update={"enabled": True})
    return Boards(board, RuleBoard(board, {NAME: rule}, file=file))


def replayed(boards: Boards, seen: Sequence[PastFrame | None]) -> Trial:
    """Have new boards see what was seen before. It takes some 0.1 ms a frame: not for the event loop."""
    events: list[Event] = []
    came = [one.received for one in seen if one is not None]
    for one in seen:
        if one is None:
            boards.zones.finish("no picture came any more")
            events += boards.rules.look()
        else:
            frame = Frame(boards.stream, one.seq, one.at, one.received, NOTHING)
            boards.zones.take(frame, one.sighting())
            events += boards.rules.take(frame)
    return Trial(round(came[-1] - came[0], 1) if came else 0.0, outcome(events))


def outcome(events: Iterable[Event]) -> Sequence[Event]:
    """Return the start of each time that the rule was fulfilled, with how long it lasted where that is known."""
    found: dict[str, Event] = {}
    for event in events:
        if event.kind != "rule":
            continue
        if event.phase == "start":
            found[event.id] = event
        elif event.phase == "end" and event.id in found:
            found[event.id] = structs.replace(found[event.id], seconds=event.seconds)
    return list(found.values())[:MOST_FIRED]
