"""Video files."""

from __future__ import annotations

import itertools
import logging
import resource
import struct
import tracemalloc
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from sightline.core.errors import SourceError
from sightline.core.types import Image
from sightline.sources import file
from sightline.sources.base import Shot, open_source
from support.clips import BOMBS, number_of, numbered, write_bomb, write_clip


def shots(path: Path) -> list[Shot]:
    with file.open(str(path)) as source:
        return list(source)


def test_frames_come_in_order_each_with_its_time(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [numbered(i) for i in range(30)], fps=10)
    with open_source(str(clip)) as source:
        assert (source.name, source.total, source.fps) == ("clip.mp4", 30, 10.0)
        assert (source.live, source.images) == (False, False)
        got = list(source)
        assert source.unreadable == 0
    assert [number_of(shot.image) for shot in got] == list(range(30))
    assert [shot.timestamp for shot in got] == pytest.approx([i / 10 for i in range(30)])
    assert {shot.name for shot in got} == {"clip.mp4"}
    assert got[0].image.shape == (48, 64, 3)
    assert got[0].image.dtype == np.uint8


def test_uneven_times_are_kept_and_begin_with_the_file(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.5, 0.51, 2.0]
    for name, start in [("clip.mp4", 0.0), ("clip.ts", 7.0)]:
        clip = write_clip(tmp_path / name, [numbered(i) for i in range(5)], times=[start + t for t in times])
        assert [shot.timestamp for shot in shots(clip)] == pytest.approx(times, abs=0.002), name


def test_times_always_grow_even_where_the_files_do_not(tmp_path: Path) -> None:
    clip = tmp_path / "joined.mkv"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for i, pts in enumerate([0, 1, 2, 2, 2, 5]):
            for packet in stream.encode(av.VideoFrame.from_ndarray(numbered(i), format="bgr24")):
                packet.pts = packet.dts = pts
                container.mux(packet)
    times = [shot.timestamp for shot in shots(clip)]
    assert len(times) == 6
    assert times == sorted(set(times))


@pytest.mark.parametrize("name", ["clip.avi", "clip.mkv", "clip.webm", "clip.gif", "clip"])
def test_any_container_will_do(tmp_path: Path, name: str) -> None:
    codec = {"clip.webm": "libvpx", "clip.gif": "gif", "clip.avi": "mjpeg"}.get(name, "libx264")
    pixels = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    clip = tmp_path / name
    with av.open(str(clip), "w", format=None if "." in name else "matroska") as container:
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for i in range(5):
            frame = av.VideoFrame.from_ndarray(numbered(i), format="bgr24")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))
    assert len(shots(clip)) == 5


@pytest.mark.parametrize(("degrees", "dark"), [(90, "top"), (180, "right"), (270, "bottom")])
def test_a_phones_sideways_video_is_turned_upright(tmp_path: Path, degrees: int, dark: str) -> None:
    picture = np.full((48, 64, 3), 220, np.uint8)
    picture[:, :32] = 20  # the left half is dark
    clip = write_clip(tmp_path / "phone.mp4", [picture] * 3)
    turn(clip, degrees)
    image = shots(clip)[0].image
    assert image.shape == ((48, 64, 3) if degrees == 180 else (64, 48, 3))
    assert darkest_side(image) == dark
    assert image.flags.c_contiguous


