"""Release of memory: models are loaded, run once and released, over and over, in one process.

The pool does it as in the server. The first rounds of each model also load libraries, so the start is measured after
them. Start and end are medians of ten rounds, as now and then some 10 MB stay for a few rounds longer.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from typing import Any

import psutil

from common import asset, save
from sightline.inference.key import ModelKey
from sightline.inference.pool import ModelPool
from sightline.settings.settings import Settings

MODELS = (
    ("models/yolox_nano.onnx", "onnx"),
    ("models/yolox_nano.onnx", "openvino"),
    ("models/yolov8n-seg_320_int8.onnx", "onnx"),
)
ROUNDS = 10
"""Number of rounds over which the medians are taken."""


async def cycle(pool: ModelPool, key: ModelKey) -> None:
    """Load a model, which looks at pictures to warm up, and wait until it is gone."""
    async with pool.holding(key, asyncio.Event()) as one:
        assert one.worker.model is not None
    while one.task is not None:  # noqa: ASYNC110 - the pool has no notification
        await asyncio.sleep(0.02)


async def run(cycles: int) -> dict[str, Any]:
    """Resident memory in MB after each cycle; the first ten are the start."""
    settings = Settings.model_validate({"model": "motion", "model_grace": 0, "place": "thread"})
    pool = ModelPool(settings, ModelKey("motion", "motion", "auto", None))
    running = asyncio.create_task(pool.run())
    await pool.own.worker.settled.wait()
    keys = [ModelKey(path.split("/")[-1], str(asset(path)), engine, None) for path, engine in MODELS]
    for key in keys * 2:
        await cycle(pool, key)
    process = psutil.Process()
    memory = []
    begun = time.monotonic()
    for number in range(ROUNDS + cycles):
        await cycle(pool, keys[number % len(keys)])
        memory.append(process.memory_info().rss / 2**20)
    took = time.monotonic() - begun
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return {"seconds_a_cycle": round(took / len(memory), 2), "memory_mb": [round(mb, 1) for mb in memory]}


def main() -> None:
    """Measure, print, write bench/results/reload.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=50)
    args = parser.parse_args()
    found = asyncio.run(run(args.cycles))
    memory = found["memory_mb"]
    start, end = statistics.median(memory[:ROUNDS]), statistics.median(memory[-ROUNDS:])
    found["change_percent"] = round((end / start - 1) * 100, 2)
    print(
        f"{args.cycles} cycles: {start:.1f} MB at the start, {max(memory)} at most, {end:.1f} in the last ten", end=" "
    )
    print(f"({found['change_percent']:+} %), {found['seconds_a_cycle']} s a cycle")
    print(save("reload", found))


if __name__ == "__main__":
    main()
