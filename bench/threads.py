"""Cost of threads: python bench/threads.py. One model once and twice at a time, with one and two threads each.

ONNX Runtime runs with and without threads that spin while they wait; OpenVINO as two compiled models with one request
each (like two instances of ours) and as one with two streams. All take turns. CPU time per frame stays valid on a busy
machine.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import psutil

from common import MODEL, asset, save
from sightline.engines import openvino as ours

SECONDS = 0.7
PICTURE = np.random.default_rng(0).random((1, 3, 416, 416)).astype(np.float32)
Infer = Callable[[], Any]


def onnx(threads: int, spin: bool) -> Infer:
    """A run of one ONNX Runtime session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    session = onnxruntime.InferenceSession(str(asset(MODEL)), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"images": PICTURE})


def vino(requests: int, **options: Any) -> list[Infer]:
    """Runs of several requests of one compiled OpenVINO model."""
    ours.precisions()  # turns its telemetry off
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(asset(MODEL))), "CPU", options)
    made = [compiled.create_infer_request() for _ in range(requests)]
    return [lambda r=r: r.infer({0: PICTURE}, share_inputs=True, share_outputs=True) for r in made]  # type: ignore[misc]


def latency(threads: int) -> list[Infer]:
    """A run of a model compiled as our engine does it."""
    return vino(1, PERFORMANCE_HINT="LATENCY", INFERENCE_NUM_THREADS=threads)


def run(infers: list[Infer]) -> tuple[float, float, float]:
    """Frames per second, median milliseconds and CPU milliseconds per frame, each run on its own thread."""
    process, times, end = psutil.Process(), [], time.perf_counter() + SECONDS
    before = process.cpu_times()

    def work(infer: Infer) -> None:
        while True:
            started = time.perf_counter()
            infer()
            times.append((time.perf_counter() - started) * 1000)
            if time.perf_counter() > end:
                return

    threads = [threading.Thread(target=work, args=(infer,)) for infer in infers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = process.cpu_times()
    used = (after.user + after.system - before.user - before.system) * 1000
    return len(times) / (SECONDS + time.perf_counter() - end), statistics.median(times), used / len(times)


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    cases: dict[str, list[Infer]] = {
        f"onnx, {count} x {threads} threads{', spinning' if spin else ''}": [onnx(threads, spin) for _ in range(count)]
        for spin in (False, True)
        for count, threads in ((1, 1), (1, 2), (2, 1), (2, 2))
        if threads > 1 or not spin
    }
    for count, threads in ((1, 1), (1, 2), (2, 1), (2, 2)):
        cases[f"openvino, {count} x {threads} threads"] = [f for _ in range(count) for f in latency(threads)]
    cases["openvino, 2 streams"] = vino(2, PERFORMANCE_HINT="THROUGHPUT", NUM_STREAMS=2, INFERENCE_NUM_THREADS=2)
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in cases}
    for name in [*cases, *list(cases) * args.rounds]:  # the first run of each does not count
        found[name].append(run(cases[name]))
    rows = {name: [statistics.median(column) for column in zip(*runs[1:], strict=True)] for name, runs in found.items()}
    print(f"{'':32} {'frames/s':>9} {'ms':>7} {'CPU ms a frame':>15}")
    for name, (fps, ms, cpu) in rows.items():
        print(f"{name:32} {fps:9.0f} {ms:7.1f} {cpu:15.1f}")
    columns = ("fps", "median_ms", "cpu_ms_a_frame")
    save("threads", {"cases": {name: dict(zip(columns, row, strict=True)) for name, row in rows.items()}})


if __name__ == "__main__":
    main()
