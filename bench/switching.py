"""Cost of changing a model in operation, for the stream that changes and for its neighbours.

Four cameras send the clip at 15 frames a second. The first one's stream changes its model 20 times, 5 of them to an
invalid file. Gaps are between two results as a camera receives them, compared with those of an equally long time
without changes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
import urllib.error
import urllib.request
from itertools import pairwise
from pathlib import Path
from typing import Any

from common import MODEL, Pipe, Served, asset, child, clip_jpegs, frame_metadata, save, serving
from peers import connected, read

FPS = 15.0
STREAMS = 4
WHAT = ("yard", "seg", "broken", "nano")
"""Models in turn: a detector, one with masks, an invalid file, one that is already loaded."""


def cameras(pipe: Pipe, ws_url: str, jpegs: list[bytes]) -> None:
    """Run four cameras for ever. On request, report the times of each one's results and its other answers since."""

    async def camera(name: str, at: list[float], lost: list[str]) -> None:
        async with connected(f"{ws_url}/ws/camera/{name}") as ws:

            async def send() -> None:
                begun = time.monotonic()
                for seq in range(10**9):
                    await asyncio.sleep(max(0.0, begun + seq / FPS - time.monotonic()))
                    await ws.send(frame_metadata(seq))
                    await ws.send(jpegs[seq % len(jpegs)])

            sending = asyncio.create_task(send())
            async for data in ws:
                message = read(data)
                if message["type"] == "result":
                    at.append(time.monotonic())
                elif message["type"] in ("dropped", "error"):
                    lost.append(message.get("reason", message["type"]))
            sending.cancel()

    async def run() -> None:
        seen: dict[str, tuple[list[float], list[str]]] = {f"s{i}": ([], []) for i in range(STREAMS)}
        tasks = [asyncio.create_task(camera(name, *lists)) for name, lists in seen.items()]
        while True:
            await asyncio.to_thread(pipe.recv)
            pipe.send({name: (list(at), list(lost)) for name, (at, lost) in seen.items()})
            for at, lost in seen.values():
                at.clear()
                lost.clear()
            assert not any(task.done() for task in tasks), "a session was lost"

    asyncio.run(run())


def patch(server: Served, change: dict[str, Any]) -> tuple[int, float]:
    """Request a change; returns status and seconds."""
    body = json.dumps(change).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}/api/streams/s0", body, headers, method="PATCH")
    begun = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            status = answer.status
    except urllib.error.HTTPError as e:
        status = e.code
    return status, time.monotonic() - begun


def gaps(pipe: Pipe) -> dict[str, dict[str, Any]]:
    """Results, drops and gaps in milliseconds of each stream since the last request."""
    pipe.send(None)
    told: dict[str, tuple[list[float], list[str]]] = pipe.recv()
    found: dict[str, dict[str, Any]] = {}
    for name, (at, lost) in told.items():
        between = sorted((b - a) * 1000 for a, b in pairwise(at))
        found[name] = {
            "results": len(at),
            "dropped": len(lost),
            "median": round(between[len(between) // 2], 1),
            "p99": round(between[int(len(between) * 0.99)], 1),
            "most": round(between[-1], 1),
            "over_two": sum(gap > 2000 / FPS for gap in between),
        }
    return found


def main() -> None:
    """Measure, print, write bench/results/switching.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--switches", type=int, default=20)
    parser.add_argument("--model", default="nano", help="of all streams but the one that changes")
    parser.add_argument("--every", type=float, default=1.5, help="seconds from one change to the next")
    args = parser.parse_args()
    parts: dict[str, dict[str, Any]] = {}
    took: list[tuple[str, int, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        broken = Path(folder) / "broken.onnx"
        broken.write_bytes(os.urandom(100_000))
        models = {
            "yard": str(asset(MODEL)),
            "seg": str(asset("models/yolov8n-seg_320_int8.onnx")),
            "broken": str(broken),
        }
        with (
            serving("--adaptive", "off", "--model", args.model, models=json.dumps(models), model_grace=0) as server,
            child(cameras, server.ws, clip_jpegs()) as pipe,
        ):
            server.until(lambda stats: stats["processed_frames"] > 100)
            gaps(pipe)
            begun = time.monotonic()
            for number in range(args.switches):
                name = WHAT[number % len(WHAT)]
                status, seconds = patch(server, {"model": name})
                took.append((name, status, round(seconds, 2)))
                assert status == (503 if name == "broken" else 200), took
                time.sleep(max(0.0, begun + (number + 1) * args.every - time.monotonic()))
            lasted = time.monotonic() - begun
            parts["with changes"] = gaps(pipe)
            patch(server, {"model": None})
            time.sleep(1)
            gaps(pipe)
            time.sleep(lasted)
            parts["without"] = gaps(pipe)
            stats = server.get()
    for one in stats["streams"].values():
        assert one["received"] == one["delivered"] + sum(one["dropped"].values()) + one["failed"] + one["in_flight"]
    print("| part | stream | results | dropped | gap ms: median, p99, most | over two frame times |")
    print("|---|---|---|---|---|---|")
    for part, streams in parts.items():
        for name, s in streams.items():
            which = f"{name}, which changes" if (name, part) == ("s0", "with changes") else name
            spread = f"{s['median']}, {s['p99']}, {s['most']}"
            print(f"| {part} | {which} | {s['results']} | {s['dropped']} | {spread} | {s['over_two']} |")
    for name in WHAT:
        print(f"{name}: {', '.join(f'{s:.2f}' for n, _, s in took if n == name)} s")
    print(save("switching", {"seconds": round(lasted, 1), "parts": parts, "changes": took}))


if __name__ == "__main__":
    main()
