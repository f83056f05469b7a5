"""Annotated pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sightline.core.errors import SinkError
from sightline.sinks import pictures
from support.results import entry, files_end_at, two_found

IMAGE = np.zeros((48, 64, 3), np.uint8)


def test_a_folder_gets_a_picture_for_each_and_none_overwrites_another(tmp_path: Path) -> None:
    sink = pictures.open(str(tmp_path / "new" / "drawn"))
    for seq, source in enumerate(["bus.jpg", "bus.png", "a.b.webp"]):
        sink.write(entry(IMAGE, seq=seq, prediction=two_found(), source=source, still=True))
    sink.write(entry(IMAGE, seq=7, prediction=two_found()))
    sink.close()
    names = sorted(path.name for path in (tmp_path / "new" / "drawn").iterdir())
    assert names == ["000007.jpg", "a.b.jpg", "bus.jpg", "bus.png.jpg"]
    drawn = cv2.imread(str(tmp_path / "new" / "drawn" / "bus.jpg"))
    assert drawn is not None
    assert drawn.shape == (48, 64, 3)


@pytest.mark.parametrize(("name", "begins"), [("a.jpg", b"\xff\xd8"), ("a.PNG", b"\x89PNG"), ("a.webp", b"RIFF")])
def test_a_file_has_the_format_that_its_name_asks_for(name: str, begins: bytes, tmp_path: Path) -> None:
    sink = pictures.open(str(tmp_path / name))
    sink.write(entry(IMAGE, prediction=two_found()))
    sink.close()
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_second_picture_does_not_fit_into_a_file(tmp_path: Path) -> None:
    sink = pictures.open(str(tmp_path / "a.jpg"))
    sink.write(entry(IMAGE, prediction=two_found()))
    with pytest.raises(SinkError, match="expected a folder"):
        sink.write(entry(IMAGE, seq=1, prediction=two_found()))


def test_nothing_is_left_where_nothing_came_and_what_was_there_stays(tmp_path: Path) -> None:
    pictures.open(str(tmp_path / "a.jpg")).close()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.jpg").write_bytes(b"mine")
    pictures.open(str(tmp_path / "a.jpg")).close()
    assert (tmp_path / "a.jpg").read_bytes() == b"mine"


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_full_disk_is_told_and_leaves_no_half_picture(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    sink = pictures.open(str(tmp_path))
    with files_end_at(100), pytest.raises(SinkError, match=r"000000\.jpg: can't be written: File too large"):
        sink.write(entry(noise, prediction=two_found()))
    assert list(tmp_path.iterdir()) == []
