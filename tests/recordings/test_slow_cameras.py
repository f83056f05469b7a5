"""Cameras that send a picture now and then: what lies between two of theirs is not missing."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from sightline.recordings import keeper, segment
from support.clips import numbered
from support.http_files import files
from support.inside import inside
from support.recorded import pieces


async def test_a_slow_camera_has_one_file_and_no_gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each picture had a file of its own, and between them it said that there was no camera."""
    monkeypatch.setattr(keeper, "QUIET_S", 0.3)
    monkeypatch.setattr(keeper, "PATIENCE", 30.0)  # on a busy machine pictures are late
    monkeypatch.setattr(keeper, "GAP_S", 0.3)
    monkeypatch.setattr(segment, "JUMP_S", 0.5)
    cv2.imwrite(str(tmp_path / "snap.jpg"), numbered(1))
    data, streams = tmp_path / "data", {"yard": {"record": "always"}}
    with files(tmp_path) as url:
        sources = {"yard": f"{url}/snap.jpg#fps=1"}
        async with inside(data=data, sources=sources, streams=streams, model="motion", record_free_gb=0) as server:
            await server.figures(lambda s: s["recordings"].get("yard", {"written": 0})["written"] >= 5)
    found = pieces(data / "recordings")
    assert len(found) <= 2, "a busy machine may have two pictures in a burst, which ends a file"
    assert sum(len(one.lines) for one in found) >= 5
    gaps = [line for path in data.glob("recordings/yard/*/gaps.jsonl") for line in path.read_text().splitlines()]
    assert len(gaps) < len(found)
