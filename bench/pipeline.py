"""Overhead of the server with its model: CPU-seconds per processed frame, against a bare loop of the same work.

The loop only decodes, preprocesses, runs the engine and postprocesses, in its own process with the same engine and
threads. The server is a real ``sightline serve``. Its publishers live in another process, are paced by their answers
and keep ``max_pending`` frames under way. All parts take turns, because machines are never quiet, and each round's
figures are compared with that round's loop. Goal: at most 1.15 times the loop.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import psutil

from common import MODEL, Pipe, Served, asset, child, clip_jpegs, cpu_seconds, family_cpu, save, serving
from peers import saturate
from sightline.media import codecs
from sightline.models.base import GraphModel
from sightline.zoo.loader import load_model

GOAL = 1.15


@dataclass
class Part:
    """One configuration, measured in turns with the others."""

    title: str
    publishers: int = 0
    viewers: int = 0
    cpu_ms: list[float] = field(default_factory=list)
    """CPU milliseconds per processed frame, one entry for each round."""
    fps: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    """CPU per frame relative to the loop of the same round."""
    dropped: list[float] = field(default_factory=list)
    """Dropped frames per processed frame."""


def bare_loop(pipe: Pipe, model_path: str, engine: str, threads: int | None, jpegs: Sequence[bytes]) -> None:
    """Work for each number of seconds received; answer with (CPU-seconds, frames, seconds)."""
    model = load_model(model_path, engine=engine, threads=threads)
    assert isinstance(model, GraphModel)
    frames = itertools.cycle([codecs.check_jpeg(jpeg, max_pixels=1 << 24) for jpeg in jpegs])
    process = psutil.Process()
    pipe.send(None)  # ready
    while True:
        seconds = pipe.recv()
        started, before, count = time.monotonic(), cpu_seconds(process), 0
        while time.monotonic() - started < seconds:
            image = codecs.decode(next(frames), at_least=model.wanted_side)
            tensor, geometry = model.preprocess(image)
            outputs = model.engine.run({model.graph.input.name: tensor})
            model.postprocess(outputs, geometry, model.options)
            count += 1
        pipe.send((cpu_seconds(process) - before, count, time.monotonic() - started))


def measure_loop(part: Part, loop: Pipe, seconds: float) -> None:
    """Measure one turn of the loop."""
    loop.send(seconds)
    cpu, frames, took = loop.recv()
    part.cpu_ms.append(cpu / frames * 1000)
    part.fps.append(frames / took)


def measure_server(part: Part, server: Served, seconds: float, jpegs: Sequence[bytes]) -> None:
    """Measure one turn of the server, once its peers are at full speed."""
    begun = server.get()["processed_frames"]
    with child(saturate, server.ws, part.publishers, part.viewers, jpegs):
        server.until(lambda stats: stats["processed_frames"] >= begun + 20 * part.publishers)
        before, started, cpu = server.get(), time.monotonic(), family_cpu(server.process)
        time.sleep(seconds)
        cpu, took, after = family_cpu(server.process) - cpu, time.monotonic() - started, server.get()
    frames = after["processed_frames"] - before["processed_frames"]
    part.cpu_ms.append(cpu / frames * 1000)
    part.fps.append(frames / took)
    part.dropped.append((after["dropped_frames"] - before["dropped_frames"]) / frames)
    server.until(lambda stats: all(s["state"] == "waiting" for s in stats["streams"].values()))


def table(loop: Part, parts: Sequence[Part]) -> str:
    """Table of medians over the rounds, with the range of the ratio."""
    lines = [
        "| part | CPU ms per frame | frames/s | dropped per frame | times the loop (range) |",
        "|---|---|---|---|---|",
        f"| {loop.title} | {median(loop.cpu_ms):.2f} | {median(loop.fps):.1f} | | 1 |",
    ]
    for part in parts:
        low, middle, high = min(part.ratios), median(part.ratios), max(part.ratios)
        lines.append(
            f"| {part.title} | {median(part.cpu_ms):.2f} | {median(part.fps):.1f} | {median(part.dropped):.2f} "
            f"| {middle:.3f} ({low:.3f} to {high:.3f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write bench/results/pipeline.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="an ONNX file (default: yolox_nano.onnx of the assets)")
    parser.add_argument("--engine", default="auto", choices=("auto", "onnx", "openvino"))
    parser.add_argument("--threads", type=int, help="of the engine (default: one per core)")
    parser.add_argument("--seconds", type=float, default=4, help="of each turn")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    model = args.model or str(asset(MODEL))
    jpegs = clip_jpegs()
    settings = {} if args.threads is None else {"threads": args.threads}
    loop = Part("bare loop")
    parts = [
        Part("server, 1 publisher", 1),
        Part("server, 4 publishers", 4),
        Part("server, 1 publisher, 2 viewers", 1, 2),
    ]
    with (
        child(bare_loop, model, args.engine, args.threads, jpegs) as bare,
        serving("--model", model, "--engine", args.engine, max_fps=240, **settings) as server,
    ):
        bare.recv()
        engine = server.get()["engine"]["name"]
        for _ in range(args.rounds):
            for part in parts:
                measure_loop(loop, bare, args.seconds)
                measure_server(part, server, args.seconds, jpegs)
                part.ratios.append(part.cpu_ms[-1] / loop.cpu_ms[-1])
    print(f"engine {engine}, threads {args.threads or 'one per core'}, {args.rounds} rounds of {args.seconds:g} s\n")
    print(table(loop, parts))
    met = all(median(part.ratios) <= GOAL for part in parts[:2])
    print(f"\ngoal, at most {GOAL} times the loop: {'met' if met else 'missed'}")
    save("pipeline", {"engine": engine, "loop": vars(loop), "parts": [vars(part) for part in parts], "met": met})


if __name__ == "__main__":
    main()
