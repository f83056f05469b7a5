"""Clips: a span of recordings as one MP4 file, as it was recorded, with overlays drawn in, or without people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from sightline.core.errors import BadImage, NotFound
from sightline.core.types import Image
from sightline.recordings import said, spans
from sightline.recordings.spans import RecordedPicture, Step
from sightline.renderers.base import draw
from sightline.sinks import video

Kind = Literal["recorded", "drawn", "blurred"]
HELD_S = 1.0
"""Pictures without a result are left out for so long after one with a result, as their boxes would flicker."""
PLAIN = "the camera changed its video within this time, so it was encoded anew"
NOBODY = "no person was found in this time, so nothing is blurred"


class ClipWish(NamedTuple):
    """What to make a clip of, and how."""

    start: float
    end: float
    kind: Kind = "recorded"
    mode: str = "auto"
    opacity: float | None = None
    """0 to 1; None for the mode's own."""


def write(paths: Sequence[Path], wish: ClipWish, target: Path, step: Step = lambda _: None) -> str:
    """Write a clip of these segments, in their order, and return what to say of it; mostly nothing.

    ``target`` ends in .mp4. Raises SightlineError, OSError or av.FFmpegError, and what ``step`` raises.
    """
    if wish.kind == "recorded":
        try:
            spans.copy(paths, wish.start, wish.end, target, step)
        except spans.Unjoinable:
            _encode(paths, wish, target, step, lambda shot: shot.image)
            return PLAIN
    elif wish.kind == "drawn":
        _encode(paths, wish, target, step, Overlay(wish.mode, wish.opacity))
    else:
        privacy = Privacy()
        _encode(paths, wish, target, step, privacy)
        return "" if privacy.people else NOBODY
    return ""


class Overlay:
    """Draws into each picture what was found in it."""

    def __init__(self, mode: str, opacity: float | None) -> None:
        self._mode, self._opacity = mode, opacity
        self._found_at = float("-inf")

    def __call__(self, shot: RecordedPicture) -> Image | None:
        """Return the picture; None where it is to be left out."""
        found = said.said_of(shot.line)
        if found is None or shot.line is None:
            return None if 0 <= shot.at - self._found_at < HELD_S else shot.image
        self._found_at = shot.at
        try:
            prediction = said.prediction_of(found, shot.line, shot.image)
        except BadImage:
            return shot.image
        return draw(shot.image, prediction, said.labels_of(found), mode=self._mode, opacity=self._opacity)


class Privacy:
    """Blurs people in all pictures."""

    def __init__(self) -> None:
        self.people = 0
        """Pictures in which somebody was blurred."""
        self._blurring: tuple[object, said.Blurring] | None = None

    def __call__(self, shot: RecordedPicture) -> Image:
        """Return the picture without people."""
        if self._blurring is None or self._blurring[0] is not shot.segment:
            self._blurring = shot.segment, said.Blurring(shot.segment.lines)
        image, found = self._blurring[1].blur(shot.image, shot.at)
        self.people += found
        return image


def _encode(
    paths: Sequence[Path], wish: ClipWish, target: Path, step: Step, picture: Callable[[RecordedPicture], Image | None]
) -> None:
    sink = video.open(str(target))
    left_out, last, empty = 0.0, 0.0, True
    try:
        for shot in spans.pictures(paths, wish.start, wish.end):
            step(shot.at)
            image = picture(shot)
            if image is None:
                continue
            if not empty and not 0 <= shot.at - last < spans.JOINED_S:
                left_out += shot.at - last - 1 / 25
            last, empty = shot.at, False
            sink.add(image, shot.at - left_out)
    finally:
        sink.close()
    if empty:
        raise NotFound("nothing is recorded of this time")
