"""Cameras. A video file behind OpenCV's own capture stands in for the hardware."""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

import cv2
import pytest

from sightline.core.errors import SourceError
from sightline.sources import camera
from sightline.sources.base import open_source
from support.clips import number_of, numbered, write_clip


@pytest.fixture
def plugged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that is unplugged after 20 pictures."""
    clip = write_clip(tmp_path / "clip.mp4", [numbered(i) for i in range(20)], fps=10)
    capture = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: capture(str(clip)))


def test_no_camera_says_what_to_check() -> None:
    with pytest.raises(SourceError, match=r"camera:99: .*no picture comes from it\. To check: ") as caught:
        open_source("camera:99")
    hint = {"linux": "/dev/video", "darwin": "Privacy & Security", "win32": "desktop apps"}[sys.platform]
    assert hint in caught.value.message


def test_trying_leaves_nothing_on_stderr_and_opencvs_log_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    log = getattr(cv2.utils, "logging", cv2)  # versions differ
    before = log.getLogLevel()
    with pytest.raises(SourceError):
        open_source("camera:98")
    assert log.getLogLevel() == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("spec", ["camera:", "camera:front", "camera:-1", "camera:0:1", "camera:99999"])
def test_a_camera_is_named_by_its_number(spec: str) -> None:
    with pytest.raises(SourceError, match=r"expected camera:N"):
        open_source(spec)


@pytest.mark.usefixtures("plugged_in")
def test_pictures_come_with_the_time_of_day_until_it_is_gone() -> None:
    with open_source("camera:0") as source:
        assert (source.name, source.total, source.live, source.images) == ("camera:0", None, True, False)
        assert source.fps == 10
        shots = iter(source)
        before = time.time()
        got = [next(shots) for _ in range(19)]  # the first was taken to see whether it works
        with pytest.raises(SourceError, match="camera:0: the camera sends no more pictures"):
            next(shots)
    assert [number_of(shot.image) for shot in got] == list(range(1, 20))
    assert all(before <= a.timestamp <= b.timestamp <= time.time() for a, b in itertools.pairwise(got))
    assert camera.handles("camera:0")
