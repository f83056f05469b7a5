"""Messages of the server, each declared once for JSON and for msgpack.

Over msgpack a message names its stream and its frame's ``seq``. A WebSocket is of one stream, so JSON mostly leaves
``stream`` out, and it says ``frameNumber`` for ``seq``: see ``JSON_NAMES``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from sightline.core.records import Detection, Segment
from sightline.core.rounding import rounded

if TYPE_CHECKING:  # the SDK reads this file and does without numpy
    from sightline.core.types import FrameResult

JSON_NAMES = {"seq": "frameNumber", "clock_offset": "clockOffset", "queue_size": "queueSize"}
"""Names of fields in JSON, where they differ."""


class OfStream(Struct, kw_only=True):
    """A message about one stream."""

    stream: str | UnsetType = UNSET
    """Left out where the connection is of that stream alone."""

    def of(self, stream: str) -> Self:
        """Copy the message, with the stream named."""
        return replace(self, stream=stream)


class Hello(OfStream, tag="hello", kw_only=True):
    """The server's first message to a publisher: the limits it keeps, and what pictures to begin with."""

    model: str
    max_pending: int
    max_fps: float
    max_message_bytes: int
    max_pixels: int
    preset: str = "default"
    """Preset by which a stream begins: lan, default, mobile, ultra or tunnel."""
    fps: float = 30
    quality: float = 0.5
    """Quality of the JPEG, 0 to 1."""
    width: int = 640
    """Pixels of the longer side."""


class Adapt(OfStream, tag="adapt", kw_only=True):
    """Asks a publisher for other pictures from now on, so that latency stays on target. It may ignore that."""

    fps: float
    quality: float
    """Quality of the JPEG, 0 to 1."""
    width: int
    """Pixels of the longer side."""
    reason: str
    preset: str
    max_pending: int


class Status(OfStream, tag="status", omit_defaults=True, kw_only=True):
    """Tells how a stream stands. ``state`` is one of waiting, live, ended, loading, ready and failed."""

    state: str
    message: str
    reason: str = ""
    """Why no pictures come of a camera that has the stream; empty where none has it."""


class DroppedMessage(OfStream, tag="dropped", omit_defaults=True, kw_only=True):
    """Answers a frame that has no result, and says why."""

    seq: int
    reason: str
    message: str = ""


class JsonDropped(DroppedMessage, rename=JSON_NAMES, omit_defaults=True, kw_only=True):
    """A dropped frame's notice over a WebSocket or a data channel."""

    seq: int


class ErrorMessage(Struct, tag="error", omit_defaults=True):
    """Says what is refused. The server closes the connection after it, unless the message names what it is about."""

    code: str
    message: str
    stream: str = ""
    """Over TCP: the stream that alone is concerned."""
    seq: int | None = None
    """Over TCP: the frame that alone is concerned."""
    of: str = ""
    """Type of the peer's message that alone was refused, such as ``look``."""
    url: str = ""
    """With the code ``moved``: address of the hub that has the stream."""


class Pong(Struct, tag="pong"):
    """Answers a ping: its own timestamp back, and the server's clock. Both are milliseconds."""

    timestamp: float
    server_time: float


class Position(Struct, tag="position"):
    """Tells who asked for it, before the first event, up to which number events are stored: theirs begin after it."""

    number: int


class Tile(Struct, rename=JSON_NAMES):
    """A small picture of a stream, with everything drawn in."""

    stream: str
    seq: int
    jpeg_bytes: int


class Tiles(Struct, tag="tiles", rename=JSON_NAMES):
    """Announces small pictures, which follow as one binary message, each behind the other."""

    seq: int
    """To be acknowledged."""
    tiles: tuple[Tile, ...]


class SettingsMessage(Struct, tag="settings"):
    """Tells a publisher what its frames are processed with from now on."""

    stream: str
    model: str
    """Name by which the model is offered."""
    engine: str
    """Empty for a model without one, or while it is loaded."""
    device: str
    imgsz: int | None
    """Longer side of the model's input; None where it has none."""
    confidence: float
    iou: float
    max_detections: int
    classes: list[str] | None
    """Classes that are shown; None for all."""
    track: bool = True
    """Whether objects are followed from frame to frame."""
    track_lost_s: float = 2.0
    track_confirm: int = 2
    object_events: bool = False
    """Whether each object that is followed is an event."""


class SettingsRefused(Struct, tag="settings_refused"):
    """Tells a publisher that none of its settings were taken over. The session goes on."""

    stream: str
    code: str
    message: str
    key: str
    """Key that is to blame; empty where none is."""


