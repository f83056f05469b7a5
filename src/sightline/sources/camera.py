"""Cameras of this machine, through OpenCV."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sightline.core.errors import SourceError
from sightline.sources.base import IDLE_S, Lose, Shot, unnoticed

WHAT = "a camera (camera:0)"

SPEC = re.compile(r"camera:(\d{1,3})")
MISSES = 30
"""Consecutive failed reads after which the camera counts as gone."""

_CHECKS = {
    "linux": "see which there are with `ls /dev/video*`; you must be in the group `video`, and no other program may "
    "be using it. In a container, pass --device /dev/video0",
    "darwin": "allow your terminal in System Settings > Privacy & Security > Camera, then start it anew; close other "
    "programs that use the camera",
    "win32": "switch on Settings > Privacy & security > Camera > Let desktop apps access your camera; close other "
    "programs that use the camera",
}


def handles(spec: str) -> bool:
    """True for ``camera:`` and anything after it."""
    return spec.startswith("camera:")


def open(spec: str) -> Camera:
    """Open camera N of ``camera:N``. Raises SourceError, which says what to check, if there is none."""
    number = SPEC.fullmatch(spec)
    if number is None:
        raise SourceError(f"{spec}: expected camera:N, N being a number; camera:0 is the first")
    with _Quiet():
        capture = cv2.VideoCapture(int(number[1]))
        works = capture.isOpened() and capture.read()[0]
    if not works:
        capture.release()
        raise SourceError(
            f"{spec}: {_seen()}no picture comes from it. To check: {_CHECKS.get(sys.platform, 'drivers')}"
        )
    return Camera(spec, capture)


class Camera:
    """A live camera. A slow reader gets the driver's oldest few frames first, so read in a thread of its own."""

    total: int | None = None
    live = True
    images = False
    unreadable = 0

    def __init__(self, name: str, capture: cv2.VideoCapture) -> None:
        self.name = name
        self.idle = False
        self.lose: Lose = unnoticed
        self._capture = capture
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # not every driver obeys
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps: float | None = fps if 0 < fps < 1000 else None

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def __iter__(self) -> Iterator[Shot]:
        """Yield pictures as they come. Raises SourceError when the camera is gone."""
        misses = 0
        shot: Shot | None = None
        while misses < MISSES:
            spared = self.idle and shot is not None and time.time() - shot.timestamp < IDLE_S
            came, image = (self._capture.grab(), None) if spared else self._capture.read()
            if not came:
                misses += 1
                time.sleep(0.02)  # reads of a camera that is gone return at once
                continue
            misses = 0
            if image is None:
                assert shot is not None
                yield replace(shot, fresh=False)
            else:
                shot = Shot(np.asarray(image, np.uint8), time.time(), self.name)
                yield shot
        raise SourceError(f"{self.name}: the camera sends no more pictures. Is it unplugged?")


class _Quiet:
    """Suppresses OpenCV's warnings on stderr."""

    def __enter__(self) -> None:
        self._level = _log().getLogLevel()
        _log().setLogLevel(0)

    def __exit__(self, *_: object) -> None:
        _log().setLogLevel(self._level)


def _log() -> Any:
    """The module with the log level's functions, which differs between versions of OpenCV."""
    return getattr(cv2.utils, "logging", cv2)


def _seen() -> str:
    if sys.platform != "linux":
        return ""
    found = sorted(str(device) for device in Path("/dev").glob("video*"))
    return f"this machine has {', '.join(found)}, but " if found else "this machine has no /dev/video*, and "
