"""Replicas of a sleeping model in a Ray cluster: what a way to another machine costs, how far more of them help, and
what becomes of far more frames than one hub can serve.

Nodes of Ray on this machine stand for machines. The model sleeps, so that it needs no core, as one on a graphics card.
Latency is the server's own p95 from arrival to result, without the model's sleep, of one stream with two frames under
way. The hub's CPU is that of the server and of its process in the cluster, without the replicas.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import psutil

from common import SIZE, Served, child, family_cpu, save, serving
from peers import cameras, saturate
from support.outside import install
from support.ray_cluster import RayCluster, ray_cluster
from support.serving import balanced
from support.sleeping import SLEEPING

Found: TypeAlias = dict[str, Any]


def jpeg_of(size: int) -> bytes:
    """A JPEG of about so many bytes: the stronger the noise the larger."""
    noise = np.random.default_rng(1).normal(0, 1, (SIZE[1], SIZE[0], 3))
    low, high = 0.0, 120.0
    for _ in range(12):
        middle = (low + high) / 2
        data = cv2.imencode(".jpg", np.clip(128 + noise * middle, 0, 255).astype(np.uint8))[1].tobytes()
        low, high = (middle, high) if len(data) < size else (low, middle)
    return data


@contextmanager
def hub(cluster: RayCluster | None, replicas: int, folder: Path) -> Iterator[Served]:
    """A server with so many replicas; without a cluster, with a process of its own."""
    given: dict[str, Any] = {"data": folder / f"data-{time.monotonic_ns()}", "workers": replicas, "place": "process"}
    given["max_streams"] = 4096
    if cluster is not None:
        table = {"address": "auto", "token_file": str(cluster.token)}
        given |= {"cluster": json.dumps(table), "place": "ray"}
    with serving("--model", "sleeping", **given) as server:
        yield server


def hub_cpu(server: Served) -> float:
    """Seconds of the server and of what it started."""
    return family_cpu(server.process)


def rate(server: Served, seconds: float) -> tuple[float, float]:
    """Results a second, and milliseconds of the hub's CPU for each."""
    before, spent, begun = server.get(), hub_cpu(server), time.perf_counter()
    time.sleep(seconds)
    after, took = server.get(), time.perf_counter() - begun
    results = after["processed_frames"] - before["processed_frames"]
    return results / took, (hub_cpu(server) - spent) / max(1, results) * 1000


def latency(cluster: RayCluster | None, jpeg: bytes, sleep_s: float, seconds: float, folder: Path) -> float:
    """The p95 of one stream in milliseconds, without the sleep of its frame."""
    with hub(cluster, 1, folder) as server, child(saturate, server.ws, 1, 0, [jpeg]):
        server.until(lambda stats: stats["processed_frames"] >= 30)
        time.sleep(seconds)
        (stream,) = server.get()["streams"].values()
        return float(stream["latency_ms"]["p95"]) - sleep_s * 1000


def ways(found: Found, cluster: RayCluster, args: argparse.Namespace, folder: Path) -> None:
    """A process beside a replica, in turns."""
    print("| a picture of | a process: p95 ms beyond the model | a replica | more |\n|---|---|---|---|")
    for size in (30_000, 150_000):
        jpeg, rows = jpeg_of(size), []
        for _ in range(args.rounds):
            rows.append([latency(where, jpeg, args.sleep_ms / 1000, args.seconds, folder) for where in (None, cluster)])
        here, there = (min(column) for column in zip(*rows, strict=True))
        print(f"| {len(jpeg) / 1000:.0f} KB | {here:.1f} | {there:.1f} | {there - here:.1f} |", flush=True)
        found[f"latency_{size}"] = rows


def replicas(found: Found, cluster: RayCluster, args: argparse.Namespace, folder: Path) -> None:
    """One replica and more, under cameras that send more than all of them can take."""
    print("| replicas | results/s | times one | of linear | hub's CPU ms a frame |\n|---|---|---|---|---|")
    jpeg = jpeg_of(30_000)
    for count in args.replicas:
        with hub(cluster, count, folder) as server, child(cameras, server.ws, args.streams, 15.0, [jpeg]):
            server.until(lambda stats: stats["processed_frames"] >= 60)
            results, cpu = rate(server, args.seconds)
        one = found.setdefault("one", results)
        shown = f"{results:.1f} | {results / one:.2f} | {results / one / count:.0%} | {cpu:.2f}"
        print(f"| {count} | {shown} |", flush=True)
        found[f"replicas_{count}"] = {"results_s": results, "hub_cpu_ms": cpu}


def scale(found: Found, cluster: RayCluster, args: argparse.Namespace, folder: Path) -> None:
    """Many streams: what share of what their cameras make is served, and whether every frame is accounted for."""
    print("| streams, frames/s each | replicas | made/s | results/s | served | served least | hub's CPU ms | ledger |")
    print("|---|---|---|---|---|---|---|---|")
    jpeg, count = jpeg_of(30_000), max(args.replicas)
    with hub(cluster, count, folder) as server, child(cameras, server.ws, args.many, args.many_fps, [jpeg]):
        streams = server.until(lambda s: sum(one["delivered"] > 0 for one in s["streams"].values()) == args.many)
        before, began = {name: one["delivered"] for name, one in streams["streams"].items()}, time.perf_counter()
        results, cpu = rate(server, args.seconds)
        after, took = server.get()["streams"], time.perf_counter() - began
    least = min(one["delivered"] - before[name] for name, one in after.items()) / took / args.many_fps
    exact = all(map(balanced, after.values()))
    made = args.many * args.many_fps
    ledger = "exact" if exact else "NOT exact"
    shown = f"{made:.0f} | {results:.1f} | {results / made:.0%} | {least:.0%} | {cpu:.2f} | {ledger}"
    print(f"| {args.many}, {args.many_fps:g} | {count} | {shown} |", flush=True)
    found["scale"] = {"made_s": made, "results_s": results, "least": least, "hub_cpu_ms": cpu, "exact": exact}


PARTS = {"ways": ways, "replicas": replicas, "scale": scale}


def main() -> None:
    """Measure, print, write bench/results/cluster.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sleep-ms", type=float, default=40)
    parser.add_argument("--streams", type=int, default=24)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--many", type=int, default=200, help="streams of the part scale")
    parser.add_argument("--many-fps", type=float, default=5)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    found: Found = {"busy_before": psutil.cpu_percent(2), "load_before": os.getloadavg()[0]}
    print(f"load {found['load_before']:.1f}, {found['busy_before']:.0f} % busy before")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        env = install(folder, {"sleeping": SLEEPING}, {"models": {"sleeping": "sleeping"}})
        os.environ.update(env | {"TEST_SLEEP_S": str(args.sleep_ms / 1000)})
        cluster = stack.enter_context(ray_cluster(4, 4, env=dict(os.environ)))
        os.environ.update(cluster.env)
        for part in args.parts:
            PARTS[part](found, cluster, args, folder)
    save("cluster", found)


if __name__ == "__main__":
    main()
