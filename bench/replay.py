"""What ``sightline replay`` costs: CPU a frame of a drawn street of 640x360, without start and loading of the model.

Of the same recording a long and a short time are replayed; the difference is of the frames alone. The least of
several turns counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from common import save
from sightline.sinks import video
from sightline.sources.base import open_source

BEGAN, FPS, FRAMES = 1_796_000_000.0, 15, 900
BASE = 60_000


def record(root: Path, stream: str) -> None:
    """Record a minute of the street."""
    at = datetime.fromtimestamp(BEGAN, UTC)
    path = root / stream / f"{at:%Y-%m-%d}" / f"{at:%H-%M-%S}.000.mp4"
    path.parent.mkdir(parents=True)
    sink = video.open(str(path))
    with open_source(f"synthetic:street?frames={FRAMES}") as street:
        for n, shot in enumerate(street):
            sink.add(shot.image, n / FPS)
    sink.close()
    head = {"sightline": 1, "stream": stream, "started_at": BEGAN, "session": "bench", "codec": "h264"}
    lines = [head | {"time_base": [1, BASE], "width": 640, "height": 360}]
    lines += [{"pts": n * BASE // FPS, "at": BEGAN + n / FPS, "seq": n} for n in range(FRAMES)]
    path.with_suffix(".jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def replayed(data: Path, model: str, seconds: float) -> tuple[int, float]:
    """Return how many frames were looked at, and the seconds of CPU."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    span = ("--from", str(BEGAN), "--to", str(BEGAN + seconds))
    command = [sys.executable, "-m", "sightline", "replay", "door", *span, "--model", model, "--json"]
    done = subprocess.run(command, env=os.environ | {"SIGHTLINE_DATA": str(data)}, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout)["now"]["frames"], cpu


def main() -> None:
    """Replay with each model and save what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=["motion", "nano"])
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder) / "recordings", "door")
        for model in args.models:
            pairs = [[replayed(Path(folder), model, s) for s in (FRAMES / FPS, 10.0)] for _ in range(args.turns)]
            (more, _), (less, _) = pairs[0]
            cpu = [min(pair[which][1] for pair in pairs) for which in (0, 1)]
            found[f"{model}_cpu_ms_a_frame"] = round((cpu[0] - cpu[1]) / (more - less) * 1000, 2)
    print(found)
    save("replay", found, "python bench/replay.py")


if __name__ == "__main__":
    main()
