"""Pictures and folders of pictures."""

from __future__ import annotations

import logging
import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from sightline.core.errors import SourceError
from sightline.core.types import Image
from sightline.sources import images
from sightline.sources.base import PICTURES, open_source

LEFT_RED = np.zeros((40, 60, 3), np.uint8)
LEFT_RED[:, :30] = (0, 0, 255)


def save(path: Path, image: Image = LEFT_RED) -> Path:
    path.write_bytes(cv2.imencode({".jfif": ".jpg"}.get(path.suffix, path.suffix), image)[1].tobytes())
    return path


@pytest.mark.parametrize("ending", [*sorted(PICTURES), ".JPG"])
def test_a_picture_of_every_kind_is_read(tmp_path: Path, ending: str) -> None:
    with open_source(str(save(tmp_path / f"a{ending}"))) as source:
        assert (source.total, source.live, source.images) == (1, False, True)
        (shot,) = source
    assert shot.name == f"a{ending}"
    assert shot.image.shape == (40, 60, 3)
    assert shot.image[20, 10, 2] > 200
    assert shot.image[20, 50].max() < 50


def test_a_folder_is_read_as_a_person_counts(tmp_path: Path) -> None:
    for name in ["img10.png", "img2.png", "img1.png", "B.png", "a.png", ".hidden.png"]:
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "sub.png").mkdir()
    with open_source(str(tmp_path)) as source:
        assert source.total == 5
        got = list(source)
    assert [shot.name for shot in got] == ["a.png", "B.png", "img1.png", "img2.png", "img10.png"]
    assert [shot.timestamp for shot in got] == [0, 1, 2, 3, 4]


def test_names_that_are_not_ascii_and_grey_or_clear_pictures_are_read(tmp_path: Path) -> None:
    save(tmp_path / "Straße 1.png", LEFT_RED[:, :, 2])
    save(tmp_path / "東京.png", np.dstack([LEFT_RED, np.full((40, 60), 9, np.uint8)]))
    assert cv2.imwrite(str(tmp_path / "deep.png"), LEFT_RED.astype(np.uint16) * 257)
    with open_source(str(tmp_path)) as source:
        assert {(shot.image.shape, shot.image.dtype.name) for shot in source} == {((40, 60, 3), "uint8")}


def test_a_sideways_photo_is_turned_as_its_exif_asks(tmp_path: Path) -> None:
    """Orientation 6: to be shown turned by 90 degrees clockwise, so that its left side comes to the top."""
    photo = save(tmp_path / "phone.jpg")
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    segment = b"Exif\0\0" + tiff
    data = photo.read_bytes()
    photo.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:])
    with open_source(str(photo)) as source:
        (shot,) = source
    assert shot.image.shape == (60, 40, 3)
    assert shot.image[10, 20, 2] > 200
    assert shot.image[50, 20].max() < 50


def test_what_can_not_be_read_is_left_out_told_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    (tmp_path / "c.png").touch()
    save(tmp_path / "d.png")
    with caplog.at_level(logging.WARNING), open_source(str(tmp_path)) as source:
        assert [shot.name for shot in source] == ["a.png", "d.png"]
        assert source.unreadable == 2
    assert "b.jpg can't be read as a picture" in caplog.text
    assert "c.png can't be read as a picture" in caplog.text


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no pictures in this folder"):
        open_source(str(tmp_path))
    with pytest.raises(SourceError, match=r"gone\.jpg: no such file"):
        images.open(str(tmp_path / "gone.jpg"))
    (tmp_path / "bad.jpg").write_bytes(b"bad")
    with (
        open_source(str(tmp_path)) as source,
        pytest.raises(SourceError, match=r"bad\.jpg: can't be read as a picture"),
    ):
        list(source)


def test_the_real_photo_is_read(assets: Path) -> None:
    with open_source(str(assets / "images" / "bus.jpg")) as source:
        (shot,) = source
    assert shot.image.shape == (1080, 810, 3)


def test_a_folder_says_what_it_leaves_out_by_kind_and_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Fault 2."""
    save(tmp_path / "a.png")
    for name in ("b.heic", "c.HEIC", "d.mp4", "notes"):
        (tmp_path / name).write_bytes(b"x")
    with open_source(str(tmp_path)) as source:
        assert len(list(source)) == 1
    assert "left out what is not read as a picture: 2 .heic, 1 .mp4, 1 without an ending; HEIC" in caplog.text
    (tmp_path / "a.png").unlink()
    with pytest.raises(SourceError, match=r"no pictures in this folder, only 2 \.heic, .* convert them"):
        open_source(str(tmp_path))


def test_heic_is_called_so_whatever_its_name(tmp_path: Path, cases: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Fault 2: one tile of a picture is never taken for the picture."""
    heic = (cases / "grid.heic").read_bytes()
    for name in ("a.heic", "a.jpg", "a.mp4", "a"):
        (tmp_path / name).write_bytes(heic)
    for name in ("a.heic", "a.mp4", "a"):
        with pytest.raises(SourceError, match="HEIC pictures are not read: convert them to JPEG"):
            open_source(str(tmp_path / name))
    with open_source(str(tmp_path / "a.jpg")) as source, pytest.raises(SourceError, match="can't be read"):
        list(source)
    assert "HEIC pictures are not read" in caplog.text


def test_names_that_are_not_utf8_are_read_and_told_apart(tmp_path: Path) -> None:
    """Fault 10."""
    for name in (b"caf\xe9.jpg", b"caf\xe8.jpg", b"ok.jpg"):
        data = cv2.imencode(".jpg", LEFT_RED)[1].tobytes()
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_bytes(data)  # noqa: PTH118
    with open_source(str(tmp_path)) as source:
        names = [shot.name for shot in source]
    assert sorted(names) == ["caf�.jpg", "caf�.jpg", "ok.jpg"]
    assert all(name.encode() for name in names)


@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_of_an_animation_the_first_picture_is_read_and_that_is_said(
    tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault 13."""
    if not hasattr(cv2, "imwriteanimation"):
        pytest.skip("this OpenCV writes no animations")
    animation = cv2.Animation()
    animation.frames = [LEFT_RED, LEFT_RED // 2, LEFT_RED // 3]
    animation.durations = [40, 40, 40]
    assert cv2.imwriteanimation(str(tmp_path / f"a{ending}"), animation)
    with open_source(str(tmp_path / f"a{ending}")) as source:
        assert len(list(source)) == 1
    assert f"a{ending}: only the first of its 3 pictures is read" in caplog.text


def test_a_picture_without_its_end_is_marked(tmp_path: Path, cases: Path) -> None:
    """Fault 9."""
    (tmp_path / "a.jpg").write_bytes((cases / "noeoi.jpg").read_bytes())
    (tmp_path / "b.jpg").write_bytes((cases / "base.jpg").read_bytes()[:-7000])
    (tmp_path / "c.jpg").write_bytes((cases / "base.jpg").read_bytes())
    with open_source(str(tmp_path)) as source:
        shots = list(source)
    assert [shot.damaged for shot in shots] == [True, True, False]
    assert np.array_equal(shots[0].image, shots[2].image)
    assert np.array_equal(shots[1].image[:400], shots[2].image[:400])
