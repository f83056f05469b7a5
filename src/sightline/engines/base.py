"""Helpers shared by the engines. ``Engine`` is one of the central types; models use it and know no runtime.

A file ``engines/NAME.py`` is an engine. It has

- ``open(path, *, device="cpu", threads=None, precision="auto", cache=None) -> Engine``, which raises ModelError for a
  file it can't read, and ConfigError for a device or a precision it does not have; ``cache`` is a folder for compiled
  graphs;
- ``available(device="cpu") -> str | None``, which is None if the engine works, else the reason and the command that
  fixes it; for the processor it imports nothing;
- ``devices() -> list[str]``, the values that ``device`` may have here;
- ``precisions(device="cpu") -> list[str]``, the values that ``precision`` may have there, besides ``auto``, the
  engine's own choice;
- ``READS``, the suffixes of the files it reads, if these are others than ``.onnx``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sightline.core import registry
from sightline.core.errors import FAULTS, ConfigError, ModelError, cancelled, told
from sightline.core.types import Engine, TensorSpec

__all__ = [
    "PRECISIONS",
    "Engine",
    "check_file",
    "check_precision",
    "cores",
    "has_graph",
    "readable",
    "reason",
    "spec_of",
    "unavailable",
]

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
"""Precisions that a graph may be asked to compute in."""


def unavailable(engine: str, device: str = "cpu") -> str | None:
    """Why an engine does not run here: it is unknown, broken or not available. None if it runs."""
    try:
        missing: str | None = registry.load("engines", engine).available(device)
    except ConfigError as e:
        return e.message
    except FAULTS as e:
        if cancelled(e):
            raise
        return f"engine {engine!r} can't be used: {told(e)}"
    return missing


def check_file(path: Path) -> None:
    """Raise ModelError unless the file exists and is not empty."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected an ONNX file")
    if path.stat().st_size == 0:
        raise ModelError(f"{path} is empty: expected an ONNX file")


def has_graph(path: Path) -> bool:
    """Whether a whole file is ONNX, as far as its outermost fields tell. Reads only these."""
    size = path.stat().st_size
    found = False
    with path.open("rb") as file:
        while file.tell() < size:
            key = _varint(file)
            if key is None or key & 7 not in (0, 2):  # a model's fields are only varints and length-delimited
                return False
            value = _varint(file)
            if value is None:
                return False
            if key & 7 == 2:
                if value > size - file.tell():
                    return False
                file.seek(value, os.SEEK_CUR)
                found = found or key >> 3 == 7
        return found and file.tell() == size


def _varint(file: BinaryIO) -> int | None:
    """Read a Protocol Buffers varint; None if there is none."""
    value = 0
    for i in range(10):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 127) << (7 * i)
        if byte[0] < 128:
            return value
    return None


def check_precision(engine: str, device: str, precision: str, known: Sequence[str]) -> None:
    """Raise ConfigError unless the engine can compute in this precision; ``known`` lists those that it can."""
    if precision not in PRECISIONS:
        raise ConfigError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    if precision not in ("auto", *known):
        raise ConfigError(
            f"precision {precision!r}: engine {engine!r} computes in {' or '.join(known)} on this {device}; "
            "leave precision out or choose another engine"
        )


def cores() -> int:
    """Number of physical processor cores that this process may use, by its affinity and its container's quota."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    physical = _physical_cores() or usable
    return max(1, min(usable, physical, container_quota(Path("/sys/fs/cgroup/cpu.max")) or usable))


@cache  # models are looked after four times a second, and this reads some files for each core
def _physical_cores() -> int | None:
    import psutil

    return psutil.cpu_count(logical=False)


def container_quota(path: Path) -> int | None:
    """Whole processors that a Linux control group allows by its ``cpu.max``, at least 1; None if there is no limit."""
    try:
        quota, period = path.read_text().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup, or no quota ("max")
        return None


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise ModelError where a runtime finds a name or a word in a file that is no text."""
    try:
        yield
    except UnicodeDecodeError as e:
        raise ModelError(
            f"{path}: a name in it, or its metadata, is no text in UTF-8 ({e.reason}); export it again"
        ) from None


def reason(error: Exception) -> str:
    """Message of a runtime's exception on one line of at most 400 characters."""
    return " ".join(str(error).split())[:400]


def spec_of(name: str, shape: list[Any], dtype: np.dtype[Any] | str) -> TensorSpec:
    """Make a TensorSpec from a runtime's own shape, in which anything but a positive number is dynamic."""
    dims = tuple(d if isinstance(d, int) and d > 0 else None for d in shape)
    return TensorSpec(name, dims, str(dtype))
