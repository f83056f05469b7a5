"""Messages of peers: what cameras, viewers and TCP clients send. Unknown keys are ignored, wrong types are refused."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from sightline.core.events import EventFilter
from sightline.wire.messages import JSON_NAMES

Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Side: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
Millis: TypeAlias = Annotated[float, Meta(ge=0, le=2**53 - 1)]
Offset: TypeAlias = Annotated[float, Meta(ge=-(2**53), le=2**53)]
Figure: TypeAlias = Annotated[float, Meta(ge=0, le=1e9)]
Coordinate: TypeAlias = Annotated[float, Meta(ge=0, le=65535)]
Name: TypeAlias = Annotated[str, Meta(max_length=256)]

MAX_MESSAGES = 1000
"""Messages that a peer may send a second. A camera at 60 fps sends 120, a viewer about 40."""
MAX_DETECTIONS = 300
"""Detections of one picture that a camera may send."""
MAX_SESSION = 64
"""Letters of the secret with which a camera takes over from its own last connection."""
MOST_TILES = 128
"""Streams that a peer may have small pictures of on one connection."""
MAX_MASK_BYTES = 1 << 20
"""Bytes of a mask that a camera may send."""


# Anybody


class Ping(Struct, tag="ping"):
    """Asks for the server's clock."""

    timestamp: Millis = 0.0


# A camera


class PageDetection(Struct):
    """A detection of a camera that infers itself. The server knows the class's name."""

    class_id: Annotated[int, Meta(ge=0, le=9999)]
    confidence: Annotated[float, Meta(ge=0, le=1)]
    xyxy: tuple[Coordinate, Coordinate, Coordinate, Coordinate]


class PageStages(Struct, omit_defaults=True):
    """Milliseconds that the camera itself took."""

    preprocess: Figure = 0.0
    infer: Figure = 0.0
    postprocess: Figure = 0.0
    encode: Figure = 0.0


class PageResults(Struct, omit_defaults=True):
    """Findings of a camera's own browser in its picture, with the model that the stream has."""

    model: Annotated[str, Meta(max_length=200)]
    backend: Literal["wasm", "webgpu"]
    threads: Annotated[int, Meta(ge=1, le=256)]
    processing_time_ms: Figure
    detections: Annotated[tuple[PageDetection, ...], Meta(max_length=MAX_DETECTIONS)] = ()
    stages: PageStages = msgspec.field(default_factory=PageStages)
    mask_bytes: Annotated[int, Meta(ge=1, le=MAX_MASK_BYTES)] | None = None
    """Length of the mask, a PNG as the server itself sends them, at the end of the binary message."""
    mask_kind: Literal["instances", "classes"] = "classes"


class FrameMetadata(Struct, tag="frame_metadata", rename=JSON_NAMES):
    """Announces the next binary message, one JPEG."""

    seq: Count
    timestamp: Millis | None = None
    """Milliseconds on the camera's clock; None where it does not know."""
    width: Side | None = None
    height: Side | None = None
    """Both as the camera says; the JPEG's own header counts."""
    format: Literal["jpeg"] = "jpeg"
    clock_offset: Offset | None = None
    """Milliseconds to add to ``timestamp`` for the server's clock, as the camera measured it with ``ping``."""
    results: PageResults | UnsetType = UNSET
    """Set where the camera has inferred the picture itself."""


class SettingsWish(Struct, tag="settings"):
    """A camera chooses for its stream; without any key it asks what the settings are.

    Values are checked later, so that a wrong one is refused and the session goes on.
    """

    model: Any = UNSET
    engine: Any = UNSET
    imgsz: Any = UNSET
    confidence: Any = UNSET
    iou: Any = UNSET
    max_detections: Any = UNSET
    classes: Any = UNSET
    track: Any = UNSET
    track_lost_s: Any = UNSET
    track_confirm: Any = UNSET
    object_events: Any = UNSET

    def given(self) -> dict[str, Any]:
        """Give the keys that were said, with their values."""
        keys = SettingsWish.__struct_fields__
        return {key: getattr(self, key) for key in keys if getattr(self, key) is not UNSET}


class Background(Struct, tag="background"):
    """A camera's page went into the background and sends no pictures there, or it came back."""

    on: bool


# A viewer


class Ack(Struct, tag="ack", rename=JSON_NAMES):
    """The viewer has drawn this frame. Who acknowledges once has at most two frames under way."""

    seq: Count | None = None


class PerformanceStats(Struct, tag="performance_stats", rename=JSON_NAMES):
    """Tells how the viewer is doing. A figure that is null, as NaN is in JSON, is not known."""

    fps: Figure | None = None
    latency: Figure | None = None
    """Milliseconds."""
    queue_size: Count | None = None


