"""From what processes and server tell to figures and a verdict: every frame counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sightline.stress.figures import Figures, Sample, balanced, figures, jain, ledger_errors, spread
from sightline.stress.plan import Published, StressPlan
from sightline.stress.verdict import Goal, sweep_verdict, verdict

PLAN = StressPlan(2, 10, 10)


def published(name: str, results: int = 90, replaced: int = 10, *, first_s: float = 0.0, ms: float = 20.0) -> Published:
    """A publisher of 10 frames/s; its results come first, then its drops."""
    sent = [seq / 10 for seq in range(results + replaced)]
    answered = [max(s, first_s) + ms / 1000 for s in sent]
    return Published(
        stream=name,
        sent_s=sent,
        late_ms=[0.5] * len(sent),
        result_s=answered[:results],
        latency_ms=[ms] * results,
        server_ms=[ms / 2] * results,
        dropped_s=answered[results:],
        reused=0,
        dropped={"replaced": replaced} if replaced else {},
        refused={},
        unanswered=0,
        twice=0,
        cpu_s=0.1,
    )


def stats(*seen: Published) -> dict[str, Any]:
    """The figures of a server that agrees."""
    return {
        "model": "motion",
        "engine": None,
        "streams": {
            one.stream: {
                "received": len(one.sent_s),
                "delivered": len(one.result_s),
                "failed": 0,
                "dropped": dict(one.dropped),
                "in_flight": 0,
            }
            for one in seen
        },
    }


def samples(ram: list[float]) -> list[Sample]:
    return [Sample(s / 2, 50.0, mb, True) for s, mb in enumerate(ram)]


def made(*seen: Published, ram: list[float] | None = None, told: dict[str, Any] | None = None) -> Figures:
    return figures(
        PLAN,
        seen,
        [],
        samples([100.0] * 20 if ram is None else ram),
        stats(*seen) if told is None else told,
        transport="tcp",
        picture_bytes=30_000,
    )


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_jain_is_between_one_nth_and_one(values: list[float]) -> None:
    index = jain(values)
    assert index == 0 or 1 / len(values) - 1e-9 <= index <= 1 + 1e-9


def test_jain_of_known_shares() -> None:
    assert jain([5, 5, 5, 5]) == 1
    assert jain([8, 0, 0, 0]) == 0.25
    assert jain([0, 0]) == 0


def test_figures_add_up() -> None:
    found = made(published("a"), published("b", 80, 20))
    assert (found.planned, found.sent, found.delivered, found.dropped) == (200, 200, 170, {"replaced": 30})
    assert found.lost_share == pytest.approx(0.15)
    assert found.throughput == 17.0
    assert found.offered == pytest.approx(20, rel=0.01)
    assert sum(s.sent for s in found.seconds) == 200
    assert sum(s.delivered for s in found.seconds) == 170
    assert sum(s.dropped for s in found.seconds) == 30
    assert found.latency == spread([20.0] * 170)
    assert found.latency.max == 20.0
    assert found.ledger == []
    assert verdict(found, Goal()).ok


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"received": 101}, "received is not the sum"),
        ({"delivered": 89, "in_flight": 1}, "the server counts 89 delivered, the publisher 90"),
        ({"dropped": {"replaced": 9, "rate": 1}}, "the server counts 1 rate, the publisher 0"),
        ({"failed": 1, "delivered": 89}, "the server counts 1 failed, the publisher 0"),
    ],
)
def test_one_frame_off_is_found(change: dict[str, Any], said: str) -> None:
    one = published("a")
    told = stats(one)
    told["streams"]["a"] |= change
    assert any(said in wrong for wrong in ledger_errors([one], told))
    assert not verdict(made(one, told=told), Goal()).ok


def test_a_second_answer_and_an_unknown_stream_are_found() -> None:
    one, other = published("a"), published("b")
    one.twice = 1
    told = stats(one)
    assert ledger_errors([one, other], told) == [
        "a: 1 answers to frames that had theirs",
        "b: the server does not know it",
    ]


def test_a_failed_frame_is_balanced() -> None:
    one = published("a", 90, 0)
    one.dropped = {"failed": 10}
    one.sent_s += [9.0] * 10
    told = stats(one)
    told["streams"]["a"] |= {"failed": 10, "dropped": {}}
    assert balanced(told["streams"]["a"])
    assert ledger_errors([one], told) == []


def failing(found: Figures, goal: Goal | None = None) -> list[str]:
    return [check.name for check in verdict(found, goal or Goal()).checks if not check.ok]


def test_what_is_wrong_is_named() -> None:
    well = published("a")
    assert failing(made(well, published("b", 20, 80))) == ["fairness", "starvation"]
    assert failing(made(well, published("b", 95, 5, first_s=6))) == ["starvation"]
    assert failing(made(well, published("b"), ram=[100 + 10 * s for s in range(20)])) == ["memory"]
    assert failing(made(well, published("b"), ram=[100.0, 900.0] * 10)) == []
    unanswered = published("b", 90, 9)
    unanswered.sent_s.append(9.9)
    unanswered.unanswered = 1
    assert "answers" in failing(made(well, unanswered))
    short = published("b", 50, 5)
    assert "schedule" in failing(made(well, short))
    lost = published("b")
    lost.error = "the connection was lost"
    assert failing(made(well, lost)) == ["answers"]
    unbalanced = made(well, published("b"))
    unbalanced.samples[3] = Sample(1.5, 50, 100, False)
    assert failing(unbalanced) == ["ledger"]


def test_goals_are_only_for_who_asks() -> None:
    found = made(published("a", ms=150), published("b", ms=150))
    assert failing(found) == []
    assert failing(found, Goal(p95_ms=100)) == ["latency"]
    assert failing(found, Goal(lost=0.05)) == ["drops"]
    assert failing(found, Goal(p95_ms=200, lost=0.2)) == []


def load(rate: int, delivered: int) -> Figures:
    """One stream of a sweep, 10 s of ``rate`` frames a second."""
    one = published("a", delivered, rate * 10 - delivered)
    one.sent_s = [seq / rate for seq in range(rate * 10)]
    one.result_s = [10 * i / delivered for i in range(delivered)]
    return figures(
        StressPlan(1, rate, 10), [one], [], samples([100.0] * 20), stats(one), transport="tcp", picture_bytes=30_000
    )


def test_a_sweep_tells_capacity_and_whether_throughput_holds() -> None:
    goal = Goal(p95_ms=100, lost=0.01)
    steady = sweep_verdict([load(20, 200), load(30, 300), load(45, 380), load(68, 384)], goal)
    assert steady.ok, steady.words
    assert "carried 30 frames/s" in steady.checks[0].words
    falling = sweep_verdict([load(20, 200), load(30, 300), load(45, 380), load(68, 340)], goal)
    assert [check.name for check in falling.checks if not check.ok] == ["throughput"]
    loads = [load(20, 200), load(30, 300), load(45, 380), load(68, 340)]
    loads[-1] = replace(loads[-1], late=loads[-1].sent // 10)
    busy = sweep_verdict(loads, goal)
    assert busy.ok
    assert "too busy" in busy.checks[1].words
    too_much = sweep_verdict([load(45, 380), load(68, 384)], goal)
    assert [check.name for check in too_much.checks if not check.ok] == ["capacity"]
