from __future__ import annotations

from sightline.core.backoff import Backoff


def test_waits_grow_up_to_a_bound_and_begin_anew() -> None:
    backoff = Backoff(0.5, 3)
    assert [backoff.wait_s() for _ in range(5)] == [0.5, 1, 2, 3, 3]
    assert backoff.tries == 5
    backoff.reset()
    assert (backoff.wait_s(), backoff.tries) == (0.5, 1)


def test_jitter_only_shortens() -> None:
    waits = [Backoff(8, 8, jitter=0.5).wait_s() for _ in range(200)]
    assert min(waits) < 5
    assert max(waits) > 7
    assert all(4 <= wait <= 8 for wait in waits)
