"""Files as people have them: covers, spatial videos, joined and damaged broadcasts, HD that names no colours."""

from __future__ import annotations

import itertools
import logging
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from av.video.stream import VideoStream

from sightline.core.errors import SourceError
from sightline.core.types import Image
from sightline.sources._times import Times
from sightline.sources.base import Shot, open_source
from support.clips import number_of, numbered
from support.http_files import files

TICKS = Fraction(1, 90_000)


def shots_of(spec: str) -> list[Shot]:
    with open_source(spec) as source:
        return list(source)


def add_video(out: av.container.OutputContainer, codec: str, size: tuple[int, int], fps: int) -> VideoStream:
    stream = out.add_stream(codec, rate=fps)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = size
    stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return stream


def add_pictures(out: av.container.OutputContainer, stream: VideoStream, pictures: Sequence[Image]) -> None:
    for picture in pictures:
        out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
    out.mux(stream.encode(None))


def song(path: Path) -> Path:
    """A sound with a cover, as an MP3 has it."""
    cover = cv2.imencode(".jpg", numbered(1))[1].tobytes()
    with av.open(str(path), "w", format="mp3") as out:
        sound = out.add_stream("libmp3lame", rate=48000, layout="mono")
        for i in range(20):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts, silence.time_base = 48000, i * 1152, Fraction(1, 48000)
            out.mux(sound.encode(silence))
        out.mux(sound.encode(None))
    data = path.read_bytes()
    body = b"\0image/jpeg\0\x03\0" + cover
    tag = b"APIC" + struct.pack(">IH", len(body), 0) + body
    size = bytes(len(tag) >> shift & 127 for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x03\0\0" + size + tag + data[data.index(b"\xff\xfb") :])
    return path


def test_a_cover_is_no_video(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clip = tmp_path / "clip.mp4"
    with av.open(str(clip), "w") as out:
        cover = add_video(out, "mjpeg", (64, 48), 1)
        cover.disposition = Disposition.attached_pic
        film = add_video(out, "libx264", (64, 48), 25)
        add_pictures(out, cover, [numbered(99)])
        add_pictures(out, film, [numbered(i) for i in range(5)])
    song(tmp_path / "song.mp3")
    with files(tmp_path) as url:
        for spec in (str(clip), f"{url}/clip.mp4"):
            assert [number_of(shot.image) for shot in shots_of(spec)] == list(range(5))
        with pytest.raises(SourceError, match="no video that can be decoded"):
            open_source(f"{url}/song.mp3")
    with pytest.raises(SourceError, match="no video in this file that can be decoded, only a cover, audio"):
        open_source(str(tmp_path / "song.mp3"))
    assert "videos is read" not in caplog.text


def test_of_several_videos_it_is_said_which_one_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clip = tmp_path / "clip.mp4"
    with av.open(str(clip), "w") as out:
        both = [add_video(out, "libx264", (64, 48), 25) for _ in range(2)]
        for i, stream in enumerate(both):
            add_pictures(out, stream, [numbered(10 * i + n) for n in range(3)])
    with caplog.at_level(logging.WARNING):
        assert [number_of(shot.image) for shot in shots_of(str(clip))] == [0, 1, 2]
    assert "clip.mp4: the first of its 2 videos is read" in caplog.text


def exif(orientation: int) -> bytes:
    body = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize(("orientation", "red"), [(1, "left"), (3, "right"), (6, "top"), (8, "bottom")])
def test_what_pyav_does_not_know_of_a_frame_stops_nothing(tmp_path: Path, orientation: int, red: str) -> None:
    """A camera's MJPEG with EXIF in each picture; the views of spatial videos come in the same way."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32] = (0, 0, 255)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as out:
        stream = add_video(out, "mjpeg", (64, 48), 10)
        for i in range(3):
            packet = av.Packet(jpeg[:2] + exif(orientation) + jpeg[2:])
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, i, i, Fraction(1, 10)
            out.mux(packet)
    shots = shots_of(str(path))
    assert len(shots) == 3
    assert shots[0].image.shape == ((48, 64, 3) if orientation in (1, 3) else (64, 48, 3))
    sides: dict[str, Any] = {"left": np.s_[:, :16], "right": np.s_[:, -16:], "top": np.s_[:16], "bottom": np.s_[-16:]}
    assert max(sides, key=lambda side: shots[0].image[sides[side]][..., 2].mean()) == red


@pytest.mark.parametrize("height", [704, 720])
def test_hd_that_names_no_colours_has_those_that_players_give_it(tmp_path: Path, height: int) -> None:
    """Browsers and players take HD for BT.709, and what is smaller for BT.601."""
    green = np.full((height, 64, 3), (40, 200, 40), np.uint8)
    clip = tmp_path / "clip.mp4"
    with av.open(str(clip), "w") as out:
        stream = add_video(out, "libx264", (64, height), 25)
        named = "ITU709" if height >= 720 else "ITU601"
        frame = av.VideoFrame.from_ndarray(green, format="bgr24").reformat(format="yuv420p", dst_colorspace=named)
        frame.colorspace = 2
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    (shot,) = shots_of(str(clip))
    assert np.abs(shot.image.astype(int) - green).max() < 6


def broadcast(path: Path, times: Sequence[float]) -> Path:
    """MPEG-TS whose packets have these times."""
    with av.open(str(path), "w", format="mpegts") as out:
        stream = add_video(out, "libx264", (64, 48), 10)
        stream.codec_context.options = {"tune": "zerolatency", "g": "1"}
        for i, at in enumerate(times):
            for packet in stream.encode(av.VideoFrame.from_ndarray(numbered(i), format="bgr24")):
                packet.pts = packet.dts = round(at / TICKS)
                packet.time_base = TICKS
                out.mux(packet)
    return path


def test_a_damaged_clock_in_a_broadcast_makes_no_gap_of_hours(tmp_path: Path) -> None:
    """Else a stream that plays it by its clock would wait for hours, and a video that is saved would last as long."""
    parts = [[1 + i / 10 for i in range(5)], [5000 + i / 10 for i in range(5)], [1.5 + i / 10 for i in range(5)]]
    whole = b"".join(broadcast(tmp_path / f"{n}.ts", part).read_bytes() for n, part in enumerate(parts))
    (tmp_path / "clip.ts").write_bytes(whole)
    with files(tmp_path) as url:
        for spec in (str(tmp_path / "clip.ts"), f"{url}/clip.ts"):
            times = [shot.timestamp for shot in shots_of(spec)]
            assert len(times) == 15
            assert all(0 < after - before < 1 for before, after in itertools.pairwise(times)), spec


def test_times_go_on_by_their_own_steps_after_a_jump() -> None:
    times = Times(None, 10, may_jump=True)
    found = [times.of(said) for said in (7, 7.5, 9000, 9000.5, 1, 1.5, None, 2)]
    assert found == pytest.approx([0, 0.5, 0.6, 1.1, 1.2, 1.7, 1.8, 2.2])
    slow = Times(0, 10, may_jump=False)
    assert [slow.of(said) for said in (0, 60, 120)] == [0, 60, 120], "a time-lapse"


def test_a_picture_whose_packet_is_cut_off_is_marked(tmp_path: Path) -> None:
    clip = tmp_path / "clip.avi"
    with av.open(str(clip), "w") as out:
        noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
        add_pictures(out, add_video(out, "mjpeg", (64, 48), 10), [noise] * 4)
    with av.open(str(clip)) as read:
        last = [packet.pos or 0 for packet in read.demux(video=0) if packet.size][3]
    clip.write_bytes(clip.read_bytes()[: last + 1200])
    assert [shot.damaged for shot in shots_of(str(clip))] == [False, False, False, True]


def test_an_animated_avif_is_read_whole(tmp_path: Path) -> None:
    """Beside the animation it has a still picture, which comes first."""
    image = pytest.importorskip("PIL.Image")
    pictures = [image.fromarray(numbered(i, 128, 96)) for i in (3, 5, 9)]
    path = tmp_path / "a.avif"
    try:
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    except (KeyError, OSError):
        pytest.skip("this Pillow makes no AVIF")
    assert [number_of(shot.image) for shot in shots_of(str(path))] == [3, 5, 9]


def test_pages_of_a_tiff_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Fault 13, of the other kinds that have several pictures."""
    assert cv2.imwritemulti(str(tmp_path / "a.tiff"), [numbered(i) for i in range(3)])
    assert cv2.imwrite(str(tmp_path / "b.tiff"), numbered(0))
    with av.open(str(tmp_path / "c.gif"), "w") as out:
        stream = out.add_stream("gif", rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8"
        for i in range(4):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(i), format="bgr24").reformat(format="rgb8")))
        out.mux(stream.encode(None))
    (tmp_path / "c.gif").rename(tmp_path / "c.png")
    with caplog.at_level(logging.WARNING):
        assert len(shots_of(str(tmp_path))) == 3
    assert "a.tiff: only the first of its 3 pictures is read; take them apart" in caplog.text
    assert "c.png: only the first of its 4 pictures is read; make a video" in caplog.text
    assert "b.tiff" not in caplog.text


def test_names_with_digits_of_other_kinds_are_in_order(tmp_path: Path) -> None:
    names = ["²1.jpeg", "٣1.jfif", "a1.jpe", "1².png", "10.png", "2.png"]
    for name in names:
        (tmp_path / name).write_bytes(cv2.imencode(".jpg", numbered(1))[1].tobytes())
    seen = [shot.name for shot in shots_of(str(tmp_path))]
    assert sorted(seen) == sorted(names)
    assert seen.index("2.png") < seen.index("10.png")
