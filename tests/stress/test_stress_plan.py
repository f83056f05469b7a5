"""Schedules are exact, and what can't be done is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import ConfigError
from sightline.stress.plan import StressPlan


@given(st.integers(1, 256), st.floats(0.1, 240), st.floats(1, 60))
def test_a_schedule_is_absolute_and_ends_in_time(streams: int, fps: float, duration: float) -> None:
    plan = StressPlan(streams, fps, duration)
    schedule = plan.schedule(streams - 1)
    assert schedule.frames == max(1, round(fps * duration))
    assert schedule.due(0) < 1 / fps
    # No sum of steps: frame 10,000 is as exact as the first.
    assert schedule.due(10_000) - schedule.due(0) == pytest.approx(10_000 / fps)
    assert schedule.due(schedule.frames - 1) <= duration + 1 / fps


def test_streams_take_turns() -> None:
    plan = StressPlan(4, 10, 2)
    due = sorted(plan.schedule(i).due(seq) for i in range(4) for seq in range(20))
    assert due == pytest.approx([k / 40 for k in range(80)])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((0, 20, 30), "--streams 0: expected 1 to 256"),
        ((8, 0, 30), "--fps 0: expected 0.1 to 240"),
        ((8, 20, float("nan")), "--duration nan"),
        ((8, 20, 30, -1), "--viewers -1"),
    ],
)
def test_what_cannot_be_done_is_refused(given: tuple[int, float, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        StressPlan(*given)
