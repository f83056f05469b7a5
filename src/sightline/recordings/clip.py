"""Clips: a span of recordings as one file, as it was recorded, with overlays drawn in, or without people."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from sightline.core.errors import BadImage, BadRequest, NotFound
from sightline.core.records import Detection, Segment
from sightline.core.types import Image
from sightline.recordings import said, spans
from sightline.recordings.coco import MOST, Archive
from sightline.recordings.gif import MOST_S, RATE, Gif
from sightline.recordings.spans import RecordedPicture, Step
from sightline.renderers.base import draw
from sightline.sinks import video

Kind = Literal["recorded", "converted", "drawn", "blurred"]
Format = Literal["mp4", "webm", "gif", "pictures"]
ENDINGS: dict[Format, str] = {"mp4": ".mp4", "webm": ".webm", "gif": ".gif", "pictures": ".zip"}
HELD_S = 1.0
"""Pictures without a result are left out for so long after one with a result, as their boxes would flicker."""
Look = Callable[[RecordedPicture], Image | None]
"""Makes a picture of what was recorded; None where it is to be left out."""
ROUNDED_S = 0.002
"""Seconds by which times differ that are the same: files round them."""
FASTEST_RATE = 30
"""Pictures a second of what runs faster than it was recorded, at most."""
CODECS = {"hevc": "H.265", "mpeg4": "MPEG-4", "av1": "AV1"}
ODD = "the video is {}, as it was recorded, which not every browser plays: converted, all do"
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
    format: Format = "mp4"
    speed: float = 1.0
    """Times real time."""
    every_s: float = 1.0
    """Seconds from one picture to the next, where the format is pictures."""
    hidden: tuple[str, ...] = ()
    """Classes that are not drawn."""

    @property
    def ending(self) -> str:
        """How the file's name ends."""
        return ENDINGS[self.format]

    def check(self) -> None:
        """Raise BadRequest where it is too much."""
        lasts = (self.end - self.start) / self.speed
        if self.format == "gif" and lasts > MOST_S:
            raise BadRequest(f"a GIF of {lasts:.0f} s: expected at most {MOST_S:.0f} s; take less, or a greater speed")
        if self.format == "pictures" and (self.end - self.start) / self.every_s > MOST:
            raise BadRequest(f"expected at most {MOST} pictures: take less, or a picture less often")


def write(paths: Sequence[Path], wish: ClipWish, target: Path, step: Step = lambda _: None) -> str:
    """Write a clip of these segments, in their order, and return what to say of it; mostly nothing.

    ``target`` ends as the wish says. Raises SightlineError, OSError or av.FFmpegError, and what ``step`` raises.
    """
    if wish.kind == "recorded" and wish.format == "mp4" and wish.speed == 1:
        try:
            codec = spans.copy(paths, wish.start, wish.end, target, step)
            return "" if codec == "h264" else ODD.format(CODECS.get(codec, codec))
        except spans.Unjoinable:
            _encode(paths, wish, target, step, _as_it_is)
            return PLAIN
    privacy = Privacy()
    looks: dict[Kind, Look] = {"drawn": Overlay(wish.mode, wish.opacity, wish.hidden), "blurred": privacy}
    picture = looks.get(wish.kind, _as_it_is)
    note = (_collect if wish.format == "pictures" else _encode)(paths, wish, target, step, picture)
    nobody = NOBODY if wish.kind == "blurred" and not privacy.people else ""
    return "; ".join(part for part in (note, nobody) if part)


def write_inside(paths: Sequence[Path], start: float, end: float, target: Path) -> None:
    """Write what was recorded from ``start`` to ``end`` and not one frame more. Raises as ``write`` does."""
    try:
        spans.copy(paths, start, end, target, lambda _: None, inside=True)
    except (spans.Unjoinable, NotFound):  # no packet in it begins a video, or they are of two kinds
        _encode(paths, ClipWish(start, end), target, lambda _: None, _as_it_is)


class Overlay:
    """Draws into each picture what was found in it."""

    def __init__(self, mode: str, opacity: float | None, hidden: Collection[str] = ()) -> None:
        """``hidden``: classes that are not drawn."""
        self._mode, self._opacity, self._hidden = mode, opacity, hidden
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
        if self._hidden:
            rows: Sequence[Detection | Segment] = found.detections or found.segments
            prediction = prediction.only(frozenset(r.class_id for r in rows if r.class_name not in self._hidden))
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
            self._blurring = shot.segment, said.Blurring(spans.lines_around(shot.segment, said.AWAY_S))
        image, found = self._blurring[1].blur(shot.image, shot.at)
        self.people += found
        return image


class Cadence:
    """Says which pictures to take so that there is one each so many seconds."""

    def __init__(self, every_s: float) -> None:
        """``every_s``: 0 for all of them."""
        self._every_s, self._due = every_s, float("-inf")

    def is_due(self, at: float) -> bool:
        """Return True if a picture of that time is to be taken."""
        return at >= self._due - ROUNDED_S

    def shown(self, at: float) -> None:
        """It was taken."""
        self._due = max(self._due + self._every_s, at + self._every_s / 2) if self._due > 0 else at + self._every_s


class _Film(Protocol):
    """A file that pictures are added to, with their times."""

    def add(self, picture: Image, at: float, /) -> None: ...

    def close(self) -> None: ...


def _as_it_is(shot: RecordedPicture) -> Image:
    return shot.image


def _encode(paths: Sequence[Path], wish: ClipWish, target: Path, step: Step, picture: Look) -> str:
    film: _Film = Gif(target) if wish.format == "gif" else video.open(str(target))
    pace = Cadence(1 / RATE if wish.format == "gif" else 1 / FASTEST_RATE if wish.speed > 1 else 0.0)
    left_out, before, empty = 0.0, None, True
    try:
        for shot in spans.pictures(paths, wish.start, wish.end):
            step(shot.at)
            if before is not None and not 0 <= shot.at - before < shot.segment.joined_s:
                left_out += shot.at - before - 1 / 25
            before = shot.at
            at = (shot.at - left_out) / wish.speed
            if not pace.is_due(at):
                continue
            image = picture(shot)
            if image is not None:
                pace.shown(at)
                film.add(image, at)
                empty = False
    finally:
        film.close()
    if empty:
        raise NotFound("nothing is recorded of this time")
    return ""


def _collect(paths: Sequence[Path], wish: ClipWish, target: Path, step: Step, picture: Look) -> str:
    archive, pace = Archive(target), Cadence(wish.every_s)
    try:
        for shot in spans.pictures(paths, wish.start, wish.end):
            step(shot.at)
            # Without a result nobody knows what is in a picture: to train on it would teach that nothing is.
            if not pace.is_due(shot.at) or shot.line is None or said.said_of(shot.line) is None:
                continue
            image = picture(shot)
            if image is not None:
                pace.shown(shot.at)
                archive.add(image, shot.at, shot.segment.stream, shot.line)
        archive.close()
    except BaseException:
        archive.abandon()
        raise
    if not archive.pictures:
        raise NotFound("nothing was recorded with results in this time")
    return f"{archive.pictures} pictures, {archive.objects} objects"
