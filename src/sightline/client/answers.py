"""Answers that callers get: results and notices of dropped frames, the same over TCP and WebSocket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, TypeVar

from msgspec import UNSET, Struct, convert, field
from msgspec.structs import asdict, replace

from sightline.core.errors import Moved, SightlineError
from sightline.core.events import Event
from sightline.core.records import Detection
from sightline.wire.messages import DroppedMessage, JsonResult, Position, ResultMessage, Still, ViewerFrame

E = TypeVar("E", bound=Struct)


class Result(ResultMessage, kw_only=True, omit_defaults=True):
    """The model's result for one frame. Boxes are pixels of the frame; times are milliseconds.

    ``captured_at``, ``received_at`` and ``processed_at`` are on the server's clock, None where the transport does not
    tell them. ``extras`` has the data of the stages after the model as plain mappings: see ``extra``.
    """

    mask: bytes | None = None
    """8-bit greyscale PNG over the whole frame. Value k is ``detections[k - 1]`` (instances) or class k (classes)."""
    picture: bytes | None = field(default=None, name="data")
    """The publisher's JPEG, for subscribers that asked for pictures.

    If nothing moved and the result is ``reused``, picture and mask may be those of the earlier frame: they are not sent
    again.
    """
    latency_ms: float | None = None
    """Time from sending the frame to this answer, for who published it."""
    missed: int = 0
    """For subscribers: results discarded here since the last one because the caller was slower than the stream."""

    def extra(self, stage: str, kind: type[E]) -> E | None:
        """Give a stage's data as the struct that you name; None where the stage said nothing of this frame.

        Raises ``msgspec.ValidationError`` for data of another shape.
        """
        found = self.extras.get(stage)
        return None if found is None else convert(found, kind)

    def scale_to(self, width: int, height: int) -> None:
        """Convert the boxes to pixels of a picture of another size: the caller's, of which a smaller copy was sent."""
        across, down = width / self.width, height / self.height
        self.detections = tuple(_scaled(d, across, down) for d in self.detections)
        self.width, self.height = width, height


def _scaled(detection: Detection, across: float, down: float) -> Detection:
    x1, y1, x2, y2 = detection.xyxy
    xyxy = (round(x1 * across, 2), round(y1 * down, 2), round(x2 * across, 2), round(y2 * down, 2))
    return replace(detection, xyxy=xyxy)


class Dropped(DroppedMessage, kw_only=True, omit_defaults=True):
    """A frame that has no result, and why: replaced, unwatched, rate, failed, closed, bad_image, too_large as the
    server says; disconnected where its answer was lost with the connection."""

    stream: str = ""
    latency_ms: float | None = None


Answer: TypeAlias = Result | Dropped
Item: TypeAlias = Result | Dropped | Event | Position
"""What a link brings."""


def error_of(code: str, message: str, url: str = "") -> SightlineError:
    """The error with that code and message, of the class that the server raised. ``url``: where a stream is."""
    if code == Moved.code:
        return Moved(message, url)
    kinds = {kind.code: kind for kind in _kinds(SightlineError)}
    return kinds.get(code, SightlineError)(message)


def _kinds(base: type[SightlineError]) -> Iterator[type[SightlineError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


def as_result(message: JsonResult | ViewerFrame, *, mask: bytes | None, picture: bytes | None = None) -> Result:
    """Make a result of one that came over a WebSocket."""
    said = {name: value for name, value in asdict(message).items() if name in ResultMessage.__struct_fields__}
    return Result(**said, mask=mask, picture=picture)


def with_picture_of(last: Result, result: Result) -> Result:
    """Copy a result that came without picture and mask, as nothing moved since the last one, with those of that one."""
    return replace(result, picture=last.picture, mask=last.mask, mask_kind=last.mask_kind)


def as_reused(last: Result, message: Still) -> Result:
    """Copy the last result as that of a picture that looks like its own, where no result came with the message."""
    said = {name: value for name, value in asdict(message).items() if value is not UNSET}
    return replace(last, **said, received_at=None, processed_at=None, stages={}, reused=True, missed=0)
