"""Rules about a stream's camera hear what the hub tells of it, whether the stream is live or not."""

from __future__ import annotations

import asyncio

from msgspec import structs

from sightline.core.events import Event
from sightline.core.rules import Rule
from sightline.streams.hub import Hub
from support.streams import make_hub

LOST = Event(id="1", stream="door", phase="start", kind="stream", at=5.0, seq=3, reason="the camera is gone")
BACK = structs.replace(LOST, phase="end", at=9.0, seq=4, seconds=4.0)


def hub_with(rule: Rule) -> tuple[Hub, list[Event]]:
    hub, events = make_hub(), list[Event]()
    hub.listeners.tell = events.append  # type: ignore[method-assign, assignment]
    hub.boards.put("door", "rules", "camera", rule)
    return hub, events


def told(events: list[Event]) -> list[tuple[str, str, float]]:
    return [(event.kind, event.phase, event.at) for event in events]


async def ticked(hub: Hub, events: list[Event], count: int) -> None:
    """Let the hub look until so much was told."""
    async with asyncio.timeout(20):
        while len(events) < count:
            hub.listeners.emit(*hub.boards.tick())
            await asyncio.sleep(0.01)


async def test_at_once_and_until_it_is_back() -> None:
    hub, events = hub_with(Rule(when="stream", cooldown_s=0, actions=("notify",)))
    hub.listeners.emit(LOST)
    hub.listeners.emit(structs.replace(LOST, stream="yard", id="2"), structs.replace(LOST, kind="scene", id="3"))
    hub.listeners.emit(BACK)
    of_rule = [event for event in events if event.kind == "rule"]
    assert told(of_rule) == [("rule", "start", 5.0), ("rule", "end", 9.0)]
    assert (of_rule[0].rule, of_rule[0].stream, of_rule[0].actions) == ("camera", "door", ("notify",))
    assert of_rule[0].id == of_rule[1].id != LOST.id
    assert hub.boards.of("door").rules.tallies()["camera"].fired == 1


async def test_only_if_it_lasts() -> None:
    hub, events = hub_with(Rule(when="stream", for_s=0.05, cooldown_s=0))
    hub.listeners.emit(LOST)
    await ticked(hub, events, 2)
    hub.listeners.emit(BACK)
    assert told(events)[0::2] == [("stream", "start", 5.0), ("stream", "end", 9.0)]
    assert [event.phase for event in events if event.kind == "rule"] == ["start", "end"]

    hub, events = hub_with(Rule(when="stream", for_s=1000, cooldown_s=0))
    hub.listeners.emit(LOST)
    assert hub.boards.tick() == []
    hub.listeners.emit(BACK)
    assert [event.kind for event in events] == ["stream", "stream"]


async def test_a_rule_that_is_set_while_the_camera_is_covered() -> None:
    covered = structs.replace(LOST, kind="scene", class_name="covered")
    hub, events = hub_with(Rule(when="stream", cooldown_s=0))
    hub.listeners.emit(covered)
    hub.boards.put("door", "rules", "covered", Rule(when="scene", cooldown_s=0))
    await ticked(hub, events, 2)
    assert (events[1].rule, events[1].class_name) == ("covered", "covered")
    (end,) = hub.boards.remove("door", "rules", "covered")
    assert (end.id, end.phase, end.reason) == (events[1].id, "end", "the rule was removed")


async def test_whose_sake_a_stream_is_processed_for() -> None:
    hub, _ = hub_with(Rule(when="stream"))
    assert not hub.boards.of("door").wanted, "nothing has to be inferred to see that no picture comes"
    assert hub.minds("door")
    hub.boards.put("door", "rules", "covered", Rule(when="scene"))
    assert hub.boards.of("door").wanted
