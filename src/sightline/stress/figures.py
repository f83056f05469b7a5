"""Figures of a run, per stream, per second and overall, computed from the reports of the processes and the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct

from sightline.stress.plan import Published, StressPlan, Viewed

LATE_MS = 10.0
"""Delay in ms after which a sent frame counts as late."""


class LatencySpread(Struct, frozen=True):
    """Percentiles in milliseconds; zeros if there were no values."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0


class Sample(Struct, frozen=True):
    """The server's load and ledger in ``/stats``, ``s`` seconds after the start."""

    s: float
    cpu: float
    """CPU use in percent of one core."""
    ram_mb: float
    balanced: bool


class Second(Struct, frozen=True):
    """Counts and latency in one second, all streams together."""

    s: int
    sent: int
    delivered: int
    dropped: int
    latency: LatencySpread


class StreamFigures(Struct, frozen=True):
    """Figures of one stream. sent = delivered + dropped + refused + unanswered."""

    name: str
    planned: int
    sent: int
    late: int
    """Frames sent more than LATE_MS after their time."""
    delivered: int
    reused: int
    """Delivered frames whose result is that of an earlier frame that looked the same."""
    dropped: dict[str, int]
    refused: dict[str, int]
    unanswered: int
    latency: LatencySpread
    """Time from sending to the result, as the publisher measured it."""
    server: LatencySpread
    """Time from arrival to the result, as the server reports it."""
    longest_gap_s: float
    """Longest time without a result in seconds, counted from the start."""
    error: str


class ViewerFigures(Struct, frozen=True):
    """Figures of one viewer."""

    stream: str
    seen: int
    skipped: int
    latency: LatencySpread
    """Time from the publisher's sending to the viewer."""
    error: str


class Figures(Struct, frozen=True):
    """Figures of one run of one plan."""

    streams_planned: int
    fps: float
    duration_s: float
    transport: str
    model: str
    engine: str
    picture_bytes: int
    """Average size of a frame."""
    offered: float
    """Frames sent per second."""
    throughput: float
    """Results per second within the planned time."""
    planned: int
    sent: int
    delivered: int
    reused: int
    dropped: dict[str, int]
    refused: dict[str, int]
    unanswered: int
    late: int
    lateness: LatencySpread
    latency: LatencySpread
    server: LatencySpread
    fairness: float
    streams: list[StreamFigures]
    viewers: list[ViewerFigures]
    seconds: list[Second]
    samples: list[Sample]
    clients_cpu: float
    """CPU use of publishers and viewers in percent of one core; a server on this machine did not have that."""
    ledger: list[str]
    """Differences within the server's ledger, or between it and the publishers' counts; empty if all is well."""

    @property
    def lost_share(self) -> float:
        """Share of sent frames without a result; 0 to 1."""
        return 1 - self.delivered / self.sent if self.sent else 0.0


def spread(values: Sequence[float]) -> LatencySpread:
    """Percentiles and maximum of values in milliseconds."""
    if not values:
        return LatencySpread()
    p50, p95, p99, most = np.percentile(np.asarray(values), (50, 95, 99, 100))
    return LatencySpread(*(round(float(ms), 2) for ms in (p50, p95, p99, most)))


def jain(values: Iterable[float]) -> float:
    """Jain's fairness index: 1 if all are equal, 1/n if one has everything."""
    found = [float(v) for v in values]
    squares = sum(v * v for v in found)
    return sum(found) ** 2 / (len(found) * squares) if squares else 0.0


