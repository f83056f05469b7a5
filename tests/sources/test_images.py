"""Pictures and folders of pictures."""

from __future__ import annotations

import logging
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
    assert cv2.imwrite(str(path), image)
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
