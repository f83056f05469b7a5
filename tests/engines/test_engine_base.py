"""How many threads an engine gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sightline.engines import base


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
