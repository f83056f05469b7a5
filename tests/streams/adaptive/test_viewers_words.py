"""What viewers say of their latency: half of them, or one of two, can lower nothing for the others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.mailbox import Mailbox
from sightline.streams.adaptive.service import MAX_REPORT_MS, _listen
from sightline.streams.subscription import Subscription
from sightline.wire.requests import PerformanceStats

GOOD_MS = 60.0


def heard(latencies: list[float]) -> float:
    """What the controller hears of viewers with these latencies, all of whom miss pictures."""
    subscriptions = []
    for latency in latencies:
        one = Subscription(Mailbox(1), "viewer", began_at=0.0)
        one.stats, one.stats_at, one.behind = PerformanceStats(latency=latency), 100.0, True
        subscriptions.append(one)
    told: list[float] = []
    controller = SimpleNamespace(viewers=lambda at, latency: told.append(latency))
    _listen(cast(Any, SimpleNamespace(subscriptions=subscriptions)), cast(Any, controller), 100.1)
    return told[-1]


@given(st.integers(1, 20), st.data())
def test_half_of_the_viewers_can_say_what_they_like(good: int, data: st.DataObject) -> None:
    lies = data.draw(st.lists(st.floats(GOOD_MS, 1e9), max_size=good))
    assert heard([GOOD_MS] * good + lies) == GOOD_MS


@pytest.mark.parametrize("latency", [MAX_REPORT_MS + 1, 1e9])
def test_no_latency_counts_for_more_than_ten_seconds(latency: float) -> None:
    assert heard([latency]) == MAX_REPORT_MS
