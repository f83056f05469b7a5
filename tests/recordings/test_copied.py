"""Packets of cameras that the server pulls: copied bit by bit, each with the result of its own frame."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sightline.media import orientation
from sightline.sources.base import open_source
from sources.test_upright import turned
from support.clips import moving
from support.inside import inside
from support.recorded import Piece, pieces
from support.rtsp import RtspServer


def write_with_b_frames(path: Path, count: int, rate: int = 25) -> Path:
    """A clip whose packets come in another order than its pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"bf": "3", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(moving(number)), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="yuv420p").tobytes() for frame in container.decode(video=0)]


def sizes(path: Path) -> set[tuple[int, int]]:
    """Width and height that the file says, and those of its pictures."""
    with av.open(str(path)) as container:
        said = container.streams.video[0]
        return {(said.width, said.height)} | {(one.width, one.height) for one in container.decode(video=0)}


def shown(piece: Piece) -> list[int]:
    """Numbers of the frames in the order in which they are shown."""
    lines = sorted(piece.lines, key=lambda line: line["pts"])
    return [line["seq"] for line in lines if "seq" in line]


async def recorded(data: Path, source: str, frames: int, *, detect: bool = True) -> Sequence[Piece]:
    """Have a source pulled and recorded until so many frames are written."""
    streams = {"lane": {"record": "always"}}
    async with inside(data=data, sources={"lane": source}, streams=streams, model="motion", record_free_gb=0) as server:
        server.loop.call_soon_threadsafe(server.hub.streams["lane"].switch, detect)
        stats = await server.figures(lambda s: s["recordings"].get("lane", {"written": 0})["written"] >= frames)
        assert stats["recordings"]["lane"]["lost"] == {}
    return pieces(data / "recordings")


@pytest.mark.parametrize("detect", [True, False])
async def test_packets_are_copied_in_any_order_of_theirs(tmp_path: Path, detect: bool) -> None:
    clip = write_with_b_frames(tmp_path / "clip.mp4", 30)
    first, *_ = await recorded(tmp_path, f"{clip}#loop", 30, detect=detect)
    assert decoded(first.path) == decoded(clip)
    assert first.line_times == first.times
    if detect:
        assert shown(first) == sorted(shown(first))
    assert any(("result" in line) == detect for line in first.lines)


async def test_b_frames_of_matroska_are_copied_too(tmp_path: Path) -> None:
    """FFmpeg does not know when the first ones are decoded: nothing was recorded up to the next key frame."""
    clip = write_with_b_frames(tmp_path / "clip.mkv", 30)
    first, *_ = await recorded(tmp_path, f"{clip}#loop", 60)
    assert decoded(first.path) == decoded(clip)
    assert shown(first) == sorted(shown(first))


async def test_packets_without_times_are_encoded(tmp_path: Path) -> None:
    """Of such a file nothing was recorded, and nothing said so."""
    clip = write_with_b_frames(tmp_path / "clip.h264", 30)
    first, *_ = await recorded(tmp_path, f"{clip}#loop", 20)
    assert (first.header["codec"], first.header["time_base"]) == ("h264", [1, 90000])
    assert len(decoded(first.path)) == len(first.lines)


async def test_b_frames_have_the_times_at_which_they_are_shown(tmp_path: Path) -> None:
    """Those had the time of the packet before them, and a replay had neither the last pictures nor the right pace."""
    clip = write_with_b_frames(tmp_path / "clip.mp4", 30, rate=8)
    found = await recorded(tmp_path, f"{clip}#loop", 30)
    taken = [line["at"] for piece in found for line in sorted(piece.lines, key=lambda line: line["pts"])]
    assert taken == sorted(taken)
    with open_source("recording:lane", data=lambda: tmp_path) as opened:
        shots = list(opened)
    assert [shot.at for shot in shots] == taken
    assert shots[-1].timestamp == pytest.approx(taken[-1] - taken[0], abs=0.1)


