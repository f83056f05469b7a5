"""Effect of slow viewers on a good one.

A camera has one viewer that reads as our page does, then the same with five viewers beside it that connect and never
read and one that reads 10 KB/s; both in turns. Goal: the good viewer gets at least 98 % of the pictures that it gets
alone, per processed frame, as other programs may have left the model less time.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from dataclasses import dataclass

from common import MODEL, Pipe, Served, asset, child, clip_jpegs, save, serving
from peers import camera, crawl, look, stall

GOAL = 0.98
STALLED = 5
SLOW_BYTES_PER_SECOND = 10_000
STREAM = "bench"


@dataclass
class Turn:
    """Counts of a turn: frames that the model processed, pictures that the good viewer got."""

    processed: int = 0
    pictures: int = 0

    def add(self, other: Turn) -> None:
        """Add the counts of another turn."""
        self.processed += other.processed
        self.pictures += other.pictures

    def share(self) -> float:
        """Pictures per processed frame."""
        return self.pictures / self.processed


def watch(server: Served, viewer: Pipe, seconds: float) -> Turn:
    """Measure one turn of ``seconds``."""
    viewer.send(None)
    viewer.recv()
    before = server.get()["processed_frames"]
    time.sleep(seconds)
    viewer.send(None)
    return Turn(server.get()["processed_frames"] - before, int(viewer.recv()))


def watch_crowded(server: Served, viewer: Pipe, seconds: float) -> Turn:
    """Measure one turn with the slow viewers beside the good one."""
    with ExitStack() as stack:
        for _ in range(STALLED):
            stack.enter_context(stall(server.ws, STREAM))
        stack.enter_context(child(crawl, server.ws, STREAM, SLOW_BYTES_PER_SECOND))
        server.until(lambda stats: stats["streams"][STREAM]["viewers"] == STALLED + 2)
        time.sleep(3)  # until the kernel's buffers are full
        return watch(server, viewer, seconds)


def main() -> None:
    """Measure, print, write bench/results/viewers.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a built-in model or an ONNX file (default: yolox_nano.onnx of the assets)")
    parser.add_argument("--fps", type=float, default=25, help="of the camera")
    parser.add_argument("--seconds", type=float, default=15, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    jpegs = clip_jpegs()
    alone, crowded = Turn(), Turn()
    memory: list[float] = []
    with (
        serving("--model", args.model or str(asset(MODEL))) as server,
        child(look, server.ws, STREAM) as viewer,
        child(camera, server.ws, STREAM, args.fps, jpegs),
    ):
        server.until(lambda stats: stats["processed_frames"] >= 50)
        print("| round | alone: processed/s, pictures/s | with the slow ones | memory MB |\n|---|---|---|---|")
        for n in range(1, args.rounds + 1):
            turns = watch(server, viewer, args.seconds), watch_crowded(server, viewer, args.seconds)
            alone.add(turns[0])
            crowded.add(turns[1])
            memory.append(round(server.rss_mb(), 1))
            shown = [f"{t.processed / args.seconds:.2f}, {t.pictures / args.seconds:.2f}" for t in turns]
            print(f"| {n} | {shown[0]} | {shown[1]} | {memory[-1]} |", flush=True)
            server.until(lambda stats: stats["streams"][STREAM]["viewers"] == 1)
    share = crowded.share() / alone.share()
    print(f"\nthe good viewer keeps {share:.1%} of its pictures (goal {GOAL:.0%}): ", end="")
    print("met" if share >= GOAL else "missed")
    turned = {"alone": vars(alone), "crowded": vars(crowded)}
    save("viewers", {**turned, "memory_mb": memory, "share": share, "met": share >= GOAL})


if __name__ == "__main__":
    main()
