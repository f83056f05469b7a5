from __future__ import annotations

import time

import pytest

from sightline.core.metrics import Ledger, Rate, Smoothed, Spread, TokenBucket


def test_a_ledger_counts_what_is_settled() -> None:
    ledger = Ledger(received=5, delivered=2, failed=1)
    ledger.dropped["replaced"] += 1
    assert ledger.settled == 4


def test_a_rate_is_zero_without_events_and_positive_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rate = Rate()
    assert rate.value() == 0
    for _ in range(21):
        rate.tick()
        now += 0.1
    assert rate.value() == pytest.approx(20 / 2.1)
    now += 3.1
    assert rate.value() == 0


@pytest.mark.parametrize("interval", [2.0, 5.0, 60.0])
def test_the_rate_of_what_comes_rarely_is_that_of_its_interval(
    monkeypatch: pytest.MonkeyPatch, interval: float
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rate = Rate()
    for _ in range(3):
        now += 0.01
        rate.tick()
    assert rate.value() > 50
    for _ in range(2):
        now += interval
        rate.tick()
    for _ in range(3):
        now += interval
        rate.tick()
        assert rate.value() == pytest.approx(1 / interval)
        now += 0.9 * interval
        assert rate.value() == pytest.approx(1 / interval, rel=0.5)
        now -= 0.9 * interval
    now += 3 * max(1.0, interval) + 0.1
    assert rate.value() == 0, "it stopped"


def test_a_spread_gives_percentiles_of_the_last_values() -> None:
    spread = Spread()
    assert spread.percentiles() == {"p50": 0, "p95": 0, "p99": 0}
    for value in [1e6] * 600 + list(range(1, 513)):
        spread.add(float(value))
    assert spread.percentiles() == {"p50": 256.5, "p95": 486.45, "p99": 506.89}
    assert spread.last == 512


def test_smoothed_means_follow_slowly() -> None:
    means = Smoothed()
    means.add({"infer": 10.0})
    means.add({"infer": 20.0, "decode": 1.0})
    assert means.values() == {"infer": 11.0, "decode": 1.0}


def test_a_token_bucket_lets_the_rate_through(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    bucket = TokenBucket(10)
    passed = 0
    for _ in range(1000):
        passed += bucket.take()
        now += 0.01
    assert 100 <= passed <= 103
