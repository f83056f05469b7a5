"""Automatic choice of the engine for a graph, by device, installed packages and the graph's operators."""

from __future__ import annotations

import mmap
import platform
import re
import time
from functools import cache
from pathlib import Path

import numpy as np

from sightline.core import registry
from sightline.core.errors import ConfigError, SightlineError
from sightline.engines.base import PRECISIONS, Engine, unavailable

DEVICE = re.compile(r"cpu|cuda:\d{1,2}")
X86 = ("x86_64", "amd64")
QUANTIZED = ("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QuantizeLinear", "DynamicQuantizeLinear")
"""Operators of quantized graphs, which compute in whole numbers."""
OURS = b"\x0a\x09sightline\x12"
"""The key of a file's metadata by which ``train.export`` marks it."""
SIDE = 320
"""Input side in pixels for trial runs of a graph that takes any size."""
ROUNDS = 5


def choose(engine: str, device: str, precision: str = "auto", path: Path | None = None) -> tuple[str, str]:
    """The engine's name and the reason for it, as words for a person. Raises ConfigError.

    Quantized graphs are tried out. Without ``path`` the call is cheap, but its choice may not be the one for a certain
    graph.
    """
    if not DEVICE.fullmatch(device):
        raise ConfigError(f"device {device!r}: expected 'cpu' or 'cuda:N', such as cuda:0")
    if precision not in PRECISIONS:
        raise ConfigError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    if engine != "auto":
        _check(engine, device)
        return engine, "asked for by name"
    if device != "cpu":
        _check("onnx", device)
        return "onnx", f"the one that runs on {device}"
    missing = unavailable("openvino")
    if missing is not None:
        _check("onnx", device)
        if path is not None and is_quantized(path):
            return "onnx", f"the engine openvino may be faster with this quantized graph, but {missing}"
        return "onnx", f"the engine openvino would be faster on x86 processors, but {missing}"
    if precision not in ("auto", "fp32"):
        return "openvino", f"the one that may compute in {precision} on a processor"
    if platform.machine().lower() not in X86:
        _check("onnx", device)
        return "onnx", f"the processor is no x86 one but {platform.machine()}"
    if path is not None and unavailable("onnx") is None and is_quantized(path):
        if _holds(path, OURS):
            return "onnx", "it is as fast with what sightline train writes, and loads it at once"
        return _on_trial(path, path.stat().st_mtime_ns, precision)
    return "openvino", "it is installed and the faster one on an x86 processor"


def is_quantized(path: Path) -> bool:
    """Whether an ONNX file has quantized operators. A tensor whose name looks like such an operator counts as one."""
    # The field op_type is written as its number, the length and the name.
    return _holds(path, *(bytes([0x22, len(name)]) + name.encode() for name in QUANTIZED))


def _holds(path: Path, *words: bytes) -> bool:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(word) >= 0 for word in words)


def _check(engine: str, device: str) -> None:
    missing = registry.load("engines", engine).available(device)
    if missing is not None:
        raise ConfigError(f"engine {engine!r}: {missing}")


@cache
def _on_trial(path: Path, _changed: int, precision: str) -> tuple[str, str]:
    """Try both engines and choose the faster one.

    Neither is always faster: of two int8 graphs, one was twice as fast in ONNX Runtime and the other three times as
    slow. Each file is tried only once, so that every instance of a model has the same engine.
    """
    times: dict[str, float] = {}
    for name in ("openvino", "onnx"):
        try:
            times[name] = _milliseconds(registry.load("engines", name).open(path, threads=1, precision=precision))
        except SightlineError:
            continue  # an engine that can't run the graph here is not chosen
    if not times:
        return "onnx", "no engine could run the graph on trial"
    best = min(times, key=lambda name: times[name])
    said = ", ".join(f"{name} {ms:.0f} ms" for name, ms in sorted(times.items()))
    return best, f"the faster one of this quantized graph, tried with one thread: {said}"


def _milliseconds(engine: Engine) -> float:
    """Time of the fastest of ROUNDS runs on noise. Closes the engine."""
    try:
        random = np.random.default_rng(0)
        feeds = {}
        for spec in engine.inputs.values():
            shape = [1 if axis == 0 else SIDE if side is None else side for axis, side in enumerate(spec.shape)]
            feeds[spec.name] = (random.random(shape) * 255).astype(spec.dtype)
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            engine.run(feeds)
            times.append((time.perf_counter() - started) * 1000)
        return min(times)
    finally:
        engine.close()
