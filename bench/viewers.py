"""Whether slow viewers harm a good one.

One camera, one viewer that reads as our page does; then the same with five viewers beside it that connect and never
read and one that reads 10 KB/s; both in turns. Goal: the good viewer gets at least 98 % of the pictures that it gets
alone.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack

from common import MODEL, Pipe, Served, asset, child, clip_jpegs, save, serving
from peers import camera, crawl, look, stall

GOAL = 0.98
STALLED = 5
SLOW_BYTES_PER_SECOND = 10_000
STREAM = "bench"


def pictures(viewer: Pipe, seconds: float) -> int:
    """How many pictures the viewer gets in so many seconds."""
    viewer.send(None)
    viewer.recv()
    time.sleep(seconds)
    viewer.send(None)
    return int(viewer.recv())


def crowded(server: Served, viewer: Pipe, seconds: float) -> int:
    """How many, with the slow ones beside it."""
    with ExitStack() as stack:
        for _ in range(STALLED):
            stack.enter_context(stall(server.ws, STREAM))
        stack.enter_context(child(crawl, server.ws, STREAM, SLOW_BYTES_PER_SECOND))
        server.until(lambda stats: stats["streams"][STREAM]["viewers"] == STALLED + 2)
        time.sleep(3)  # until the kernel's buffers are full
        return pictures(viewer, seconds)


def main() -> None:
    """Measure, print, write bench/results/viewers.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a built-in model or an ONNX file (default: yolox_nano.onnx of the assets)")
    parser.add_argument("--fps", type=float, default=25, help="of the camera")
    parser.add_argument("--seconds", type=float, default=15, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    jpegs = clip_jpegs()
    alone: list[int] = []
    together: list[int] = []
    memory: list[float] = []
    with (
        serving("--model", args.model or str(asset(MODEL))) as server,
        child(look, server.ws, STREAM) as viewer,
        child(camera, server.ws, STREAM, args.fps, jpegs),
    ):
        server.until(lambda stats: stats["processed_frames"] >= 50)
        print("| round | alone, pictures/s | with the slow ones | memory MB |\n|---|---|---|---|")
        for n in range(1, args.rounds + 1):
            alone.append(pictures(viewer, args.seconds))
            together.append(crowded(server, viewer, args.seconds))
            memory.append(round(server.rss_mb(), 1))
            rates = alone[-1] / args.seconds, together[-1] / args.seconds
            print(f"| {n} | {rates[0]:.2f} | {rates[1]:.2f} | {memory[-1]} |", flush=True)
            server.until(lambda stats: stats["streams"][STREAM]["viewers"] == 1)
    share = sum(together) / sum(alone)
    print(f"\nthe good viewer keeps {share:.1%} of its pictures (goal {GOAL:.0%}): ", end="")
    print("met" if share >= GOAL else "missed")
    save("viewers", {"alone": alone, "together": together, "memory_mb": memory, "share": share, "met": share >= GOAL})


if __name__ == "__main__":
    main()