class ResultMessage(Struct, tag="result", omit_defaults=True, kw_only=True):
    """Answers one frame with its result. Over TCP ``mask`` (a PNG) and ``data`` (the JPEG) follow as further keys."""

    stream: str
    seq: int
    timestamp: float
    """Time of the frame on the publisher's clock, milliseconds."""
    width: int
    height: int
    model: str
    detections: tuple[Detection, ...]
    processing_time_ms: float
    stages: dict[str, float]
    captured_at: float | None = None
    """Time of the frame on the server's clock, milliseconds."""
    received_at: float | None = None
    processed_at: float | None = None
    segments: tuple[Segment, ...] = ()
    mask_bytes: int = 0
    """Over a WebSocket: bytes of the mask, which follows as one binary message."""
    mask_kind: str | None = None
    """Meaning of the mask's values: ``instances`` or ``classes``."""
    reused: bool = False
    """True where nothing moved, and this was found in an earlier frame."""
    rtp_timestamp: int | None = None
    """Over WebRTC: RTP time of the picture."""
    browser: str = ""
    """Set where the camera's own browser found this: what ran the model there, such as ``wasm, 2 threads``."""
    damaged: bool = False
    """True where a part of the picture is missing, so that what was there may not have been found."""
    extras: dict[str, Any] = {}
    """Data of the stages after the model, by the stage's name."""


class JsonResult(ResultMessage, rename=JSON_NAMES, omit_defaults=True, kw_only=True):
    """A frame's result over a WebSocket or a data channel; on ``/ws`` every stream's."""

    seq: int


class ViewerFrame(Struct, tag="frame_metadata", rename=JSON_NAMES, omit_defaults=True, kw_only=True):
    """Announces the next binary message: the picture, then the mask where there is one. Times as in a result."""

    stream: str
    seq: int
    timestamp: float
    width: int
    height: int
    format: str
    captured_at: float
    received_at: float
    processed_at: float
    processing_time_ms: float
    model: str
    detections: tuple[Detection, ...]
    stages: dict[str, float]
    jpeg_bytes: int
    rendered: bool = False
    """True where everything is drawn into the picture."""
    mode: str = ""
    """Mode in which it is drawn; another one than was asked for where the model gives no mask for that one."""
    segments: tuple[Segment, ...] = ()
    mask_bytes: int = 0
    mask_kind: str | None = None
    reused: bool = False
    rtp_timestamp: int | None = None
    browser: str = ""
    damaged: bool = False
    extras: dict[str, Any] = {}


class Still(Struct, tag="still", rename=JSON_NAMES, omit_defaults=True, kw_only=True):
    """Stands for a picture that looks like the last one the viewer got, with its result. Only who asks gets it."""

    stream: str
    seq: int
    timestamp: float
    captured_at: float
    """Time of the frame on the server's clock, milliseconds."""
    processing_time_ms: float
    extras: dict[str, Any] = {}
    detections: tuple[Detection, ...] | UnsetType = UNSET
    """What stands in place of the detections that the viewer has, such as the same with ids."""


class PlaybackState(Struct, tag="playback", omit_defaults=True, kw_only=True):
    """Tells who watches a recording how it stands, besides the pictures.

    ``state`` is playing, paused, gap (nothing was recorded from ``at`` to ``until``, which is passed over), end
    (nothing later is recorded) or empty (nothing is).
    """

    state: str
    at: float
    """Seconds since 1970 on the clock of the frames."""
    speed: float
    until: float | None = None


def said_of(result: FrameResult) -> dict[str, Any]:
    """Give what every message says of a result, by the names of the messages' fields."""
    frame = result.frame
    width, height = frame.size
    return {
        "stream": frame.stream,
        "seq": frame.seq,
        "timestamp": _millis(frame.captured_at),
        "width": width,
        "height": height,
        "model": result.card.name,
        "detections": result.detections,
        "processing_time_ms": result.processing_time_ms,
        "stages": result.stages,
        "segments": result.segments,
        "reused": result.reused is not None,
        "browser": result.browser,
        "damaged": frame.damaged,
        "extras": result.extras,
    }


def times_of(result: FrameResult, epoch: float) -> dict[str, Any]:
    """Give a result's times on the server's clock, milliseconds.

    ``epoch`` is ``time.time() - time.monotonic()`` of this process. The frame was captured when it came, where nothing
    better is known.
    """
    frame = result.frame
    received = frame.received_at + epoch
    return {
        "captured_at": _millis(received if frame.captured_here is None else frame.captured_here),
        "received_at": _millis(received),
        "processed_at": _millis(result.finished_at + epoch),
    }


def mask_kind(result: FrameResult) -> str:
    """Name what the values of a result's mask are."""
    return result.mask_kind or "instances"


def _millis(seconds: float) -> float:
    return rounded(seconds * 1000)
