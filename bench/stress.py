"""Issue-sized load: 16 publishers of real 640x360 JPEG over TCP, at 30 frames/s and far beyond what the model can do.

One server for each model. First a run at 30 frames/s with all checks of `sightline stress`; then loads beyond capacity
in turns, several rounds, because machines are never quiet: throughput at each is the median of its rounds. Beside it
stands what the server did with a second of its own CPU, which others on the machine change less.
"""

from __future__ import annotations

import argparse
import asyncio
from statistics import median
from typing import Any

import msgspec

from common import MODEL, asset, save
from sightline.stress.figures import Figures
from sightline.stress.pictures import jpegs
from sightline.stress.plan import Plan
from sightline.stress.run import Load, run
from sightline.stress.server import started, wait_ready
from sightline.stress.verdict import Goal, verdict

CLIP = "videos/bottle-detection.mp4"
STREAMS = 16
BEYOND = {"motion": (60, 90, 120), "yolox_nano": (15, 30, 60)}
"""Frames a second of each stream, all of them too many."""


def mean_cpu(found: Figures) -> float:
    """Percent of a core, over the run."""
    return sum(sample.cpu for sample in found.samples) / max(1, len(found.samples))


def row(found: Figures) -> str:
    """One line of a table."""
    ms, ram = found.latency, [sample.ram_mb for sample in found.samples]
    return (
        f"| {found.offered:.0f} | {found.throughput:.1f} | {found.lost_share:.1%} | {ms.p50:.1f}, {ms.p95:.1f}, "
        f"{ms.p99:.1f} | {found.fairness:.4f} | {mean_cpu(found):.0f} | {found.clients_cpu:.0f} "
        f"| {ram[0]:.0f}, {max(ram):.0f} | {found.late / found.sent:.1%} |"
    )


async def measure(name: str, options: list[str], seconds: float, rounds: int) -> dict[str, Any]:
    """One model."""
    async with started(*options, tcp=True) as server:
        await wait_ready(server)
        load = Load(server, jpegs(str(asset(CLIP))), lambda _words: None)
        steady = await run(load, Plan(STREAMS, 30, seconds))
        judged = verdict(steady, Goal())
        print(
            f"\n{name}: {judged.words}\n\n| offered/s | delivered/s | no result | p50, p95, p99 ms | fairness ", end=""
        )
        print("| server's CPU % | clients' CPU % | memory MB: first, most | late |\n" + "|---" * 9 + "|")
        print(row(steady), flush=True)
        turns: dict[int, list[Figures]] = {fps: [] for fps in BEYOND[name]}
        for _ in range(rounds):
            for fps, found in turns.items():
                found.append(await run(load, Plan(STREAMS, fps, seconds / 3)))
                print(row(found[-1]), flush=True)
    rates = {fps: median(one.throughput for one in found) for fps, found in turns.items()}
    work = {fps: median(100 * one.throughput / mean_cpu(one) for one in found) for fps, found in turns.items()}
    exact = all(not one.ledger and not one.unanswered for found in turns.values() for one in found)
    for what, told in (("results/s", rates), ("results for a second of the server's CPU", work)):
        least, most = min(told.values()), max(told.values())
        print(f"{what}: " + ", ".join(f"{STREAMS * fps} offered: {value:.1f}" for fps, value in told.items()), end="")
        print(f"; change {(most - least) / most:.1%}", flush=True)
    print("ledger exact at every load" if exact else "LEDGER NOT EXACT")
    return {"verdict": msgspec.to_builtins(judged), "throughput": rates, "per_cpu_second": work, "exact": exact}


def main() -> None:
    """Measure, print as it goes, write bench/results/stress.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="of the run at 30 frames/s; the others take a third")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=BEYOND)
    args = parser.parse_args()
    models = {"motion": ["--model", "motion"], "yolox_nano": ["--model", str(asset(MODEL))]}
    results = {
        name: asyncio.run(measure(name, options, args.seconds, args.rounds))
        for name, options in models.items()
        if args.only in (None, name)
    }
    save("stress", results)


if __name__ == "__main__":
    main()
