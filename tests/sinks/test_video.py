"""Annotated videos."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np
import pytest

from sightline.core.errors import SinkError
from sightline.core.types import Image
from sightline.sinks import video
from sightline.sinks.base import Entry
from sightline.sources.base import open_source
from support.clips import moving, number_of, numbered, read_clip
from support.results import entry, files_end_at


def write(path: Path, entries: list[Entry]) -> Path:
    sink = video.open(str(path))
    for one in entries:
        sink.write(one)
    sink.close()
    return path


def test_it_is_what_browsers_play(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4", [entry(numbered(i), at=i / 25) for i in range(30)])
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.frames == 30
        assert float(container.duration or 0) / 1e6 == pytest.approx(30 / 25)
    _, images = read_clip(path)
    assert [number_of(image) for image in images] == list(range(30))


def test_a_closed_file_is_a_plain_one(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4", [entry(numbered(i), at=i / 25) for i in range(5)])
    assert top_boxes(path.read_bytes())[:1] == ["ftyp"]
    assert set(top_boxes(path.read_bytes())) <= {"ftyp", "free", "mdat", "moov"}, "no fragments"


def test_a_file_that_was_never_closed_plays(tmp_path: Path) -> None:
    sink = video.open(str(tmp_path / "out.mp4"))
    for i in range(60):
        sink.write(entry(numbered(i), at=i / 25))
    copy = tmp_path / "copy.mp4"  # what the disk holds if the process is killed now
    copy.write_bytes((tmp_path / "out.mp4").read_bytes())
    sink.close()
    times, images = read_clip(copy)
    numbers = [number_of(image) for image in images]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 30
    assert times == pytest.approx([i / 25 for i in numbers], abs=0.001)


def test_uneven_times_are_kept_and_begin_at_zero(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.5, 0.51, 2.0, 2.0 + 1 / 3]
    path = write(tmp_path / "out.mp4", [entry(numbered(i), at=1.7e9 + t) for i, t in enumerate(times)])
    assert read_clip(path)[0] == pytest.approx(times, abs=0.001)


def test_times_that_stand_still_do_not_break_it(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4", [entry(numbered(i), at=t) for i, t in enumerate([0.0, 1.0, 1.0, 0.5, 1.2])])
    times, images = read_clip(path)
    assert [number_of(image) for image in images] == [0, 1, 2, 3, 4]
    assert times == sorted(set(times))


@pytest.mark.parametrize("size", [(65, 49), (64, 49), (65, 48), (1, 1), (3, 200)])
def test_odd_sizes_are_kept_within_a_pixel(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    image = np.full((height, width, 3), 200, np.uint8)
    path = write(tmp_path / "out.mp4", [entry(image, at=i) for i in range(3)])
    _, images = read_clip(path)
    assert len(images) == 3
    assert images[0].shape == (height + height % 2, width + width % 2, 3)
    assert images[0].min() > 180, "the added row repeats its neighbour: no dark line"


def test_pictures_of_another_size_are_fitted_into_the_firsts(tmp_path: Path) -> None:
    white: list[Image] = [np.full((h, w, 3), 255, np.uint8) for h, w in [(100, 200), (400, 100), (50, 100)]]
    path = write(tmp_path / "out.mp4", [entry(image, at=i) for i, image in enumerate(white)])
    _, images = read_clip(path)
    assert {image.shape for image in images} == {(100, 200, 3)}
    tall = images[1][50].mean(axis=1)
    assert tall[100] > 240
    assert tall[:80].max() < 20
    assert tall[120:].max() < 20
    assert images[2].min() > 240


def test_colours_survive(tmp_path: Path) -> None:
    """Large enough to be taken for high definition, whose colours a player would decode otherwise."""
    patches = np.zeros((720, 1280, 3), np.uint8)
    colours = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (238, 211, 34), (28, 159, 255), (128, 128, 128), (255, 255, 255)]
    for i, colour in enumerate(colours):
        patches[:, i * 180 : (i + 1) * 180] = colour
    path = write(tmp_path / "out.mp4", [entry(patches, at=i) for i in range(2)])
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (6, 1), "BT.601, limited, and the file says so"
        image = frame.to_ndarray(format="bgr24")
    for i, colour in enumerate(colours):
        assert np.abs(image[360, i * 180 + 90].astype(int) - colour).max() <= 6, colour


def test_the_drawn_picture_is_the_one_that_is_shown(tmp_path: Path) -> None:
    plain = entry(numbered(1))
    drawn = Entry(plain.result, plain.image, numbered(2), plain.source, plain.images)
    _, images = read_clip(write(tmp_path / "out.mp4", [drawn]))
    assert [number_of(image) for image in images] == [2]
    assert video.VideoSink.wants_drawn


@pytest.mark.parametrize("encoder", [name for name, _ in video.ENCODERS if name in av.codecs_available])
def test_every_encoder_that_this_build_has_will_do(
    tmp_path: Path, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(name, options) for name, options in video.ENCODERS if name == encoder]
    monkeypatch.setattr(video, "ENCODERS", (("not-in-this-build", {}), *found))
    path = write(tmp_path / "out.mp4", [entry(numbered(i), at=i / 3) for i in range(5)])
    times, images = read_clip(path)
    assert [number_of(image) for image in images] == [0, 1, 2, 3, 4]
    assert times == pytest.approx([i / 3 for i in range(5)], abs=0.001)


def test_without_any_encoder_it_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "ENCODERS", (("not-in-this-build", {}),))
    sink = video.open(str(tmp_path / "out.mp4"))
    with pytest.raises(SinkError, match="run: pip install"):
        sink.write(entry(numbered(0)))
    sink.close()


def test_names_and_places_that_can_not_be_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"out\.avi: expected a name that ends in \.mp4"):
        video.open(str(tmp_path / "out.avi"))
    with pytest.raises(SinkError, match="there is no folder"):
        video.open(str(tmp_path / "gone" / "out.mp4"))
    (tmp_path / "dir.mp4").mkdir()
    with pytest.raises(SinkError, match=r"dir\.mp4: can't be written"):
        video.open(str(tmp_path / "dir.mp4"))


def test_without_a_frame_nothing_is_left_and_nothing_lost(tmp_path: Path) -> None:
    video.open(str(tmp_path / "new.mp4")).close()
    assert not (tmp_path / "new.mp4").exists()
    (tmp_path / "old.mp4").write_bytes(b"precious")
    video.open(str(tmp_path / "old.mp4")).close()
    assert (tmp_path / "old.mp4").read_bytes() == b"precious"


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_full_disk_is_told_and_what_was_written_plays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sink = video.open(str(tmp_path / "out.mp4"))

    def fill() -> None:
        for i in range(300):
            sink.write(entry(rng.integers(0, 255, (120, 160, 3), np.uint8), at=i / 25))

    with files_end_at(200_000):
        with pytest.raises(SinkError, match=r"out\.mp4: can't be written: "):
            fill()
        with pytest.raises(SinkError):
            sink.close()
    sink.close()
    with open_source(str(tmp_path / "out.mp4")) as source:  # the last frame is cut in two, which players shrug off
        assert sum(1 for _ in source) > 5


def test_it_does_not_change_the_picture_it_is_given(tmp_path: Path) -> None:
    image = moving(3, 161, 121)
    write(tmp_path / "out.mp4", [entry(image)])
    assert (image == moving(3, 161, 121)).all()


def top_boxes(data: bytes) -> list[str]:
    """The names of an MP4's outermost boxes."""
    names, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        names.append(data[at + 4 : at + 8].decode())
        at += int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size or len(data)
    return names