class LookWish(Struct, tag="look"):
    """A viewer whose pictures the server draws wants them drawn so from now on. What is not said stays.

    Values are checked later, so that a wrong one is refused and the session goes on.
    """

    mode: Any = UNSET
    """Name of a mode; None for the model's own."""
    opacity: Any = UNSET
    """Percent; None for the mode's own."""


class TilesWish(Struct, tag="tiles"):
    """A page of many streams wants small pictures of these from now on, and of no others."""

    streams: Annotated[tuple[Name, ...], Meta(max_length=MOST_TILES)]
    width: Annotated[int, Meta(ge=64, le=1280)] = 320
    """Pixels of the longer side, at most."""


# One who watches a recording

MOST_STEPS = 100
"""Frames that one goes at a time."""


class Seek(Struct, tag="seek"):
    """Go to a time, in seconds since 1970, and go on as before."""

    at: Annotated[float, Meta(ge=0, le=1e11)]
    id: Count = 0
    """Said again as ``place`` with each picture from there on, so that earlier ones under way can be told apart."""


class Step(Struct, tag="step"):
    """Go so many frames further on, or back, and pause."""

    frames: Annotated[int, Meta(ge=-MOST_STEPS, le=MOST_STEPS)]
    id: Count = 0


class SetSpeed(Struct, tag="speed"):
    """Play at so many times real time."""

    x: Annotated[float, Meta(ge=0.25, le=16)]


class Play(Struct, tag="play"):
    """Go on."""


class Pause(Struct, tag="pause"):
    """Stay where it is."""


# A TCP client, which names the stream in each message


class Auth(Struct, tag="auth"):
    """The first message, where the server asks for tokens: who connects. The server's hello follows."""

    token: Annotated[str, Meta(max_length=256)]


class FrameHead(Struct, tag="frame"):
    """A frame without its picture. A stream's first one takes the stream for this connection."""

    stream: Name
    seq: Count
    timestamp: Millis | None = None
    """Milliseconds on the publisher's clock; None where it does not know."""
    format: Literal["jpeg"] = "jpeg"
    results: bool = True
    """False: the publisher itself has no use for results, so a stream that nobody watches costs nothing."""
    clock_offset: Offset | UnsetType = UNSET
    """Milliseconds to add to ``timestamp`` for the server's clock, as the publisher measured it with ``ping``."""
    session: Annotated[str, Meta(max_length=MAX_SESSION)] | UnsetType = UNSET
    """With a stream's first frame: a secret of the publisher's. One that came before with the same secret gives way."""


class FrameMessage(FrameHead, kw_only=True):
    """A frame. ``data`` is a view of what was decoded, and valid as long as that is."""

    data: memoryview


def captured(frame: FrameHead | FrameMetadata) -> tuple[float, float | None]:
    """Return when a frame was taken on the publisher's clock, and what to add for the server's, in seconds.

    A frame of an unknown time was taken now.
    """
    offset = frame.clock_offset
    if frame.timestamp is None:
        return time.time(), None
    return frame.timestamp / 1000, None if offset is None or isinstance(offset, UnsetType) else offset / 1000


class Close(Struct, tag="close"):
    """Stop publishing a stream; the connection stays."""

    stream: Name


class Subscribe(Struct, tag="subscribe", omit_defaults=True):
    """Send this stream's results, and its pictures and masks where wanted; or its events."""

    stream: Name
    """Stream that is meant. With ``events`` an empty name means all streams."""
    pictures: bool = False
    still: bool = False
    """Leave picture and mask out where nothing moved since the last ones that were sent."""
    events: bool = False
    """Send events in place of results. A stream's results may be subscribed to besides."""
    kind: Name | None = None
    """Of events, only those of this kind, class, zone or line, and rule."""
    class_name: Name | None = None
    zone: Name | None = None
    rule: Name | None = None
    after: Count | None = None
    """Number of the last event that the subscriber had: those that were stored since come first."""

    position: bool = False
    """Say first up to which number events are stored, where ``after`` does not say it."""

    @property
    def wanted(self) -> EventFilter:
        """Which events are meant."""
        return EventFilter(self.stream or None, self.kind, self.class_name, self.zone, self.rule)


class Unsubscribe(Struct, tag="unsubscribe"):
    """No more of that stream, neither results nor events."""

    stream: Name


class StreamSettingsWish(SettingsWish, kw_only=True):
    """Settings of a stream that this connection publishes."""

    stream: Name