def figures(
    plan: StressPlan,
    published: Sequence[Published],
    viewed: Sequence[Viewed],
    samples: list[Sample],
    stats: dict[str, Any],
    *,
    transport: str,
    picture_bytes: int,
) -> Figures:
    """Combine the reports. ``stats`` is the server's, taken when every frame had its answer."""
    streams = [_stream(plan, seen) for seen in published]
    sent_s = [s for seen in published for s in seen.sent_s]
    in_time = sum(s <= plan.duration for seen in published for s in seen.result_s)
    engine = stats.get("engine") or {}
    # Each frame stands for the time until the next one, and so does the last.
    span = max(sent_s, default=0.0) + 1 / plan.offered
    return Figures(
        streams_planned=plan.streams,
        fps=plan.fps,
        duration_s=plan.duration,
        transport=transport,
        model=str(stats.get("model", "")),
        engine=f"{engine.get('name', '')} {engine.get('device', '')}".strip(),
        picture_bytes=picture_bytes,
        offered=round(len(sent_s) / span, 2),
        throughput=round(in_time / plan.duration, 2),
        planned=plan.frames * plan.streams,
        sent=len(sent_s),
        delivered=sum(s.delivered for s in streams),
        reused=sum(s.reused for s in streams),
        dropped=_sum(s.dropped for s in streams),
        refused=_sum(s.refused for s in streams),
        unanswered=sum(s.unanswered for s in streams),
        late=sum(s.late for s in streams),
        lateness=spread([ms for seen in published for ms in seen.late_ms]),
        latency=spread([ms for seen in published for ms in seen.latency_ms]),
        server=spread([ms for seen in published for ms in seen.server_ms]),
        fairness=round(jain(s.delivered for s in streams), 5),
        streams=streams,
        viewers=[ViewerFigures(v.stream, v.seen, v.skipped, spread(v.latency_ms), v.error) for v in viewed],
        seconds=_seconds(published),
        samples=samples,
        clients_cpu=round(100 * (sum(p.cpu_s for p in published) + sum(v.cpu_s for v in viewed)) / span, 1),
        ledger=ledger_errors(published, stats),
    )


def _stream(plan: StressPlan, seen: Published) -> StreamFigures:
    times = [0.0, *sorted(seen.result_s), max(plan.duration, *seen.result_s, 0.0)]
    return StreamFigures(
        name=seen.stream,
        planned=plan.frames,
        sent=len(seen.sent_s),
        late=sum(ms > LATE_MS for ms in seen.late_ms),
        delivered=len(seen.result_s),
        reused=seen.reused,
        dropped=seen.dropped,
        refused=seen.refused,
        unanswered=seen.unanswered,
        latency=spread(seen.latency_ms),
        server=spread(seen.server_ms),
        longest_gap_s=round(max(b - a for a, b in pairwise(times)), 3),
        error=seen.error,
    )


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)


def _seconds(published: Sequence[Published]) -> list[Second]:
    sent = Counter(int(s) for seen in published for s in seen.sent_s)
    dropped = Counter(int(s) for seen in published for s in seen.dropped_s)
    latency: dict[int, list[float]] = {}
    for seen in published:
        for s, ms in zip(seen.result_s, seen.latency_ms, strict=True):
            latency.setdefault(int(s), []).append(ms)
    last = max([*sent, *dropped, *latency], default=-1)
    return [
        Second(s, sent[s], len(latency.get(s, ())), dropped[s], spread(latency.get(s, ()))) for s in range(last + 1)
    ]


def balanced(stream: dict[str, Any]) -> bool:
    """Whether a stream's figures in ``/stats`` add up."""
    ended = stream["delivered"] + sum(stream["dropped"].values()) + stream["failed"]
    return bool(stream["received"] == ended + stream["in_flight"])


def ledger_errors(published: Sequence[Published], stats: dict[str, Any]) -> list[str]:
    """Differences within the server's final ledger, and between it and what the publishers saw, frame for frame."""
    wrong: list[str] = []
    for seen in published:
        told = stats.get("streams", {}).get(seen.stream)
        if told is None:
            wrong.append(f"{seen.stream}: the server does not know it")
            continue
        if not balanced(told):
            wrong.append(f"{seen.stream}: {told['received']} received is not the sum of what became of them")
        if seen.twice:
            wrong.append(f"{seen.stream}: {seen.twice} answers to frames that had theirs")
        dropped = {reason: n for reason, n in told["dropped"].items() if n}
        server = {"received": told["received"], "delivered": told["delivered"], "failed": told["failed"], **dropped}
        ours = {
            "received": len(seen.sent_s) - sum(seen.refused.values()),
            "delivered": len(seen.result_s),
            "failed": 0,
            **seen.dropped,
        }
        for what in sorted(server.keys() | ours.keys()):
            theirs, mine = server.get(what, 0), ours.get(what, 0)
            if theirs != mine:
                wrong.append(f"{seen.stream}: the server counts {theirs} {what}, the publisher {mine}")
    return wrong
