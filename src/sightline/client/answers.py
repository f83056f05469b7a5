"""Answers that callers get: results and notices of dropped frames, the same over TCP and WebSocket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from msgspec import field
from msgspec.structs import replace

from sightline import frames, protocol
from sightline.errors import SightlineError
from sightline.rows import Detection


class Result(frames.ResultMessage, tag="result", kw_only=True, omit_defaults=True):
    """The model's result for one frame. Boxes are in pixels of the frame; times are in milliseconds.

    ``captured_at``, ``received_at`` and ``processed_at`` are on the server's clock; None if the transport does not
    report them.
    """

    mask: bytes | None = None
    """8-bit greyscale PNG over the whole frame. Value k is ``detections[k - 1]`` (instances) or class k (classes)."""
    picture: bytes | None = field(default=None, name="data")
    """The publisher's JPEG, for subscribers that asked for pictures.

    If nothing moved and the result is ``reused``, picture and mask may be those of the earlier frame: they are not sent
    again.
    """
    latency_ms: float | None = None
    """Time from sending the frame to this answer, for its publisher."""
    missed: int = 0
    """For subscribers: results discarded here since the last one because the caller was slower than the stream."""

    def scale_to(self, width: int, height: int) -> None:
        """Convert the boxes to pixels of a picture of another size: the caller's, of which a smaller copy was sent."""
        across, down = width / self.width, height / self.height
        self.detections = tuple(_scaled(d, across, down) for d in self.detections)
        self.width, self.height = width, height


def _scaled(detection: Detection, across: float, down: float) -> Detection:
    x1, y1, x2, y2 = detection.xyxy
    xyxy = (round(x1 * across, 2), round(y1 * down, 2), round(x2 * across, 2), round(y2 * down, 2))
    return replace(detection, xyxy=xyxy)


class Dropped(frames.Dropped, tag="dropped", kw_only=True, omit_defaults=True):
    """A frame without a result, and the reason.

    The server's reasons are replaced, unwatched, rate, failed, closed, bad_image and too_large. The client adds
    disconnected, for an answer that was lost with the connection.
    """

    latency_ms: float | None = None


Answer: TypeAlias = Result | Dropped


def error_of(code: str, message: str) -> SightlineError:
    """The error with that code and message, of the class that the server raised."""
    kinds = {kind.code: kind for kind in _kinds(SightlineError)}
    return kinds.get(code, SightlineError)(message)


def _kinds(base: type[SightlineError]) -> Iterator[type[SightlineError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


def from_result(message: protocol.ResultMessage, mask: bytes | None) -> Result:
    """Convert a result message of a WebSocket."""
    return Result(
        stream=message.stream,
        seq=message.frameNumber,
        timestamp=message.timestamp,
        width=message.width,
        height=message.height,
        model=message.model,
        detections=message.detections,
        processing_time_ms=message.processing_time_ms,
        stages=message.stages,
        segments=message.segments or (),
        mask_kind=message.mask_kind or None,
        reused=bool(message.reused),
        mask=mask,
    )


def with_picture_of(last: Result, result: Result) -> Result:
    """Add the last picture and mask to a result that came without them because nothing had moved since."""
    return replace(result, picture=last.picture, mask=last.mask, mask_kind=last.mask_kind)


def from_still(last: Result, message: protocol.Still) -> Result:
    """Convert a WebSocket notice that nothing moved: the last result again, with the new frame's number and times."""
    return replace(
        last,
        seq=message.frameNumber,
        timestamp=message.timestamp,
        captured_at=message.captured_at,
        received_at=None,
        processed_at=None,
        processing_time_ms=message.processing_time_ms,
        stages={},
        reused=True,
        missed=0,
    )


def from_viewer_frame(message: protocol.ViewerFrame, data: bytes) -> Result:
    """Convert a picture and its result, as they come over a WebSocket."""
    return Result(
        stream=message.stream,
        seq=message.frameNumber,
        timestamp=message.timestamp,
        width=message.width,
        height=message.height,
        model=message.model,
        detections=message.detections,
        processing_time_ms=message.processing_time_ms,
        stages=message.stages,
        captured_at=message.captured_at,
        received_at=message.received_at,
        processed_at=message.processed_at,
        segments=message.segments or (),
        mask_kind=message.mask_kind or None,
        reused=bool(message.reused),
        mask=data[message.jpeg_bytes :] or None,
        picture=data[: message.jpeg_bytes],
    )
