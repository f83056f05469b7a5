"""Verdict on the figures: each check, whether it holds, and the outcome in words."""

from __future__ import annotations

from msgspec import Struct

from sightline.stress.figures import Figures, Sample

FAIR = 0.99
STARVED = 0.5
"""Share of the mean number of results below which a stream is starved."""
STALLED_S = 5.0
"""Seconds without a result after which a stream is starved."""
ON_TIME = 0.95
"""Share of the planned load that must have been offered; with less, nothing was measured."""
SATURATED = 0.1
"""Share of frames without a result above which a load is beyond capacity."""
HOLDS = 0.05
"""Share by which throughput may change beyond capacity."""
PUNCTUAL = 0.05
"""Share of frames sent late above which the machine was too busy for a statement about the server."""
GROWTH_MB = 64.0
GROWTH = 1.25
"""Memory may grow by GROWTH_MB or by this factor from the first quarter to the last."""


class Goal(Struct, frozen=True):
    """Limits for latency and drops; None sets no limit."""

    p95_ms: float | None = None
    lost: float | None = None
    """Share of sent frames without a result, 0 to 1."""


class Check(Struct, frozen=True):
    """Outcome of one check."""

    name: str
    ok: bool
    words: str


class Verdict(Struct, frozen=True):
    """Outcome of all checks together."""

    ok: bool
    words: str
    checks: list[Check]


def verdict(found: Figures, goal: Goal) -> Verdict:
    """Judge one run."""
    checks = [_ledger(found), _connections(found), _schedule(found), _fairness(found), _starved(found), _memory(found)]
    if goal.p95_ms is not None:
        words = f"p95 from sending to the result was {found.latency.p95:.0f} ms, the target {goal.p95_ms:g}"
        checks.append(Check("latency", bool(found.delivered) and found.latency.p95 <= goal.p95_ms, words))
    if goal.lost is not None:
        words = f"{found.lost_share:.1%} of the frames had no result, at most {goal.lost:.1%} may"
        checks.append(Check("drops", found.lost_share <= goal.lost, words))
    return conclude(checks)


def conclude(checks: list[Check]) -> Verdict:
    """Combine checks into a verdict."""
    bad = [check.words for check in checks if not check.ok]
    words = "Good: everything that was checked holds." if not bad else "Bad: " + "; ".join(bad) + "."
    return Verdict(not bad, words, checks)


def sweep_verdict(runs: list[Figures], goal: Goal) -> Verdict:
    """Judge a sweep: the server's capacity, and how it behaves at and beyond it."""
    checks = [_capacity(runs, goal), _holds(runs)]
    for name, judge in (
        ("ledger", _ledger),
        ("answers", _connections),
        ("fairness", _fairness),
        ("starvation", _starved),
        ("memory", _memory),
    ):
        found = [(run, judge(run)) for run in runs]
        bad = [f"at {run.offered:.0f} frames/s {check.words}" for run, check in found if not check.ok]
        checks.append(Check(name, not bad, bad[0] if bad else f"well at each of the {len(runs)} loads"))
    return conclude(checks)


def _capacity(runs: list[Figures], goal: Goal) -> Check:
    goals = [f"p95 {goal.p95_ms:g} ms" if goal.p95_ms is not None else ""]
    goals += [f"{goal.lost:.1%} without a result" if goal.lost is not None else ""]
    aim = " and ".join(filter(None, goals))
    carried = [run for run in runs if within(run, goal)]
    if not carried:
        return Check("capacity", False, f"even {runs[0].offered:.0f} frames/s were too much for {aim}: begin with less")
    best = max(carried, key=lambda run: run.offered)
    words = f"the server carried {best.offered:.0f} frames/s within {aim}"
    broke = [run for run in runs if not within(run, goal)]
    if not broke:
        return Check("capacity", True, words + ", and no load was too much")
    first = broke[0]
    return Check(
        "capacity",
        True,
        f"{words}; at {first.offered:.0f} p95 was {first.latency.p95:.0f} ms and {first.lost_share:.1%} had no result",
    )


