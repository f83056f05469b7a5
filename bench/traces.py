"""Traces of frames: what they cost the server, with one frame in a hundred traced, with all, and with none, in turns.

Eight cameras send JPEGs of 640x360 at 15 fps, and somebody takes their results. The collector is this program.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from common import child, family_cpu, save, serving
from recordings import STREAMS, cameras
from support.collector import Collector

SHARES = (0.0, 0.01, 1.0)


def turn(seconds: float, share: float, url: str) -> float:
    """CPU microseconds of the server for each frame."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "sightline.toml"
        config.write_text("adaptive = false\n" + f'traces_to = "{url}"\ntraces_share = {share}\n' * (share > 0))
        with (
            serving("--model", "motion", "--place", "thread", config=config, data=folder) as server,
            child(cameras, server.ws, seconds) as pipe,
        ):
            server.until(lambda stats: len(stats["streams"]) == STREAMS)
            time.sleep(2)
            cpu, done = family_cpu(server.process), frames(server.get())
            time.sleep(seconds - 6)
            cpu, done = family_cpu(server.process) - cpu, frames(server.get()) - done
            pipe.recv()
            pipe.send("end")
    return cpu / done * 1e6


def frames(stats: dict[str, dict[str, dict[str, int]]]) -> int:
    """How many frames had results."""
    return sum(one["delivered"] for one in stats["streams"].values())


def main() -> None:
    """Take the turns and save what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    costs: dict[float, list[float]] = {share: [] for share in SHARES}
    with Collector() as collector:
        for _ in range(args.turns):
            for share in SHARES:
                costs[share].append(turn(args.seconds, share, collector.url))
                print(f"share {share:g}: {costs[share][-1]:.0f} us of CPU a frame", flush=True)
        found: dict[str, object] = {f"share {share:g}": round(median(costs[share])) for share in SHARES}
        found["spans"] = len(collector.spans)
    print(found)
    save("traces", {"us of CPU a frame": found}, "python bench/traces.py")


if __name__ == "__main__":
    main()
