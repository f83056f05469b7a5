"""Videos are upright and their pixels square, from a file and over HTTP alike; what a decoder loses is counted."""

from __future__ import annotations

import gc
import struct
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import SourceError
from sightline.core.types import Image
from sightline.media import orientation
from sightline.sources._packets import Awaited
from sightline.sources.base import Shot, open_source
from support.clips import number_of, numbered, write_clip
from support.http_files import files

AXES = {1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1)}
AXES |= {5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0)}


def corner() -> Image:
    """A dark picture whose left upper corner is bright, and a part below it half so."""
    image = np.full((48, 64, 3), 30, np.uint8)
    image[:16, :16] = 230
    image[16:32, :16] = 120
    return image


def turned(clip: Path, number: int) -> Path:
    """Write a display matrix into the header of a clip's only track."""
    data = bytearray(clip.read_bytes())
    a, b, c, d = (value << 16 for value in AXES[number])
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    clip.write_bytes(data)
    return clip


def shots_of(spec: str) -> list[Shot]:
    with open_source(spec) as source:
        return list(source)


@pytest.mark.parametrize("number", range(1, 9))
def test_a_video_is_upright_as_its_matrix_says_from_a_file_and_over_http(tmp_path: Path, number: int) -> None:
    """Fault 4."""
    turned(write_clip(tmp_path / "clip.mp4", [corner()] * 3), number)
    with files(tmp_path) as url:
        pairs = [shots_of(str(tmp_path / "clip.mp4")), shots_of(f"{url}/clip.mp4")]
    expected = orientation.upright(corner(), number)
    for shots in pairs:
        assert len(shots) == 3
        assert shots[0].image.shape == expected.shape
        assert np.abs(shots[0].image.astype(int) - expected).mean() < 6


def test_no_picture_stays_in_memory_once_it_was_passed_on(tmp_path: Path) -> None:
    """A frame that held itself did, until Python looked for such rings: 670 MB of 240 pictures of 1920x1080."""
    write_clip(tmp_path / "clip.mp4", [corner()] * 30)

    def alive() -> list[object]:
        return [one for one in gc.get_objects() if type(one) is av.VideoFrame]

    gc.collect()
    gc.disable()
    try:
        others = alive()  # of other tests
        with files(tmp_path) as url:
            assert len(shots_of(str(tmp_path / "clip.mp4"))) == len(shots_of(f"{url}/clip.mp4")) == 30
        assert len(alive()) == len(others)
    finally:
        gc.enable()


@given(st.integers(1, 8), st.integers(1, 1 << 15), st.integers(1, 1 << 15), st.binary(min_size=36, max_size=36))
def test_matrices_that_scale_are_read_too_and_no_matrix_is_refused(
    number: int, across: int, down: int, noise: bytes
) -> None:
    a, b, c, d = AXES[number]
    matrix = struct.pack("=9i", a * across, b * across, 0, c * down, d * down, 0, 5, 6, 1 << 30)
    assert orientation.of_matrix(matrix) == number
    assert orientation.of_matrix(noise) in AXES


@pytest.mark.parametrize(
    ("pixel", "size"), [((2, 1), (128, 48)), ((16, 15), (68, 48)), ((1, 2), (64, 96)), ((9, 1), (64, 48))]
)
def test_pixels_are_square(tmp_path: Path, pixel: tuple[int, int], size: tuple[int, int]) -> None:
    """Fault 13. A ratio of 9 is not believed."""
    with av.open(str(tmp_path / "clip.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(*pixel)
        for number in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), format="bgr24")))
        out.mux(stream.encode(None))
    with files(tmp_path) as url:
        for spec in (str(tmp_path / "clip.mp4"), f"{url}/clip.mp4"):
            shots = shots_of(spec)
            assert [number_of(shot.image) for shot in shots] == [0, 1, 2]
            assert {(shot.image.shape[1], shot.image.shape[0]) for shot in shots} == {size}


