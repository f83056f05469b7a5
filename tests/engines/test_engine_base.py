"""How many threads an engine gets, and which files are whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.engines import base
from sightline.engines.base import has_graph


def test_cores_are_at_most_those_this_process_may_use() -> None:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    assert 1 <= base.cores() <= usable


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_cores_follow_the_affinity() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert base.cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("150000 100000\n", 1), ("400000 100000\n", 4), ("50000 100000\n", 1), ("max 100000\n", None), ("", None)],
)
def test_the_quota_of_a_container(tmp_path: Path, text: str, expected: int | None) -> None:
    file = tmp_path / "cpu.max"
    assert base.container_quota(file) is None
    file.write_text(text)
    assert base.container_quota(file) == expected


def test_a_whole_graph_is_told_from_a_broken_one(make_graph: Callable[..., Path], tmp_path: Path) -> None:
    file = make_graph({"y": np.zeros((2, 3), np.float32)})
    assert has_graph(file)
    data = file.read_bytes()
    endless = b"\x3a" + b"\xff" * 9 + b"\x7f"
    for broken in (data[:-1], data[: len(data) // 2], data + b"\x0a", b"not a graph " * 30, b"\x08\x0a", endless):
        other = tmp_path / "other.onnx"
        other.write_bytes(broken)
        assert not has_graph(other)


@given(data=st.binary(max_size=400))
def test_any_bytes_are_judged(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.onnx"
    file.write_bytes(data)
    assert has_graph(file) in (False, True)
