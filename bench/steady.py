"""A load that the machine can carry: over minutes, and spread over 1 to 64 streams.

First some cameras send by the clock for minutes. The publishers' p95 of each ten seconds and the server's memory, with
its processes, are printed; the first ten seconds warm up. Then the same number of frames a second comes from 1, 2, 4
... 64 streams in turn: how many had a result, and the CPU time for each. Goals: the last p95 at most 1.05 times the
first, memory at most 2 % above the first, 98 % kept whatever the number of streams, at most 1.15 times the CPU time of
the cheapest.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import psutil

from common import MODEL, Served, asset, child, clip_jpegs, family_cpu, save, serving
from peers import flood

WINDOW_S = 10
LATER, GROWN, KEPT, DEARER = 1.05, 1.02, 0.98, 1.15
MOST = 64


def memory_mb(server: Served) -> float:
    """Resident memory of the server and its processes."""
    processes = (server.process, *server.process.children(recursive=True))
    return sum(float(process.memory_info().rss) for process in processes) / 2**20


def over_minutes(server: Served, args: argparse.Namespace, jpegs: list[bytes]) -> list[dict[str, float]]:
    """Figures of every ten seconds but the first."""
    rows: list[dict[str, float]] = []
    print("| s | p95 ms | memory MB |\n|---|---|---|")
    seconds = max(3, round(args.minutes * 60 / WINDOW_S)) * WINDOW_S
    with child(flood, server.ws, args.streams, args.fps, seconds + 1.0, jpegs) as publishers:
        for window in range(seconds // WINDOW_S):
            times = publishers.recv()
            if window == 0:
                continue
            row = {"s": (window + 1.0) * WINDOW_S, "p95_ms": float(np.percentile(times, 95))}
            rows.append(row | {"memory_mb": memory_mb(server)})
            print(f"| {row['s']:.0f} | {row['p95_ms']:.1f} | {rows[-1]['memory_mb']:.1f} |", flush=True)
        publishers.recv()
    return rows


def spread_out(server: Served, total: float, seconds: float, jpegs: list[bytes]) -> list[dict[str, float]]:
    """Share of frames with a result, and CPU milliseconds for each, by number of streams."""
    rows: list[dict[str, float]] = []
    print("\n| streams | kept | CPU ms a result |\n|---|---|---|")
    for streams in (2**n for n in range(MOST.bit_length())):
        before, cpu = server.get()["processed_frames"], family_cpu(server.process)
        with child(flood, server.ws, streams, total / streams, seconds, jpegs) as publishers:
            while not isinstance((told := publishers.recv()), list) or (told and not isinstance(told[0], dict)):
                pass
        time.sleep(0.5)
        results = server.get()["processed_frames"] - before
        kept = sum(answers.get("result", 0) for answers in told) / max(1, sum(sum(a.values()) for a in told))
        spent = (family_cpu(server.process) - cpu) / max(1, results) * 1000
        rows.append({"streams": streams, "kept": kept, "cpu_ms": spent})
        print(f"| {streams} | {kept:.1%} | {spent:.2f} |", flush=True)
    return rows


def main() -> None:
    """Measure, print, write bench/results/steady.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a built-in model or an ONNX file (default: yolox_nano.onnx of the assets)")
    parser.add_argument("--minutes", type=float, default=5, help="of the first part")
    parser.add_argument("--streams", type=int, default=4, help="of the first part")
    parser.add_argument("--fps", type=float, default=15, help="of each of them")
    parser.add_argument("--total", type=float, default=64, help="frames a second of the second part")
    parser.add_argument("--seconds", type=float, default=10, help="of each number of streams")
    args = parser.parse_args()
    jpegs = clip_jpegs()
    found: dict[str, Any] = {"busy_before": psutil.cpu_percent(2)}
    with serving("--model", args.model or str(asset(MODEL)), max_fps=240, max_streams=MOST) as server:
        minutes = found["minutes"] = over_minutes(server, args, jpegs)
        spread = found["spread"] = spread_out(server, args.total, args.seconds, jpegs)
    first, last = minutes[0], minutes[-1]
    cheapest = min(row["cpu_ms"] for row in spread)
    goals = found["goals"] = {
        f"p95 at most {LATER} times the first": last["p95_ms"] <= LATER * first["p95_ms"],
        f"memory at most {GROWN} times the first": last["memory_mb"] <= GROWN * first["memory_mb"],
        f"at least {KEPT:.0%} kept": min(row["kept"] for row in spread) >= KEPT,
        f"CPU time at most {DEARER} times the cheapest": max(r["cpu_ms"] for r in spread) <= DEARER * cheapest,
    }
    print()
    for words, met in goals.items():
        print(f"{words}: {'met' if met else 'missed'}")
    save("steady", found)


if __name__ == "__main__":
    main()