@pytest.mark.parametrize("count", [1, 3, 30])
def test_a_video_whose_sound_comes_first_is_whole_over_http(tmp_path: Path, count: int) -> None:
    """Fault 5."""
    with av.open(str(tmp_path / "clip.mp4"), "w") as out:
        sound = out.add_stream("aac", rate=48000, layout="mono")
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for i in range(count):
            out.mux(video.encode(av.VideoFrame.from_ndarray(numbered(i), format="bgr24")))
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts, silence.time_base = 48000, i * 1920, Fraction(1, 48000)
            out.mux(sound.encode(silence))
        out.mux(video.encode(None))
        out.mux(sound.encode(None))
    with files(tmp_path) as url:
        assert [number_of(shot.image) for shot in shots_of(f"{url}/clip.mp4")] == list(range(count))


def test_hls_segments_may_have_any_name(tmp_path: Path) -> None:
    """Fault 6."""
    options = {"hls_time": "1", "hls_list_size": "0", "hls_segment_filename": str(tmp_path / "s%d.ts")}
    with av.open(str(tmp_path / "a.m3u8"), "w", format="hls", options=options) as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = 25
        for i in range(50):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(i), format="bgr24")))
        out.mux(stream.encode(None))
    playlist = (tmp_path / "a.m3u8").read_text()
    names = ("a{}", "a{}.jpg", "seg{}?id=a0")
    for name in names:
        for i in range(2):
            (tmp_path / name.format(i).partition("?")[0]).write_bytes((tmp_path / f"s{i}.ts").read_bytes())
    with files(tmp_path) as url:
        for name in names:
            named = playlist
            for i in range(2):
                named = named.replace(f"s{i}.ts", name.format(i))
            for file in ("named.m3u8", "named"):
                (tmp_path / file).write_text(named)
                assert len(shots_of(f"{url}/{file}")) == 50, f"{name} in {file}"


def test_what_a_decoder_loses_is_counted(tmp_path: Path) -> None:
    """Every packet either gives a picture or is counted, also where the decoder says nothing."""
    clip = write_clip(tmp_path / "clip.mp4", [numbered(i) for i in range(60)])
    with av.open(str(clip)) as read:
        places = [packet.pos or 0 for packet in read.demux(video=0) if packet.size]
    data = bytearray(clip.read_bytes())
    for place in places[20:30]:
        data[place + 4 : place + 60] = b"\xff" * 56
    clip.write_bytes(data)
    with files(tmp_path) as url:
        for spec in (str(clip), f"{url}/clip.mp4"):
            lost: Counter[str] = Counter()
            with open_source(spec) as source:
                source.lose = lambda reason, count, lost=lost: lost.update({reason: count})  # type: ignore[misc]
                shots = list(source)
            assert len(shots) + lost["undecodable"] == 60
            assert len(shots) < 60
            assert lost.keys() <= {"undecodable"}


@given(st.lists(st.integers(0, 2), max_size=300))
def test_each_picture_that_a_decoder_is_given_comes_or_is_lost_once(fates: list[int]) -> None:
    """0 comes at once, 1 is lost, 2 comes two later."""
    lost: Counter[str] = Counter()
    awaited = Awaited(lambda reason, count: lost.update({reason: count}))
    came = 0
    late: list[int] = []
    for pts, fate in enumerate(fates):
        awaited.sent(pts)
        if fate == 0:
            came += 1 + len(late)
            for earlier in [*late, pts]:
                awaited.came(earlier)
            late = []
        elif fate == 2:
            late.append(pts)
            if len(late) > 2:
                came += 1
                awaited.came(late.pop(0))
    for earlier in late:
        awaited.came(earlier)
    awaited.end()
    assert came + len(late) + lost["undecodable"] == len(fates)


def test_videos_of_reports_play_over_http_as_from_the_file(cases: Path) -> None:
    """Faults 4, 5 and 6, with the reports' own files."""
    with files(cases) as url:
        for name, count in (("phone_rot.mp4", 20), ("audio_first.mp4", 12)):
            file, http = shots_of(str(cases / name)), shots_of(f"{url}/{name}")
            assert len(file) == len(http) == count
            assert all(np.array_equal(a.image, b.image) for a, b in zip(file, http, strict=True))
            assert file[0].image.shape == (270, 480, 3)
        hls = shots_of(f"{url}/hls_no_extension/a.m3u8")
    assert (len(hls), hls[0].image.shape) == (60, (432, 768, 3))
    with pytest.raises(SourceError, match="HEIC pictures are not read: convert them"):
        shots_of(str(cases / "grid.heic"))
