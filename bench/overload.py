"""Stability of latency when three times as many frames arrive as the model can process.

First a publisher that waits for its answers measures the model's pace. Then frames come at three times that pace,
whatever is answered, over as many streams as ``max_fps`` requires. Every ten seconds the script prints the server's own
latency (``/stats``, the last 512 frames), the publishers' latency from sending to result, and the server's memory. The
ledger is checked every second and, against the publishers' counts, at the end.

The verdict compares the publishers' p95 of the last ten seconds with that of the second ten, in milliseconds and in
frame times. These are the model's in the same window, so a machine with less time for it does not count as lag.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from typing import Any

import numpy as np

from common import MODEL, Served, asset, child, clip_jpegs, save, serving
from peers import flood, saturate

FACTOR = 3
MAX_FPS = 240
FLAT = 2
"""Maximum growth of p95, in frame times, that counts as flat. A queue would multiply it by hundreds."""


def pace(server: Served, jpegs: list[bytes], seconds: float = 5) -> float:
    """Frames per second that the model can process."""
    with child(saturate, server.ws, 1, 0, jpegs):
        begun = server.until(lambda stats: stats["processed_frames"] >= 50)["processed_frames"]
        time.sleep(seconds)
        done = server.get()["processed_frames"]
    server.until(lambda stats: all(s["state"] == "waiting" for s in stats["streams"].values()))
    return float(done - begun) / seconds


def unbalanced(stats: Any) -> list[str]:
    """Streams whose ledger does not balance."""
    return [
        f"{name}: {s}"
        for name, s in stats["streams"].items()
        if s["received"] != s["delivered"] + sum(s["dropped"].values()) + s["failed"] + s["in_flight"]
    ]


def ledgers(stats: Any) -> Counter[tuple[str, str]]:
    """Number of frames by stream and outcome."""
    told: Counter[tuple[str, str]] = Counter()
    for name, s in stats["streams"].items():
        told.update({(name, "result"): s["delivered"], (name, "failed"): s["failed"]})
        told.update({(name, reason): n for reason, n in s["dropped"].items()})
    return told


def percentiles(values: list[float]) -> tuple[float, float]:
    """p50 and p95 of the values."""
    p50, p95 = np.percentile(values or [0.0], (50, 95))
    return round(float(p50), 1), round(float(p95), 1)


def frame_times(row: dict[str, Any]) -> float:
    """The publishers' p95 in frame times."""
    return float(row["publisher"][1] * row["processed"] / 1000)


def main() -> None:
    """Measure, print progress, write bench/results/overload.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="an ONNX file (default: yolox_nano.onnx of the assets)")
    parser.add_argument("--engine", default="auto", choices=("auto", "onnx", "openvino"))
    parser.add_argument("--minutes", type=float, default=5)
    args = parser.parse_args()
    jpegs = clip_jpegs()
    rows: list[dict[str, Any]] = []
    samples = 0
    with serving(
        "--model", args.model or str(asset(MODEL)), "--engine", args.engine, max_fps=MAX_FPS, max_pending=16
    ) as server:
        fps = pace(server, jpegs)
        streams = math.ceil(FACTOR * fps / MAX_FPS)
        print(f"the model does {fps:.0f} frames/s; sending {FACTOR * fps:.0f} over {streams} streams\n")
        print("| s | received/s | processed/s | server p50, p95 ms | publisher p50, p95 ms | frame times | memory MB |")
        print("|---|---|---|---|---|---|---|")
        before = ledgers(server.get())
        with child(flood, server.ws, streams, FACTOR * fps / streams, args.minutes * 60, jpegs) as publishers:
            last = server.get()
            while True:
                while not publishers.poll(1):
                    samples += 1
                    if wrong := unbalanced(server.get()):
                        sys.exit(f"the ledger does not balance: {wrong}")
                told = publishers.recv()
                if told and isinstance(told[0], dict):
                    answers = told
                    break
                stats = server.get()
                latency = [s["latency_ms"] for s in stats["streams"].values() if s["state"] == "live"]
                rows.append(
                    {
                        "s": 10 * len(rows) + 10,
                        "received": (stats["total_frames"] - last["total_frames"]) / 10,
                        "processed": (stats["processed_frames"] - last["processed_frames"]) / 10,
                        "server": [max(found[p] for found in latency) for p in ("p50", "p95")],
                        "publisher": percentiles(told),
                        "rss_mb": round(server.rss_mb(), 1),
                    }
                )
                last = stats
                row = rows[-1]
                shown = [", ".join(f"{ms:.1f}" for ms in row[side]) for side in ("server", "publisher")]
                print(
                    f"| {row['s']} | {row['received']:.0f} | {row['processed']:.0f} "
                    f"| {shown[0]} | {shown[1]} | {frame_times(row):.1f} | {row['rss_mb']} |",
                    flush=True,
                )
        stats = server.get()
    counted = Counter({(f"bench-{i}", kind): n for i, found in enumerate(answers) for kind, n in found.items()})
    exact = not unbalanced(stats) and +(ledgers(stats) - before) == counted
    in_ms = rows[-1]["publisher"][1] / rows[1]["publisher"][1]
    ratio = frame_times(rows[-1]) / frame_times(rows[1])
    print(
        f"\np95 of the last ten seconds is {in_ms:.2f} times that of the second ten, {ratio:.2f} in frame times: ",
        end="",
    )
    print("flat" if ratio <= FLAT else "NOT flat")
    print(f"ledger: balanced at all {samples} samples; at the end it ", end="")
    print("is what the publishers counted" if exact else f"is NOT what the publishers counted: {counted} {stats}")
    save("overload", {"pace": fps, "streams": streams, "windows": rows, "in_ms": in_ms, "ratio": ratio, "exact": exact})


if __name__ == "__main__":
    main()
