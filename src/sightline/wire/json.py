"""What goes over a WebSocket: bytes to messages and back. No sockets here.

Both transports, the SDK, the pages' tests and ours share these types. Field names are the wire's: the camera's own
keys are camelCase, what the server adds is snake_case. Unknown keys are ignored, wrong types are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from sightline.core.errors import ProtocolError, SightlineError, TooLarge
from sightline.core.records import Detection, Segment

if TYPE_CHECKING:  # the SDK reads this file and does without numpy
    from sightline.core.types import Frame, Result

MAX_TEXT = 4096
"""Bytes. No text message of a peer needs more."""

Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Side: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
Millis: TypeAlias = Annotated[float, Meta(ge=0, le=2**53 - 1)]
Figure: TypeAlias = Annotated[float, Meta(ge=0, le=1e9)]
Coordinate: TypeAlias = Annotated[float, Meta(ge=0, le=65535)]

MAX_FOUND = 300
"""Detections of one picture that a camera may send."""
MAX_SESSION = 64
"""Letters of the secret with which a camera takes over from its own last connection."""
MAX_CAMERA_TEXT = 32768
"""Bytes of a camera's text message: so many detections fit."""
MAX_MASK_BYTES = 1 << 20


# What a camera sends


class Found(Struct):
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
    """What a camera's own browser found in its picture, with the model that the stream has."""

    model: Annotated[str, Meta(max_length=200)]
    backend: Literal["wasm", "webgpu"]
    threads: Annotated[int, Meta(ge=1, le=256)]
    processing_time_ms: Figure
    detections: Annotated[tuple[Found, ...], Meta(max_length=MAX_FOUND)] = ()
    stages: PageStages = msgspec.field(default_factory=PageStages)
    mask_bytes: Annotated[int, Meta(ge=1, le=MAX_MASK_BYTES)] | None = None
    """Length of the mask, a PNG as the server itself sends them, at the end of the binary message."""
    mask_kind: Literal["instances", "classes"] = "classes"


class FrameMetadata(Struct, tag="frame_metadata", tag_field="type"):
    """Announces the next binary message, one JPEG."""

    frameNumber: Count  # noqa: N815
    timestamp: Millis
    """Milliseconds on the camera's clock."""
    width: Side
    height: Side
    format: Literal["jpeg"] = "jpeg"
    clockOffset: Annotated[float, Meta(ge=-(2**53), le=2**53)] | None = None  # noqa: N815
    """Milliseconds to add to ``timestamp`` for the server's clock, as the camera measured it with ``ping``."""
    results: PageResults | UnsetType = UNSET
    """Where the camera has inferred the picture itself."""


class Ping(Struct, tag="ping", tag_field="type"):
    """Asks for the server's clock."""

    timestamp: Millis


class SettingsWish(Struct, tag="settings", tag_field="type"):
    """A camera chooses for its stream; without any key it asks what the settings are.

    Values are checked later, so that a wrong one is refused and the session goes on. See ``choices.Choices``.
    """

    model: Any = UNSET
    engine: Any = UNSET
    imgsz: Any = UNSET
    confidence: Any = UNSET
    iou: Any = UNSET
    max_detections: Any = UNSET
    classes: Any = UNSET

    def given(self) -> dict[str, Any]:
        """What was said."""
        keys = SettingsWish.__struct_fields__
        return {key: getattr(self, key) for key in keys if getattr(self, key) is not UNSET}


# What a viewer sends


class Ack(Struct, tag="ack", tag_field="type"):
    """The viewer has drawn this frame. Who acknowledges once has at most two frames under way."""

    frameNumber: Count  # noqa: N815


class PerformanceStats(Struct, tag="performance_stats", tag_field="type"):
    """How the viewer is doing."""

    fps: Figure
    latency: Figure
    """Milliseconds."""
    queueSize: Count = 0  # noqa: N815


# What the server sends


class Pong(Struct, tag="pong", tag_field="type"):
    """Answers a ping: its own timestamp back, and the server's clock."""

    timestamp: float
    server_time: float