def _holds(runs: list[Figures]) -> Check:
    """Check that more load beyond capacity does not mean less work."""
    saturated = [run for run in runs if run.lost_share > SATURATED]
    if len(saturated) < 2:
        return Check("throughput", True, "the load never went far beyond capacity: how throughput holds was not seen")
    saturated = [run for run in saturated if run.late <= PUNCTUAL * run.sent]
    if len(saturated) < 2:
        words = "beyond capacity frames were sent late: this machine was too busy to see how throughput holds"
        return Check("throughput", True, words)
    rates = [run.throughput for run in saturated]
    change = (max(rates) - min(rates)) / max(rates)
    words = (
        f"from {saturated[0].offered:.0f} to {saturated[-1].offered:.0f} frames/s offered, beyond capacity, "
        f"throughput was {min(rates):.0f} to {max(rates):.0f} frames/s: "
        f"a change of {change:.1%}, less than {HOLDS:.0%} is allowed"
    )
    return Check("throughput", change < HOLDS, words)


def within(found: Figures, goal: Goal) -> bool:
    """Whether latency and drops meet the goal."""
    slow = goal.p95_ms is not None and found.latency.p95 > goal.p95_ms
    lossy = goal.lost is not None and found.lost_share > goal.lost
    return bool(found.delivered) and not slow and not lossy


def _ledger(found: Figures) -> Check:
    crooked = sum(not sample.balanced for sample in found.samples)
    if found.ledger or crooked:
        more = f" and {len(found.ledger) - 1} more" if len(found.ledger) > 1 else ""
        words = (found.ledger[0] + more) if found.ledger else f"the ledger did not balance in {crooked} samples"
    else:
        words = (
            f"the server's ledger balanced in all {len(found.samples)} samples, and at the end "
            f"it was what the publishers saw of {found.sent} frames"
        )
    return Check("ledger", not found.ledger and not crooked, words)


def _connections(found: Figures) -> Check:
    errors = [*(s.error for s in found.streams if s.error), *(v.error for v in found.viewers if v.error)]
    refused = sum(found.refused.values())
    if errors:
        words = f"{len(errors)} of the connections ended early: {errors[0]}"
    elif found.unanswered or refused:
        words = f"{found.unanswered} frames had no answer, {refused} were refused"
    else:
        words = "every frame had its answer and no connection ended early"
    return Check("answers", not errors and not found.unanswered and not refused, words)


def _schedule(found: Figures) -> Check:
    planned = found.streams_planned * found.fps
    words = (
        f"{found.offered:.0f} of {planned:g} frames/s were offered, {found.late} of {found.sent} late "
        f"(by {found.lateness.p95:.0f} ms at p95)"
    )
    ok = found.sent == found.planned and found.offered >= ON_TIME * planned
    return Check("schedule", ok, words if ok else words + ", so this machine could not send as planned")


def _fairness(found: Figures) -> Check:
    words = f"fairness (Jain) was {found.fairness:.4f}, at least {FAIR} is fair"
    return Check("fairness", found.fairness >= FAIR, words)


def _starved(found: Figures) -> Check:
    mean = found.delivered / len(found.streams)
    patience = min(STALLED_S, found.duration_s / 2)
    starved = [s for s in found.streams if s.delivered < STARVED * mean or s.longest_gap_s > patience or not mean]
    gap = max(s.longest_gap_s for s in found.streams)
    if starved:
        worst = max(starved, key=lambda s: s.longest_gap_s)
        words = (
            f"{len(starved)} of {len(found.streams)} streams starved: {worst.name} had {worst.delivered} results "
            f"(the mean was {mean:.0f}) and none for {worst.longest_gap_s:.1f} s"
        )
    else:
        words = f"no stream starved: the longest time without a result was {gap:.2f} s"
    return Check("starvation", not starved, words)


def _memory(found: Figures) -> Check:
    samples = found.samples
    if len(samples) < 8:
        return Check("memory", True, "the run was too short to say whether memory grows")
    quarter = len(samples) // 4
    before, after = _highest(samples[:quarter]), _highest(samples[-quarter:])
    grew = after - before > GROWTH_MB and after > before * GROWTH
    words = f"the server's memory went from {before:.0f} MB in the first quarter to {after:.0f} MB in the last"
    return Check("memory", not grew, words)


def _highest(samples: list[Sample]) -> float:
    return max(sample.ram_mb for sample in samples)
