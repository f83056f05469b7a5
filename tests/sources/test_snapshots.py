"""Addresses that give one picture at a time."""

from __future__ import annotations

import threading
import time
from io import BufferedIOBase
from pathlib import Path

import cv2
import pytest

from sightline.core.errors import SourceError
from sightline.sources import _snapshot
from sightline.sources._reconnecting import ReconnectingSource
from sightline.sources.base import open_source
from support.clips import number_of, numbered
from support.http_files import files, sending


def encoded(number: int, ending: str = ".jpg") -> bytes:
    return cv2.imencode(ending, numbered(number))[1].tobytes()


def test_a_camera_with_snapshots_alone_is_asked_again_and_again(tmp_path: Path) -> None:
    """Fault 8."""
    (tmp_path / "snap").write_bytes(encoded(0))
    told: list[str | None] = []
    with files(tmp_path) as url:
        source = ReconnectingSource(f"{url}/snap#fps=50", patient=True, tell=told.append)
        numbers = []
        for shot in source:
            assert abs(time.time() - shot.timestamp) < 10
            numbers.append(number_of(shot.image))
            (tmp_path / "next").write_bytes(encoded(len(numbers)))
            (tmp_path / "next").replace(tmp_path / "snap")
            if len(numbers) == 6:
                source.close()
    assert numbers == list(range(6))
    assert told == [None] * 6 or told == [None], "it is never lost"


def test_one_picture_over_http_is_one_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(7))
    (tmp_path / "a.png").write_bytes(encoded(8, ".png"))
    (tmp_path / "bad.jpg").write_bytes(encoded(7)[:60])
    with files(tmp_path) as url:
        for name, number in (("a.jpg", 7), ("a.png", 8)):
            with open_source(f"{url}/{name}") as source:
                assert [number_of(shot.image) for shot in source] == [number]
        with (
            open_source(f"{url}/bad.jpg") as source,
            pytest.raises(SourceError, match="its picture can't be read"),
        ):
            list(source)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_a_picture_whose_length_is_not_told_is_one_too(ending: str) -> None:
    picture = encoded(7, ending)

    def send(out: BufferedIOBase) -> None:
        out.write(picture)

    with sending(send, "image/any") as url, open_source(url) as source:
        assert [number_of(shot.image) for shot in source] == [7]


@pytest.mark.parametrize("wrong", ["fps=0", "fps=x", "fps=1000"])
def test_a_rate_that_makes_no_sense_is_called_so(wrong: str) -> None:
    with pytest.raises(SourceError, match=f"#{wrong}; expected #fps=N, N from 0.001 to 60"):
        open_source(f"http://127.0.0.1/snap.jpg#{wrong}")


def test_odd_cameras_of_reports_play(cases: Path) -> None:
    """Faults 2, 3, 8 and 9, with the files of those who reported them."""
    with files(cases) as url:
        sizes = {}
        for name in ("base.jpg", "noeoi.jpg", "exif6.jpg", "exif2.jpg"):
            with open_source(f"{url}/{name}") as source:
                (shot,) = source
            sizes[name] = (shot.image.shape[:2], shot.damaged)
        with pytest.raises(SourceError, match="HEIC pictures are not read"):
            open_source(f"{url}/grid.heic")
    assert set(sizes.values()) == {((540, 405), False), ((540, 405), True)}
    assert [name for name, (_, damaged) in sizes.items() if damaged] == ["noeoi.jpg"]


def test_a_picture_that_trickles_in_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_snapshot, "WHOLE_S", 0.5)
    over = threading.Event()

    def send(out: BufferedIOBase) -> None:
        out.write(encoded(8, ".png")[:100])
        while not over.wait(0.02):
            out.write(b"x")

    with (
        sending(send, "image/png") as url,
        open_source(url) as source,
        pytest.raises(SourceError, match=r"a picture that was not whole after 0\.5 s"),
    ):
        next(iter(source))
    over.set()