class ResultMessage(Struct, tag="result", tag_field="type", omit_defaults=True):
    """The answer to one frame; on ``/ws`` every stream's. A mask follows as one binary message where announced."""

    stream: str
    frameNumber: int  # noqa: N815
    timestamp: float
    width: int
    height: int
    model: str
    detections: tuple[Detection, ...]
    processing_time_ms: float
    stages: dict[str, float]
    segments: tuple[Segment, ...] | UnsetType = UNSET
    mask_bytes: int | UnsetType = UNSET
    mask_kind: Literal["instances", "classes"] | UnsetType = UNSET
    reused: bool | UnsetType = UNSET
    """True where nothing moved, and this was found in an earlier frame."""
    rtp_timestamp: int | UnsetType = UNSET
    """Over WebRTC: the RTP time of the picture."""
    browser: str | UnsetType = UNSET
    """Where the camera's own browser found this: what ran the model there."""


class Dropped(Struct, tag="dropped", tag_field="type", omit_defaults=True):
    """The answer to a frame that has no result, and why."""

    frameNumber: int  # noqa: N815
    reason: str
    message: str | UnsetType = UNSET


class ViewerFrame(Struct, tag="frame_metadata", tag_field="type", omit_defaults=True):
    """Announces the next binary message: the picture, then the mask where there is one."""

    stream: str
    frameNumber: int  # noqa: N815
    timestamp: float
    width: int
    height: int
    format: str
    captured_at: float
    """Milliseconds on the server's clock."""
    received_at: float
    processed_at: float
    processing_time_ms: float
    model: str
    detections: tuple[Detection, ...]
    stages: dict[str, float]
    jpeg_bytes: int
    rendered: bool | UnsetType = UNSET
    """True where everything is drawn into the picture."""
    mode: str | UnsetType = UNSET
    """How it is drawn; another mode than was asked for where the model gives no mask for that one."""
    segments: tuple[Segment, ...] | UnsetType = UNSET
    mask_bytes: int | UnsetType = UNSET
    mask_kind: Literal["instances", "classes"] | UnsetType = UNSET
    reused: bool | UnsetType = UNSET
    rtp_timestamp: int | UnsetType = UNSET
    browser: str | UnsetType = UNSET


class Still(Struct, tag="still", tag_field="type"):
    """To a viewer that asked for it, in place of a picture that looks like the last one it got, with its result."""

    stream: str
    frameNumber: int  # noqa: N815
    timestamp: float
    captured_at: float
    """Milliseconds on the server's clock, as in the picture's metadata."""
    processing_time_ms: float


class Status(Struct, tag="status", tag_field="type"):
    """Tells a peer how its stream stands. ``state``: waiting, live, ended, loading, ready."""

    state: str
    message: str


class Hello(Struct, tag="hello", tag_field="type"):
    """The server's first message to a camera: the limits it keeps."""

    stream: str
    model: str
    max_pending: int
    max_fps: float
    max_message_bytes: int
    max_pixels: int
    preset: str = "default"
    """For what network: lan, default, mobile, ultra, tunnel. What it begins with:"""
    fps: float = 30
    quality: float = 0.5
    """Of the JPEG, 0 to 1."""
    width: int = 640
    """Pixels of the longer side."""


class Adapt(Struct, tag="adapt", tag_field="type"):
    """Asks a camera for other pictures from now on, so that latency stays on target. Who can't may ignore it."""

    fps: float
    quality: float
    """Of the JPEG, 0 to 1."""
    width: int
    """Pixels of the longer side."""
    reason: str
    preset: str
    max_pending: int


class SettingsMessage(Struct, tag="settings", tag_field="type"):
    """To a camera: what its frames are processed with from now on. Also over TCP."""

    stream: str
    model: str
    """As it is offered."""
    engine: str
    """Empty for a model without one, or while it is loaded."""
    device: str
    imgsz: int | None
    """The longer side of the model's input; None where it has none."""
    confidence: float
    iou: float
    max_detections: int
    classes: list[str] | None
    """Those that are shown; None for all."""


class SettingsRefused(Struct, tag="settings_refused", tag_field="type"):
    """A camera's settings were not taken over, none of them. The session goes on. Also over TCP."""

    stream: str
    code: str
    message: str
    key: str
    """Which one is to blame; empty where none is."""


class ErrorMessage(Struct, tag="error", tag_field="type"):
    """Why the server refuses or closes."""

    code: str
    message: str


