"""What a sudden end costs: pictures don't wait for their results, and what can't wait is counted."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import av
import pytest

from sightline.core.types import Encoded, Frame
from sightline.recordings import recorder as module
from sightline.recordings import tee as tee_module
from sightline.recordings.recorder import Recorder
from sightline.recordings.shelf import Shelf
from sightline.recordings.tee import Tee
from sightline.recordings.writer_threads import WriterThreads
from support.clips import moving, write_clip
from support.recorded import pieces
from support.results import result_of
from support.shelves import JPEGS, keeper, shelf_in


class Room:
    """A recorder without a server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shelf = shelf_in(folder)
        self.writers = WriterThreads()
        self.recorder = Recorder("door", keeper(self.shelf), self.writers, 10, lambda: "always")
        self.began = time.time()

    def send(self, seq: int, *, after_s: float) -> Frame:
        """Give it a picture that was taken so long after the first."""
        at = self.began + after_s
        frame = Frame("door", seq, at, time.monotonic(), Encoded(JPEGS[seq % 8], 64, 48), at)
        self.recorder.offer(frame)
        return frame

    async def written(self) -> None:
        """Wait until all that may be written is: results are awaited for a moment only."""
        async with asyncio.timeout(10):
            while self.recorder._coming:
                self.recorder.tick("")
                await asyncio.sleep(0.02)
        self.recorder.tick("")
        await self.recorder._idle.wait()

    def killed(self, folder: Path) -> Shelf:
        """Open a copy of the folder, as the next server would find it after a kill."""
        shutil.copytree(self.folder, folder)
        shelf = Shelf(folder)
        shelf.settle_all()
        return shelf

    def exact(self) -> bool:
        one = self.recorder
        return one.recorded == one.written + one.waiting + sum(one.lost.values())


@pytest.fixture
async def room(tmp_path: Path) -> AsyncGenerator[Room]:
    made = Room(tmp_path / "recordings")
    yield made
    await made.recorder.close("over")
    made.writers.close()
    made.shelf.close()


async def test_a_kill_costs_no_picture_whose_result_is_awaited(room: Room, tmp_path: Path) -> None:
    frames = [room.send(seq, after_s=seq / 10) for seq in range(10)]
    for frame in frames[:4]:
        room.recorder.settle(frame, result_of(frame))
    await room.written()
    shelf = room.killed(tmp_path / "killed")
    (row,) = shelf.index.segments("door", 0, 1e11)
    shelf.close()
    assert row.frames == 9, "the newest frame's fragment is written with the next one"
    (piece,) = pieces(tmp_path / "killed")
    assert piece.line_times == piece.times
    assert ["result" in line for line in piece.lines] == [True] * 4 + [False] * 5
    assert {line["dropped"] for line in piece.lines[4:]} == {"cut off"}
    assert [line["at"] for line in piece.lines] == pytest.approx([room.began + n / 10 for n in range(9)], abs=1e-4)


async def test_a_result_that_comes_after_its_segment_has_ended_is_in_it(room: Room) -> None:
    frames = [room.send(seq, after_s=seq * 9) for seq in range(9)]
    await room.written()
    assert room.recorder.written == 9
    for frame in reversed(frames):
        room.recorder.settle(frame, result_of(frame))
    await room.written()
    await room.recorder.close("over")
    first, second = pieces(room.folder)
    assert first.ended
    assert [len(one.lines) for one in (first, second)] == [7, 2]
    assert all("result" in line for line in first.lines + second.lines)
    assert room.exact()


async def test_packets_that_come_while_the_loop_stands_are_counted(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_INBOX", 30)
    clip = write_clip(tmp_path / "clip.mp4", (moving(number) for number in range(40)))
    tee = Tee(room.recorder)
    with av.open(str(clip)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                tee(packet)
    await room.written()
    assert room.exact()
    assert room.recorder.lost == {"overload": 10}
    await room.recorder.close("over")
    assert (room.recorder.recorded, room.recorder.written) == (40, 30)
    (piece,) = pieces(room.folder)
    assert piece.line_times == piece.times


async def test_a_packet_that_lost_its_times_is_copied_like_the_others(room: Room, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", (moving(number) for number in range(40)))
    tee = Tee(room.recorder)
    with av.open(str(clip)) as container:
        for number, packet in enumerate(container.demux(video=0)):
            if number == 20:
                packet.pts = packet.dts = None
            if packet.size:
                assert tee(packet)
    await room.written()
    await room.recorder.close("over")
    assert (room.recorder.recorded, room.recorder.written) == (40, 40)
    (piece,) = pieces(room.folder)
    assert len(set(piece.times)) == 40
    assert piece.line_times == piece.times


async def test_a_camera_without_further_key_frames_has_its_pictures_encoded(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its one file would go on for ever: files begin with key frames."""
    monkeypatch.setattr(tee_module, "KEYLESS_S", 0.0)
    clip = write_clip(tmp_path / "clip.mp4", (moving(number) for number in range(40)))
    tee = Tee(room.recorder)
    copied = []
    with av.open(str(clip)) as container:
        for number, packet in enumerate(container.demux(video=0)):
            if packet.size:
                copied.append(tee(packet))
                if not copied[-1]:
                    room.recorder.settle(room.send(number, after_s=number / 25))
    assert copied == [True] + [False] * 39
    await room.written()
    await room.recorder.close("over")
    assert (room.recorder.recorded, room.recorder.written) == (40, 40)
    assert sorted(len(piece.times) for piece in pieces(room.folder)) == [1, 39]
