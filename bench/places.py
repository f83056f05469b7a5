"""Places compared: a model in a thread of the server and in a process of its own, in turns.

Each round starts a server, lets so many cameras of 30 frames/s skip what is not answered, and looks for some seconds at
the results a second, the CPU time of the server with its processes for each result, the server's p95 from arrival to
result, and how long ``GET /health`` takes (p99): it needs nothing but the event loop, so it shows how long that one is
kept. ``--cores`` pins the server, so that 1 and 2 cores can be compared on any machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
import psutil

from common import MODEL, Served, asset, child, clip_jpegs, family_cpu, save, serving
from peers import cameras

FIGURES = ("results_s", "cpu_ms", "p95_ms", "health_p99_ms")


def measured(server: Served, seconds: float) -> dict[str, float]:
    """The figures of some seconds."""
    health: list[float] = []
    before, spent, begun = server.get(), family_cpu(server.process), time.perf_counter()
    while time.perf_counter() - begun < seconds:
        asked = time.perf_counter()
        server.get("/health")
        health.append((time.perf_counter() - asked) * 1000)
        time.sleep(0.02)
    after, took = server.get(), time.perf_counter() - begun
    results = after["processed_frames"] - before["processed_frames"]
    latency = [s["latency_ms"]["p95"] for s in after["streams"].values()]
    return {
        "results_s": results / took,
        "cpu_ms": (family_cpu(server.process) - spent) / results * 1000,
        "p95_ms": statistics.median(latency),
        "health_p99_ms": float(np.percentile(health, 99)),
    }


def one(place: str, streams: int, args: argparse.Namespace, jpegs: list[bytes]) -> dict[str, float]:
    """One round with a server of its own."""
    with serving(
        "--model",
        args.model or str(asset(MODEL)),
        "--place",
        place,
        *(["--workers", str(args.workers)] if args.workers else []),
    ) as server:
        if args.cores:
            for process in (server.process, *server.process.children(recursive=True)):
                process.cpu_affinity(list(range(args.cores)))
        with child(cameras, server.ws, streams, 30.0, jpegs):
            server.until(lambda stats: stats["processed_frames"] >= 40 * streams**0.5)
            return measured(server, args.seconds)


def main() -> None:
    """Measure, print, write bench/results/places.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="an ONNX file (default: yolox_nano.onnx of the assets)")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--workers", type=int, help="instances (default: what the server chooses)")
    parser.add_argument("--cores", type=int, help="cores that the server may use (default: all)")
    args = parser.parse_args()
    jpegs = clip_jpegs()
    found: dict[str, Any] = {"busy_before": psutil.cpu_percent(2)}
    print("| streams | place | results/s | CPU ms a result | p95 ms | /health p99 ms |")
    print("|---|---|---|---|---|---|")
    for streams in args.streams:
        rounds: dict[str, list[dict[str, float]]] = {"thread": [], "process": []}
        for number in range(args.rounds):
            for place in ("thread", "process") if number % 2 == 0 else ("process", "thread"):
                rounds[place].append(one(place, streams, args, jpegs))
        medians = {p: {f: statistics.median(r[f] for r in made) for f in FIGURES} for p, made in rounds.items()}
        for place, row in medians.items():
            print(f"| {streams} | {place} | {' | '.join(f'{row[f]:.2f}' for f in FIGURES)} |")
        ratios = {f: medians["process"][f] / medians["thread"][f] for f in FIGURES}
        print(f"| {streams} | process / thread | {' | '.join(f'{ratios[f]:.2f}x' for f in FIGURES)} |", flush=True)
        found[str(streams)] = {"rounds": rounds, "medians": medians, "ratios": ratios}
    save("places", found)


if __name__ == "__main__":
    main()