CameraMessage: TypeAlias = FrameMetadata | Ping | PerformanceStats | SettingsWish
ViewerMessage: TypeAlias = Ack | PerformanceStats | Ping

_camera: msgspec.json.Decoder[CameraMessage] = msgspec.json.Decoder(CameraMessage)
_viewer: msgspec.json.Decoder[ViewerMessage] = msgspec.json.Decoder(ViewerMessage)
_encoder = msgspec.json.Encoder()

M = TypeVar("M")


def _decode(decoder: msgspec.json.Decoder[M], text: str | bytes, known: str, most: int = MAX_TEXT) -> M:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > most:
        raise TooLarge(f"text message of {len(data)} bytes: expected at most {most}")
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as e:
        shown = data[:60].decode("utf-8", "replace")
        raise ProtocolError(f"text message {shown!r}: {e}; expected one of {known}") from None


def decode_camera(text: str | bytes) -> CameraMessage:
    """A camera's text message. Raises ProtocolError or TooLarge with the reason."""
    return _decode(_camera, text, "frame_metadata, ping, performance_stats, settings", MAX_CAMERA_TEXT)


def decode_viewer(text: str | bytes) -> ViewerMessage:
    """A viewer's text message. Raises ProtocolError or TooLarge with the reason."""
    return _decode(_viewer, text, "ack, performance_stats, ping")


def encode(message: Struct) -> str:
    """Any message as JSON text."""
    return _encoder.encode(message).decode()


def error_message(error: SightlineError) -> str:
    """An error as the text that tells a peer."""
    return encode(ErrorMessage(error.code, error.message))


def result_message(result: Result, *, mask_follows: bool) -> ResultMessage:
    """A result without its picture. ``mask_follows``: the PNG is sent as the next binary message."""
    width, height = result.frame.size
    message = ResultMessage(
        stream=result.frame.stream,
        frameNumber=result.frame.seq,
        timestamp=round(result.frame.captured_at * 1000, 3),
        width=width,
        height=height,
        model=result.card.name,
        detections=result.detections,
        processing_time_ms=result.processing_time_ms,
        stages=dict(result.stages),
        segments=result.segments or UNSET,
        reused=UNSET if result.reused is None else True,
        browser=result.browser or UNSET,
    )
    if mask_follows and result.mask_png is not None:
        message.mask_bytes = len(result.mask_png)
        message.mask_kind = mask_kind(result)
    return message


def viewer_frame(result: Result, *, epoch: float, jpeg_bytes: int, rendered: str | None = None) -> ViewerFrame:
    """Announces a result with its picture. ``epoch`` is ``time.time() - time.monotonic()`` of this process.

    ``rendered``: the mode in which everything is drawn into the picture.
    """
    frame = result.frame
    width, height = frame.size
    message = ViewerFrame(
        stream=frame.stream,
        frameNumber=frame.seq,
        timestamp=round(frame.captured_at * 1000, 3),
        width=width,
        height=height,
        format="jpeg",
        captured_at=_captured_at(frame, epoch),
        received_at=_millis(frame.received_at + epoch),
        processed_at=round((result.finished_at + epoch) * 1000, 3),
        processing_time_ms=result.processing_time_ms,
        model=result.card.name,
        detections=result.detections,
        stages=dict(result.stages),
        jpeg_bytes=jpeg_bytes,
        segments=result.segments or UNSET,
        reused=UNSET if result.reused is None else True,
        browser=result.browser or UNSET,
    )
    if rendered is not None:
        message.rendered = True
        message.mode = rendered
    elif result.mask_png is not None:
        message.mask_bytes = len(result.mask_png)
        message.mask_kind = mask_kind(result)
    return message


def still(result: Result, *, epoch: float) -> Still:
    """Announces that the picture a viewer has is still what the camera sees."""
    frame = result.frame
    return Still(
        frame.stream,
        frame.seq,
        _millis(frame.captured_at),
        _captured_at(frame, epoch),
        result.processing_time_ms,
    )


def _millis(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _captured_at(frame: Frame, epoch: float) -> float:
    """Milliseconds on the server's clock; when it came, where that is not known."""
    return _millis(frame.received_at + epoch if frame.captured_here is None else frame.captured_here)


def mask_kind(result: Result) -> Literal["instances", "classes"]:
    """What the values of a result's mask are."""
    return "classes" if result.segments else "instances"