async def test_rtsp_is_copied_from_its_first_packet_on(tmp_path: Path) -> None:
    with RtspServer() as camera:
        found = await recorded(tmp_path, camera.url, 20)
    assert len(found) == 1
    assert found[0].line_times == found[0].times
    assert found[0].header["time_base"] == [1, 90000]


async def test_b_frames_of_rtsp_are_copied_from_the_first_packet_on(tmp_path: Path) -> None:
    """All up to the second key frame was lost as ``failed``, with each connection."""
    with RtspServer(fps=10, b_frames=3) as camera:
        found = await recorded(tmp_path, camera.url, 25)
    assert len(found) == 1
    times = [at - found[0].times[0] for at in sorted(found[0].times)]
    assert times == [Fraction(number, 10) for number in range(len(times))]
    assert shown(found[0]) == sorted(shown(found[0]))


async def test_a_clock_that_goes_back_a_little_costs_no_more_than_to_the_next_key_frame(tmp_path: Path) -> None:
    """It failed as a fault of ours."""
    streams = {"lane": {"record": "always"}}
    with RtspServer(fps=10) as camera:
        sources = {"lane": camera.url}
        async with inside(data=tmp_path, sources=sources, streams=streams, model="motion", record_free_gb=0) as server:
            before = await server.figures(lambda s: s["recordings"].get("lane", {"written": 0})["written"] >= 15)
            camera.back_s = 2.0
            written = before["recordings"]["lane"]["written"] + 15
            after = await server.figures(lambda s: s["recordings"]["lane"]["written"] >= written)
    assert after["recordings"]["lane"]["lost"].keys() <= {"no key frame"}
    assert len(pieces(tmp_path / "recordings")) == 2


async def test_a_camera_that_changes_its_picture_gets_another_file(tmp_path: Path) -> None:
    """Such a file said the old size, and players that believe it showed nothing from then on."""
    streams = {"lane": {"record": "always"}}
    with RtspServer() as camera:
        sources = {"lane": camera.url}
        async with inside(data=tmp_path, sources=sources, streams=streams, model="motion", record_free_gb=0) as server:
            for size in ((320, 240), (160, 120)):
                before = await server.figures(lambda s: s["recordings"].get("lane", {"written": 0})["written"] >= 20)
                camera.size = size
                written = before["recordings"]["lane"]["written"] + 60
                await server.figures(lambda s: s["recordings"]["lane"]["written"] >= written)  # noqa: B023 - awaited at once
    found = pieces(tmp_path / "recordings")
    assert [(one.header["width"], one.header["height"]) for one in found] == [(160, 120), (320, 240), (160, 120)]
    for one in found:
        assert sizes(one.path) == {(one.header["width"], one.header["height"])}
        assert one.times[-1] - one.times[0] < 60, "the camera's clock begins anew with each size"


async def test_other_codecs_are_encoded(tmp_path: Path) -> None:
    clip = tmp_path / "clip.avi"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(10):
            image = np.ascontiguousarray(moving(number))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    first, *_ = await recorded(tmp_path, f"{clip}#loop", 10)
    assert (first.header["codec"], first.header["time_base"]) == ("h264", [1, 90000])


@pytest.mark.parametrize("number", [2, 6, 8])
async def test_a_sideways_video_is_upright_in_its_recording(tmp_path: Path, number: int) -> None:
    """Fault 3. As a file that players turn, in pictures that are taken out of it, and beside its results."""
    clip = turned(write_with_b_frames(tmp_path / "clip.mp4", 30), number)
    first, *_ = await recorded(tmp_path, f"{clip}#loop", 30)
    with open_source(str(clip)) as source:
        expected = next(iter(source)).image
    assert expected.shape == orientation.upright(np.zeros((120, 160, 3), np.uint8), number).shape
    for spec in (str(first.path), "recording:lane"):
        with open_source(spec, data=lambda: tmp_path) as opened:
            found = next(iter(opened)).image
        assert found.shape == expected.shape
        assert np.abs(found.astype(int) - expected).mean() < 6
    sizes_said = {(line["result"]["height"], line["result"]["width"]) for line in first.lines if "result" in line}
    assert sizes_said == {expected.shape[:2]}
