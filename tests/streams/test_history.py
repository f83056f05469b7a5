"""Figures by the minute: nothing is lost or counted twice, and memory stays bounded."""

from __future__ import annotations

import time
from typing import TypeAlias

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sightline.streams.history import DAY_S, MINUTE_S, MOST_CLASSES, Day, Histories
from sightline.streams.minute import Minute
from support.results import entry, two_found
from support.streams import Recorder, frame, make_hub

NOON = 1_700_000_040.0
"""A time at which a minute begins."""

Part: TypeAlias = tuple[float, int, int, dict[str, int]]
"""Seconds since the last one, delivered, lost, and what was seen."""

parts = st.tuples(
    st.floats(0.5, 2000, allow_nan=False),
    st.integers(0, 200),
    st.integers(0, 50),
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 9)),
)


@given(st.lists(parts, max_size=40))
def test_every_frame_is_in_one_minute_and_minutes_are_in_order(given: list[Part]) -> None:
    history, now, counted = Day(), NOON, []
    for after, delivered, lost, objects in given:
        now += after
        counted.append((now, delivered, lost, objects))
        history.add(Minute(0, after, delivered, lost, 10.0 * delivered, objects), now)
    minutes = history.minutes(now)
    assert [one.at for one in minutes] == sorted({one.at for one in minutes})
    for one in minutes:
        within = [c for c in counted if one.at <= c[0] < one.at + MINUTE_S]
        assert (one.delivered, one.lost) == (sum(c[1] for c in within), sum(c[2] for c in within))
        for name in one.objects:
            assert one.objects[name] == max(c[3].get(name, 0) for c in within)
    recent = [c for c in counted if c[0] // MINUTE_S * MINUTE_S > now - DAY_S]
    assert sum(one.delivered + one.lost for one in minutes) == sum(c[1] + c[2] for c in recent)


def test_a_day_is_kept_and_no_more_however_many_classes() -> None:
    history = Day()
    for minute in range(2 * DAY_S // MINUTE_S):
        many = {f"class {n}": n + 1 for n in range(80)}
        history.add(Minute(0, 60.0, 600, 1, 6000.0, many), NOON + minute * MINUTE_S)
    minutes = history.minutes(NOON + (minute + 1) * MINUTE_S)
    assert len(minutes) == DAY_S // MINUTE_S - 1
    assert set(minutes[0].objects) == {f"class {n}" for n in range(80 - MOST_CLASSES, 80)}
    assert sum(map(len, history._over)) < 250_000


async def test_streams_count_and_what_was_forgotten_is_not_told() -> None:
    hub = make_hub(max_streams=2)
    histories = Histories(hub)
    stream = hub.take("door", Recorder())
    found = entry(np.zeros((64, 64, 3), np.uint8), prediction=two_found()).result
    for seq in range(3):
        taken = structs.replace(frame(seq), received_at=time.monotonic())
        stream.begin(taken)
        stream.deliver(found.changed(frame=taken))
    taken = frame(3)
    stream.begin(taken)
    stream.fail(taken, "why")
    stream.meters.dropped("replaced", 2)
    stream.meters.dropped("unwatched", 100)  # nobody wanted these
    (minute,) = histories.minutes("door", NOON)
    assert (minute.at, minute.delivered, minute.lost) == (int(NOON), 3, 3)
    assert minute.objects == {"person": 1, "car": 1}
    assert minute.latency_ms < 1000
    assert histories.minutes("door", NOON + 5) == [minute], "an idle camera adds no minute"
    assert histories.minutes("yard", NOON) == []

    for name in ("gate", "yard"):
        hub.open_stream(name).meters.dropped("rate")
        histories.look(NOON + 10)
    assert histories.minutes("door", NOON + 20) == [], "two others counted later"
    histories.forget("gate")
    assert histories.minutes("gate", NOON + 20) == []
    assert len(histories.minutes("yard", NOON + 20)) == 1
