"""A controller that sees at a glance that all is well decides as one that weighs everything."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.streams.adaptive.controller import Controller, Seen
from sightline.streams.adaptive.knobs import Knobs

STEP_S = 0.25
MOST = Knobs(30, 0.5, 640)


class Thorough(Controller):
    """Weighs everything, always."""

    def _all_is_well(self, now: float, since: float) -> bool:
        return False


parts = st.tuples(
    st.integers(1, 16),  # quarters of a second that it lasts
    st.integers(0, 12),  # frames in each
    st.sampled_from([2.0, 20.0, 60.0, 90.0, 300.0]),  # milliseconds on the way
    st.sampled_from([0.0, 10.0, 80.0]),  # of waiting for the model
    st.sampled_from([5.0, 40.0, 120.0]),  # of the model
    st.sampled_from([None, 30.0, 400.0]),  # what a viewer reports
)


@settings(max_examples=150)
@given(st.lists(parts, min_size=1, max_size=8), st.booleans())
def test_it_decides_the_same(
    story: list[tuple[int, int, float, float, float, float | None]], clock_known: bool
) -> None:
    both = [kind(MOST, target_ms=100.0, now=0.0) for kind in (Controller, Thorough)]
    now = 0.0
    for quarters, frames, way_ms, queue_ms, work_ms, report_ms in story:
        for _ in range(quarters):
            for n in range(frames):
                at = now + n * STEP_S / frames
                late_ms = way_ms * (1 + n % 3)
                seen = Seen(at, at - late_ms / 1000, late_ms if clock_known else None, queue_ms, work_ms, False, 640)
                for one in both:
                    one.frame(seen)
            now += STEP_S
            for one in both:
                if report_ms is not None:
                    one.viewers(now, report_ms)
                one.step(now, busy=0.5)
            assert (both[0].knobs, both[0].reason, both[0].since) == (both[1].knobs, both[1].reason, both[1].since)
