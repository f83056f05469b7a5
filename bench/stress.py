"""Heavy load: 16 publishers of real 640x360 JPEG over TCP, at 30 frames/s and far beyond the model's capacity.

Each model gets its own server. First comes a run at 30 frames/s, each publisher a process, with all checks of
`sightline stress`. Then loads beyond capacity take turns of two seconds (60, 90, 120, 120, 90, 60 frames/s and so on)
over 16 connections that stay open. Other load on the machine changes from minute to minute, and throughput with it, but
two loads in a row meet the same conditions. Therefore each load is compared with the smallest of its own cycle, and the
median of all cycles counts. One process sends in this part, as the publishers' cost is not the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from statistics import median
from typing import Any

import msgspec
import numpy as np

from common import MODEL, asset, save
from sightline.client import Result, connect, links
from sightline.client.answers import Item
from sightline.client.homes import Homes
from sightline.core.errors import SightlineError
from sightline.stress.figures import Figures, balanced
from sightline.stress.pictures import jpegs
from sightline.stress.plan import StressPlan
from sightline.stress.run import Load, run
from sightline.stress.server import StressServer, started, wait_ready
from sightline.stress.verdict import Goal, verdict
from sightline.wire.requests import FrameHead

CLIP = "videos/bottle-detection.mp4"
STREAMS = 16
BEYOND = {"motion": (60, 90, 120), "yolox_nano": (15, 30, 60)}
"""Frames per second of each stream, all beyond capacity, by model."""
SLICE_S = 2.0
SETTLE_S = 0.3
"""Seconds at the start of each slice that don't count, as answers to the previous load still arrive."""
LATE_S = 0.01


def mean_cpu(found: Figures) -> float:
    """Mean CPU use over the run in percent of a core."""
    return sum(sample.cpu for sample in found.samples) / max(1, len(found.samples))


def row(found: Figures) -> str:
    """One line of a table."""
    ms, ram = found.latency, [sample.ram_mb for sample in found.samples]
    return (
        f"| {found.offered:.0f} | {found.throughput:.1f} | {found.lost_share:.1%} | {ms.p50:.1f}, {ms.p95:.1f}, "
        f"{ms.p99:.1f} | {found.fairness:.4f} | {mean_cpu(found):.0f} | {found.clients_cpu:.0f} "
        f"| {ram[0]:.0f}, {max(ram):.0f} | {found.late / found.sent:.1%} |"
    )


