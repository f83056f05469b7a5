"""What happens in a zone, and what a rule says of it: each case that is easily told wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sightline.core.events import Event
from sightline.core.rules import Rule
from sightline.core.zones import CrossingLine, Zone
from support.ruling import Ruled, brief
from support.walking import Sight, empty, line

DRIVE = Zone(points=((0.4, 0.3), (0.6, 0.3), (0.6, 0.9), (0.4, 0.9)))
GATE = CrossingLine(points=((0.5, 1.0), (0.5, 0.0)))
IN, OUT = 0.5, 0.2
"""Where an object is in the drive, and where it is not."""


def there(frames: int, track: int = 1, x: float = IN) -> list[list[Sight]]:
    return line(*[x] * frames, track=track)


def both(*paths: Sequence[Sequence[Sight]]) -> list[list[Sight]]:
    """Several objects at a time."""
    return [[one for path in paths if n < len(path) for one in path[n]] for n in range(max(map(len, paths)))]


def fired(frames: Sequence[Sequence[Sight]], **rule: Any) -> list[str]:
    """What a rule about the drive says, at ten frames a second, from the time 0."""
    ruled = Ruled({"drive": DRIVE}, {"gate": GATE}, Rule(**({"cooldown_s": 0} | rule)))
    ruled.see(frames)
    return ruled.told


FOR_2: dict[str, Any] = {"zone": "drive", "for_s": 2}
TABLE: dict[str, tuple[Sequence[Sequence[Sight]], dict[str, Any], list[str]]] = {
    "nobody": (empty(3), FOR_2, []),
    "stays": (there(25), FOR_2, ["2.0 start 1"]),
    "stays and leaves": (there(25) + there(5, x=OUT), FOR_2, ["2.0 start 1", "2.5 end 1 0.5"]),
    "leaves just before": (there(20) + there(20, x=OUT), FOR_2, []),
    "vanishes just before": (there(20) + empty(3), FOR_2, []),
    "vanishes just after": (there(21) + empty(3), FOR_2, ["2.0 start 1", "3.1 end 1 0.0"]),
    "is hidden when the time comes, and comes back": (
        there(18) + empty(0.5) + there(5), FOR_2, ["2.3 start 1"]
    ),
    "is hidden when the time comes, and was gone": (there(18) + empty(3) + there(10, track=2), FOR_2, []),
    "steps out when the time comes, not clear of the border": (
        there(18) + there(1, x=0.398) + there(3), FOR_2, ["2.0 start 1"]
    ),
    "leaves just before, and is seen near the border": (
        there(18) + there(6, x=0.398) + there(9, x=OUT), FOR_2, []
    ),
    "the id changes in the zone": (there(12) + there(13, track=2), FOR_2, ["2.0 start 2"]),
    "the id changes while it lasts": (
        there(22) + there(5, track=2) + there(3, track=2, x=OUT), FOR_2, ["2.0 start 1", "2.7 end 1 0.7"]
    ),
    "two, each by itself": (
        both(there(25), empty(0.5) + there(30, track=2)), FOR_2,
        ["2.0 start 1", "2.5 start 2"]
    ),
    "two, the second too early": (
        both(there(25) + empty(2), empty(0.5) + there(40, track=2)), FOR_2 | {"cooldown_s": 60},
        ["2.0 start 1", "3.5 end 1 0.4"],
    ),
    "again after the cooldown": (
        there(25) + there(20, x=OUT) + there(25), FOR_2 | {"cooldown_s": 4},
        ["2.0 start 1", "2.5 end 1 0.5", "6.5 start 1"],
    ),
    "another class": ([[Sight(1, IN, class_name="car")]] * 30, FOR_2 | {"classes": ["person"]}, []),
    "at once": (there(3, x=OUT) + there(3), {"zone": "drive"}, ["0.3 start 1"]),
    "off": (there(25), FOR_2 | {"enabled": False}, []),
    "at least two, and one is there": (there(30), FOR_2 | {"at_least": 2}, []),
    "at least two, one comes later": (
        both(there(30), empty(0.5) + there(30, track=2)), FOR_2 | {"at_least": 2}, ["2.5 start 2"]
    ),
    "at least two, and one leaves": (
        both(there(25) + there(10, x=OUT), there(40, track=2)), FOR_2 | {"at_least": 2},
        ["2.0 start 2", "2.5 end 2 0.5"],
    ),
    "at least two, and one leaves too early": (
        both(there(19) + there(10, x=OUT), there(40, track=2)), FOR_2 | {"at_least": 2}, []
    ),
    "at least two, and one vanished as the other's time came": (
        both(there(22), empty(0.5) + there(40, track=2)), FOR_2 | {"at_least": 2}, []
    ),
    "at least two, and a third comes before one leaves": (
        both(there(25) + there(20, x=OUT), there(45, track=2), there(45, track=3)), FOR_2 | {"at_least": 2},
        ["2.0 start 3"],
    ),
    "anywhere in the picture": (there(5, x=0.1) + empty(2), {}, ["0.0 start 1", "1.5 end 1 0.4"]),
    "anywhere, for a while": (there(5, x=0.1) + empty(2), {"for_s": 0.4}, ["0.4 start 1", "1.5 end 1 0.0"]),
    "anywhere, not long enough": (there(5, x=0.1) + empty(2), {"for_s": 0.5}, []),
    "anywhere, under two ids": (there(5, x=0.1) + there(5, x=0.1, track=2), {"for_s": 0.8}, ["0.8 start 2"]),
    "over the line": (line(0.3, 0.4, 0.6, 0.7), {"line": "gate"}, ["0.2 start 1 in", "0.2 end 1 0.0 in"]),
    "over the line, the other way": (line(0.3, 0.4, 0.6, 0.7), {"line": "gate", "direction": "out"}, []),
    "over the line and back, too early": (
        line(0.3, 0.7, 0.3), {"line": "gate", "cooldown_s": 9}, ["0.1 start 1 in", "0.1 end 1 0.0 in"]
    ),
    "a zone that is gone": (there(30), {"zone": "yard"}, []),
    "a line that is gone": (line(0.3, 0.7), {"line": "fence"}, []),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_a_case(name: str) -> None:
    frames, rule, expected = TABLE[name]
    assert fired(frames, **rule) == expected


def test_the_camera_is_lost_while_it_lasts() -> None:
    ruled = Ruled({"drive": DRIVE}, {}, Rule(**FOR_2, cooldown_s=0))
    ruled.see(there(25))
    ruled.finish("the camera is gone")
    assert ruled.told == ["2.0 start 1", "2.4 end 1 0.4"]
    assert ruled.events[-1].reason == "the camera is gone"
    ruled.see(there(25), start=100)
    assert ruled.told[2:] == ["102.0 start 1"], "who is there after that came anew"


def test_the_camera_is_lost_before_the_time() -> None:
    ruled = Ruled({"drive": DRIVE}, {}, Rule(**FOR_2, cooldown_s=0))
    ruled.see(there(15))
    ruled.finish("the camera is gone")
    ruled.see(there(15), start=100)
    assert ruled.told == []


@pytest.mark.parametrize("start", [-1000.0, 1e9])
def test_the_frames_clock_is_set_while_somebody_is_there(start: float) -> None:
    ruled = Ruled({"drive": DRIVE}, {}, Rule(**FOR_2, cooldown_s=0))
    ruled.see(there(15))
    ruled.see(there(8), start=start)
    back = start < 0
    assert ruled.told == ([brief_start(start + 0.6)] if back else [brief_start(start)])
    assert len({event.id for event in ruled.events}) == 1


def brief_start(at: float) -> str:
    return f"{at:.1f} start 1"


def test_the_rule_is_changed_while_it_lasts() -> None:
    ruled = Ruled({"drive": DRIVE}, {}, Rule(**FOR_2, cooldown_s=0))
    ruled.see(there(25))
    ruled.change(Rule(zone="drive", for_s=3, cooldown_s=0))
    assert ruled.told == ["2.0 start 1", "2.4 end 1 0.4"]
    assert ruled.events[-1].reason == "the rule was changed"
    ruled.see(there(10), start=2.5)
    assert ruled.told[2:] == ["3.0 start 1"], "it is another rule, for which who is there has been there"


def test_only_who_is_told_changes_while_it_lasts() -> None:
    ruled = Ruled({"drive": DRIVE}, {}, Rule(**FOR_2, cooldown_s=0))
    ruled.see(there(25))
    ruled.change(Rule(**FOR_2, cooldown_s=5, actions=("mqtt",)))
    ruled.see(there(25) + there(3, x=OUT), start=2.5)
    assert ruled.told == ["2.0 start 1", "5.0 end 1 3.0"]


def test_the_rule_goes_and_comes_while_somebody_is_there() -> None:
    ruled = Ruled({"drive": DRIVE}, {}, Rule(**FOR_2, cooldown_s=0))
    ruled.see(there(25))
    ruled.change(Rule(**FOR_2, cooldown_s=0, enabled=False))
    assert ruled.events[-1].reason == "the rule was switched off"
    ruled.see(there(25), start=2.5)
    ruled.change(None)
    ruled.see(there(5), start=5)
    assert len(ruled.told) == 2
    ruled.change(Rule(**FOR_2, cooldown_s=0))
    ruled.see(there(5), start=5.5)
    assert ruled.told[2:] == ["5.5 start 1"]
    ruled.change(None)
    assert ruled.events[-1].reason == "the rule was removed"


def test_a_rule_comes_back_long_after_somebody_went() -> None:
    """Where nobody asks for objects they are not followed; who was there then is there no more."""
    ruled = Ruled({}, {}, Rule(cooldown_s=0))
    ruled.see(there(5))
    ruled.change(None)
    ruled.see(empty(5), start=0.5)
    ruled.change(Rule(cooldown_s=0))
    ruled.see(empty(5), start=5.5)
    assert ruled.told == ["0.0 start 1", "0.4 end 1 0.4"]


def test_the_zone_is_deleted_while_it_lasts() -> None:
    ruled = Ruled({"drive": DRIVE}, {}, Rule(**FOR_2, cooldown_s=0))
    ruled.see(there(25))
    ruled.zones({})
    assert ruled.told == ["2.0 start 1", "2.4 end 1 0.4"]
    assert ruled.events[-1].reason == "the zone was removed"
    ruled.see(there(25), start=2.5)
    assert len(ruled.told) == 2
    ruled.zones({"drive": DRIVE})
    ruled.see(there(25), start=5)
    assert ruled.told[2:] == ["7.0 start 1"]


def test_what_an_event_says() -> None:
    ruled = Ruled({"drive": DRIVE}, {}, Rule(**FOR_2, classes=("person",), actions=("notify", "mqtt")))
    ruled.see(there(20) + line(0.52, 0.52) + there(5, x=OUT))
    start, end = ruled.events
    assert start == Event(
        id=start.id,
        stream="door",
        phase="start",
        kind="rule",
        at=2.0,
        seq=20,
        class_name="person",
        track=1,
        box=(792.0, 360.0, 872.0, 540.0),
        zone="drive",
        rule="rule",
        actions=("notify", "mqtt"),
    )
    assert (end.id, end.phase, end.seq, end.actions) == (start.id, "end", 22, start.actions)
    assert brief(end) == "2.2 end 1 0.2"