def test_a_file_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", [numbered(i, 320, 240) for i in range(50)]).read_bytes()
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(whole[: len(whole) // 2])
    assert 5 < len(shots(broken)) < 50


def test_a_packet_that_can_not_be_decoded_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = tmp_path / "clip.avi"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for i in range(10):
            packets = stream.encode(av.VideoFrame.from_ndarray(numbered(i), format="bgr24"))
            container.mux(packets)
    data = bytearray(clip.read_bytes())
    starts = [i for i in range(len(data)) if data[i : i + 3] == b"\xff\xd8\xff"]
    end = starts[5] - 8  # where the next frame has its header
    data[starts[4] : end] = bytes(end - starts[4])
    clip.write_bytes(data)
    with caplog.at_level(logging.WARNING), file.open(str(clip)) as source:
        numbers = [number_of(shot.image) for shot in source]
        assert source.unreadable == 1
    assert numbers == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert "clip.avi is damaged" in caplog.text


def test_noise_in_the_middle_is_not_the_end(tmp_path: Path) -> None:
    clip = write_clip(
        tmp_path / "clip.mp4", [np.random.default_rng(i).integers(0, 255, (48, 64, 3), np.uint8) for i in range(60)]
    )
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    clip.write_bytes(data)
    assert shots(clip)[-1].timestamp == pytest.approx(59 / 25)


def test_what_is_no_video_is_refused_with_the_reason(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a video, " * 100)
    with pytest.raises(SourceError, match=r"notes\.mp4: can't be read as a video"):
        open_source(str(text))
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(SourceError, match=r"empty\.mp4: can't be read as a video"):
        open_source(str(empty))
    sound = tmp_path / "sound.wav"
    with wave.open(str(sound), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(1600))
    with pytest.raises(SourceError, match=r"sound\.wav: no video in this file that can be decoded, only audio"):
        open_source(str(sound))
    with pytest.raises(SourceError, match=r"gone\.mp4: no such file"):
        file.open(str(tmp_path / "gone.mp4"))


def test_a_clip_is_streamed_and_never_held(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "long.mp4", [numbered(i, 640, 480) for i in range(100)])  # 88 MB of pixels
    tracemalloc.start()
    try:
        with file.open(str(clip)) as source:
            count = sum(1 for _ in source)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 100
    assert peak < 20e6


def test_the_real_clip_has_its_frames(assets: Path) -> None:
    clip = assets / "videos" / "crowd.mp4"
    with open_source(str(clip)) as source, av.open(str(clip)) as reference:
        got = 0
        for shot, frame in zip(source, reference.decode(video=0), strict=True):
            assert shot.timestamp == pytest.approx(frame.time)
            if got % 50 == 0:
                assert (shot.image == frame.to_ndarray(format="bgr24")).all()
            got += 1
        assert got == source.total


def turn(clip: Path, degrees: int) -> None:
    """Write a clockwise turn into the track's header, as phones do."""
    one = 1 << 16
    a, b, c, d = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[degrees]
    data = bytearray(clip.read_bytes())
    at = data.index(b"tkhd") + 44
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    clip.write_bytes(data)


def darkest_side(image: Image) -> str:
    sides = {"top": image[:8], "bottom": image[-8:], "left": image[:, :8], "right": image[:, -8:]}
    return min(sides, key=lambda side: float(sides[side].mean()))


def test_a_video_that_nobody_watches_keeps_its_pace_and_goes_on_from_any_frame(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [numbered(i) for i in range(120)], fps=25)
    with open_source(str(clip)) as source:
        shots = iter(source)
        first = [next(shots) for _ in range(5)]
        source.idle = True
        spared = [next(shots) for _ in range(60)]
        source.idle = False
        rest = list(shots)
    assert [number_of(shot.image) for shot in first] == list(range(5))
    assert not any(shot.fresh for shot in spared[1:])
    assert len({id(shot.image) for shot in spared}) <= 3
    times = [shot.timestamp for shot in first + spared + rest]
    assert times == sorted(set(times))
    assert spared[-1].timestamp == pytest.approx(64 / 25, abs=0.3)
    fresh = [number_of(shot.image) for shot in rest if shot.fresh]
    assert fresh == list(range(fresh[0], 120)), "every frame from here on"
    assert fresh[0] <= 66


@pytest.mark.parametrize("watched_from", range(94, 104))
def test_a_video_keeps_its_pace_however_far_apart_its_key_frames_are(
    watched_from: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder gives pictures late. Those of an earlier key frame are no jump back, after which one has to wait."""
    monkeypatch.setattr("sightline.sources._packets.IDLE_S", 0.0)  # as if each key frame came a second after the last
    clip = write_clip(tmp_path / "clip.mp4", [numbered(i) for i in range(150)], key_every=50)
    with open_source(str(clip)) as source:
        found = []
        for shot in source:
            found.append(shot)
            source.idle = 5 <= len(found) < watched_from
    steps = [later.timestamp - shot.timestamp for shot, later in itertools.pairwise(found)]
    assert min(steps) > 0
    assert max(steps) < 0.5
    assert found[-1].timestamp == pytest.approx(149 / 25, abs=0.3)
    fresh = [number_of(shot.image) for shot in found[watched_from:] if shot.fresh]
    assert fresh == list(range(fresh[0], 150))
    assert 94 <= fresh[0] <= 106


@pytest.mark.parametrize("name", list(BOMBS))
def test_a_video_that_claims_to_be_huge_is_refused_by_the_decoder(name: str, tmp_path: Path) -> None:
    """FFmpeg alone takes up to 268 million pixels: a GIF of 500 bytes costs 4 s and 1.7 GB."""
    bomb = write_bomb(tmp_path / name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError, match="not one frame of this video can be decoded"):
        shots(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32_000, "KB"