class Publisher:
    """One stream; the receiver of its link's callbacks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent = 0
        self.answered = 0
        self.results: list[float] = []
        """Time at which each result came."""

    def receive(self, answer: Item) -> None:
        """A result, or a notice that there is none."""
        self.answered += 1
        if isinstance(answer, Result):
            self.results.append(time.monotonic())

    def refused(self, error: SightlineError, seq: int | None) -> None:
        """End the benchmark."""
        raise error

    def lost(self, error: SightlineError) -> None:
        """Ignore the end of the connection."""

    def asked(self, wish: links.Wish) -> None:
        """Ignore requests for other pictures: the schedule is what is tested."""


async def offer(
    linked: list[tuple[Publisher, links.Link]], fps: float, pictures: list[bytes]
) -> tuple[float, float, list[int]]:
    """Run one slice. Returns results per second, the share of frames sent late, and the results of each stream."""
    begin, late = time.monotonic(), 0
    count = round(SLICE_S * fps * len(linked))
    for k in range(count):
        due = begin + k / (fps * len(linked))
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        late += time.monotonic() - due > LATE_S
        publisher, link = linked[k % len(linked)]
        head = FrameHead(publisher.name, publisher.sent, time.time() * 1000)
        await link.send(head, pictures[(publisher.sent + 19 * k) % len(pictures)])
        publisher.sent += 1
    await asyncio.sleep(begin + SLICE_S - time.monotonic())
    mine = [sum(at > begin + SETTLE_S for at in publisher.results) for publisher, _ in linked]
    return sum(mine) / (time.monotonic() - begin - SETTLE_S), late / count, mine


async def beyond(server: StressServer, loads: tuple[int, ...], cycles: int, pictures: list[bytes]) -> dict[str, Any]:
    """Loads in turns; throughput of each against the first one's of the same cycle."""
    address = links.Address(server.url)
    publishers = [Publisher(f"beyond-{i}") for i in range(STREAMS)]
    linked = [(one, await connect.publishing(Homes([address]), one.name)(one)) for one in publishers]
    rates: dict[int, list[float]] = {fps: [] for fps in loads}
    got = {fps: np.zeros(STREAMS) for fps in loads}
    late: dict[int, list[float]] = {fps: [] for fps in loads}
    await offer(linked, loads[0], pictures)
    for _ in range(cycles):
        cycle: dict[int, list[float]] = {fps: [] for fps in loads}
        for fps in (*loads, *loads[::-1]):
            rate, share, mine = await offer(linked, fps, pictures)
            cycle[fps].append(rate)
            late[fps].append(share)
            got[fps] += mine
        for fps, found in cycle.items():
            rates[fps].append(sum(found) / len(found))
    stats = await server.until("/stats", lambda found: _settled(found, publishers), 10)
    for _, link in linked:
        await link.close()
    exact = all(
        balanced(told := stats["streams"][one.name])
        and (told["received"], told["delivered"]) == (one.sent, len(one.results))
        and one.answered == one.sent
        for one in publishers
    )
    print("\n| offered/s | results/s (quartiles) | of the first, same cycle (95 % of medians) | fairness | late |")
    print("|---|---|---|---|---|")
    ratios = {}
    for fps in loads:
        q1, q2, q3 = np.percentile(rates[fps], (25, 50, 75))
        each = np.array(rates[fps]) / np.array(rates[loads[0]])
        ratios[fps] = float(np.median(each))
        low, high = _interval(each)
        fair = got[fps].sum() ** 2 / (STREAMS * (got[fps] ** 2).sum())
        print(
            f"| {STREAMS * fps} | {q2:.1f} ({q1:.1f} to {q3:.1f}) | {ratios[fps]:.3f} ({low:.3f} to {high:.3f}) "
            f"| {fair:.4f} | {median(late[fps]):.1%} |"
        )
    change = (max(ratios.values()) - min(ratios.values())) / max(ratios.values())
    print(f"change {change:.1%}; ledger {'exact' if exact else 'NOT EXACT'}", flush=True)
    return {"throughput": rates, "ratios": ratios, "change": change, "exact": exact}


def _settled(stats: dict[str, Any], publishers: list[Publisher]) -> bool:
    answered = all(one.answered == one.sent for one in publishers)
    return answered and all(stats["streams"][one.name]["in_flight"] == 0 for one in publishers)


def _interval(values: Any) -> tuple[float, float]:
    """Interval that contains 95 % of the medians of resampled values."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(values, (2000, len(values))), axis=1)
    low, high = np.percentile(medians, (2.5, 97.5))
    return float(low), float(high)


async def measure(name: str, options: list[str], seconds: float, cycles: int) -> dict[str, Any]:
    """Measure one model."""
    pictures = jpegs(str(asset(CLIP)))
    found: dict[str, Any] = {}
    async with started(*options, tcp=True) as server:
        await wait_ready(server)
        if seconds:
            steady = await run(Load(server, pictures, lambda _words: None), StressPlan(STREAMS, 30, seconds))
            judged = verdict(steady, Goal())
            print(f"\n{name}: {judged.words}\n")
            print("| offered/s | delivered/s | no result | p50, p95, p99 ms | fairness ", end="")
            print("| server's CPU % | clients' CPU % | memory MB: first, most | late |\n" + "|---" * 9 + "|")
            print(row(steady), flush=True)
            found["verdict"] = msgspec.to_builtins(judged)
        return found | await beyond(server, BEYOND[name], cycles, pictures)


def main() -> None:
    """Measure, print progress, write bench/results/stress.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="of the run at 30 frames/s; 0 leaves it out")
    parser.add_argument("--cycles", type=int, default=10, help="of 12 s each, beyond capacity")
    parser.add_argument("--only", choices=BEYOND)
    args = parser.parse_args()
    models = {"motion": ["--model", "motion"], "yolox_nano": ["--model", str(asset(MODEL))]}
    results = {
        name: asyncio.run(measure(name, options, args.seconds, args.cycles))
        for name, options in models.items()
        if args.only in (None, name)
    }
    save("stress", results)


if __name__ == "__main__":
    main()
