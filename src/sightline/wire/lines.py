"""Results as JSON lines, one object a line: as ``sightline run`` and the outputs write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from sightline.core.events import Event
from sightline.core.records import Detection, Segment
from sightline.wire.messages import said_of

if TYPE_CHECKING:
    from sightline.core.types import FrameResult

_encoder = msgspec.json.Encoder()


class Line(Struct, omit_defaults=True, kw_only=True):
    """One line: what the model said of one picture."""

    stream: str
    seq: int
    timestamp: float
    """Milliseconds, as in all messages: from the start of a file, since 1970 for a camera."""
    source: str
    """Name of the file, or of the camera."""
    width: int
    height: int
    model: str
    detections: tuple[Detection, ...]
    processing_time_ms: float
    stages: dict[str, float]
    segments: tuple[Segment, ...] | UnsetType = UNSET
    """Classes with their share of the picture, of models that give every pixel a class."""
    damaged: bool = False
    """True where a part of the picture is missing."""
    extras: dict[str, Any] = {}
    """Data of the stages after the model, by the stage's name."""


def line(said: Mapping[str, Any], *, timestamp: float, source: str, segmented: bool) -> Line:
    """Make a line of what was said of a result, by the names of a message's fields.

    ``timestamp`` is in seconds, and becomes milliseconds. ``segmented``: the model gives every pixel a class.
    """
    own: dict[str, Any] = {"timestamp": round(timestamp * 1000, 3), "source": source}
    if not segmented:
        own["segments"] = UNSET
    return Line(**{name: own[name] if name in own else said[name] for name in Line.__struct_fields__})


def line_of(result: FrameResult, source: str) -> Line:
    """Make a result's line. Its time is on this machine's clock, where that is known."""
    frame = result.frame
    at = frame.captured_at if frame.captured_here is None else frame.captured_here
    return line(said_of(result), timestamp=at, source=source, segmented=result.card.task == "segment")


def encode(made: Line | Event) -> bytes:
    """Write a line, or an event, as JSON, without the line's end."""
    return _encoder.encode(made)


def as_json(result: FrameResult) -> bytes:
    """Write a live result's line as JSON; made once, whoever wants it so."""
    return result.once("line", lambda: encode(line_of(result, result.frame.stream)))
