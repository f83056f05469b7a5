"""A disk that is full stops recording alone: it is told, exact, and over once there is room again."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from sightline.recordings import recordings, segment
from sightline.recordings.mp4 import VideoFile
from support.inside import inside
from support.recorded import pieces
from support.serving import peer, publish
from support.shelves import NOW, keeper, shelf_in, take


class Disk:
    """Room for recordings, which a test takes away: half of a write gets through, as on a real disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 1 << 40
        put, write_line = VideoFile.put, os.write

        def limited(file: VideoFile, data: bytes) -> None:
            self._take(len(data), lambda count: put(file, data[:count]))

        def limited_line(handle: int, data: Any) -> int:
            self._take(len(data), lambda count: write_line(handle, bytes(data)[:count]))
            return len(data)

        monkeypatch.setattr(VideoFile, "put", limited)
        monkeypatch.setattr(segment, "os", type("os", (), {"write": staticmethod(limited_line)}))

    def _take(self, wanted: int, write: Any) -> None:
        fits = min(wanted, self.left)
        self.left -= fits
        write(fits)
        if fits < wanted:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("room", [0, 1500, 5000, 9999])
async def test_recording_stops_alone_and_goes_on_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(recordings, "LOOK_S", 0.05)
    disk = Disk(monkeypatch)
    streams = {"door": {"record": "always"}}
    async with inside(data=tmp_path, streams=streams, model="motion", record_free_gb=0, max_fps=240) as server:
        async with peer(f"{server.ws}/ws/camera/door") as camera:
            await publish(camera, 5)
            disk.left = room
            answers = await publish(camera, 20, start=5)
            assert answers["result"] == 20, "nobody else notices"
            told = await server.figures(
                lambda s: s["recordings"]["door"]["waiting"] == 0 and "recordings" in s["troubles"]
            )
            assert told["recordings"]["door"]["lost"]["disk full"] > 5
            assert "No space" in told["troubles"]["recordings"]
            disk.left = 1 << 40
            before = told["recordings"]["door"]["written"]
            seq = 25
            while (await server.figures())["recordings"]["door"]["written"] < before + 5:
                await publish(camera, 1, start=seq)
                seq += 1
        done = await server.figures(lambda s: s["recordings"]["door"]["waiting"] == 0 and not s["troubles"])
    found = done["recordings"]["door"]
    assert found["recorded"] == seq == found["written"] + sum(found["lost"].values())
    whole = pieces(tmp_path / "recordings")
    assert sum(len(one.times) for one in whole) == sum(len(one.lines) for one in whole) == found["written"]
    numbers = [line["seq"] for one in whole for line in one.lines]
    assert numbers == sorted(set(numbers))


async def test_nothing_is_recorded_where_the_disk_would_have_too_little_left(tmp_path: Path) -> None:
    streams = {"door": {"record": "always"}}
    async with inside(data=tmp_path, streams=streams, model="motion", record_free_gb=1e6) as server:
        async with peer(f"{server.ws}/ws/camera/door") as camera:
            await publish(camera, 5)
        told = await server.figures(lambda s: s["recordings"].get("door", {}).get("lost") == {"disk full": 5})
    assert "less than 1e+06 GB are free" in told["troubles"]["recordings"]
    assert not pieces(tmp_path / "recordings")


def test_a_fault_of_ours_is_not_called_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    shelf = shelf_in(tmp_path / "recordings")
    recorder = keeper(shelf)
    recorder.work([take(NOW + seq / 10, seq) for seq in range(5)])
    with monkeypatch.context() as patch:
        patch.setattr(segment.OpenSegment, "add", broken)
        assert set(recorder.work([take(NOW + 1)]).lost) == {"failed"}
    recorder.work([take(NOW + 11), take(NOW + 12)], last="no camera")
    gaps = shelf.index.gaps("door", 0, 1e11)
    shelf.close()
    assert [(gap.started_at, gap.ended_at, gap.reason) for gap in gaps] == [(NOW + 0.4, NOW + 11, "failed")]
