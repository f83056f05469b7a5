"""Messages as msgpack maps, and how TCP cuts them apart: four bytes of length before each. No sockets here.

The TCP transport, the SDK, the stress tool and the tests share these types. Keys are snake_case, times are
milliseconds. Unknown keys are ignored, wrong types are refused. Large binaries are never copied into a message: it
is encoded without them, and they follow it as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from sightline.core.errors import ProtocolError, TooLarge
from sightline.core.records import Detection, Segment
from sightline.wire import json as protocol
from sightline.wire.json import MAX_SESSION, MAX_TEXT, Count, Millis, Ping, Pong, SettingsMessage, SettingsRefused

if TYPE_CHECKING:
    from sightline.core.types import Result

HEADER = MAX_TEXT
"""Bytes. A message may be so much longer than the picture in it."""
PREFIX = 4
"""Bytes of length before each message, big-endian, unsigned."""

Name: TypeAlias = Annotated[str, Meta(max_length=256)]
Offset: TypeAlias = Annotated[float, Meta(ge=-(2**53), le=2**53)]


# What a peer sends


class Auth(Struct, tag="auth", tag_field="type"):
    """Who connects: the first message, where the server asks for tokens. Its hello follows."""

    token: Annotated[str, Meta(max_length=256)]


class FrameHead(Struct, tag="frame", tag_field="type"):
    """A frame without its picture. A stream's first one takes the stream for this connection."""

    stream: Name
    seq: Count
    timestamp: Millis
    """On the publisher's clock."""
    format: Literal["jpeg"] = "jpeg"
    results: bool = True
    """False: the publisher itself has no use for results, so a stream that nobody watches costs nothing."""
    clock_offset: Offset | UnsetType = UNSET
    """To add to ``timestamp`` for the server's clock, as the publisher measured it with ``ping``."""
    session: Annotated[str, Meta(max_length=MAX_SESSION)] | UnsetType = UNSET
    """With a stream's first frame: a secret of the publisher's. One that came before with the same secret gives way."""


class FrameMessage(FrameHead, tag="frame", kw_only=True):
    """A frame. ``data`` is a view of what was decoded, and valid as long as that is."""

    data: memoryview


class Close(Struct, tag="close", tag_field="type"):
    """Stop publishing a stream; the connection stays."""

    stream: Name


class Subscribe(Struct, tag="subscribe", tag_field="type", omit_defaults=True):
    """Send this stream's results, and its pictures and masks where wanted."""

    stream: Name
    pictures: bool = False
    still: bool = False
    """Leave picture and mask out where nothing moved since the last ones that were sent."""


class Unsubscribe(Struct, tag="unsubscribe", tag_field="type"):
    """No more of that stream."""

    stream: Name


class SettingsWish(protocol.SettingsWish, tag="settings", kw_only=True):
    """The same for a stream that this connection publishes."""

    stream: Name


# What the server sends


class Hello(Struct, tag="hello", tag_field="type"):
    """The server's first message on a connection: the limits that it keeps."""

    model: str
    max_pending: int
    max_fps: float
    max_message_bytes: int
    max_pixels: int
    preset: str = "default"
    """For what network: lan, default, mobile, ultra, tunnel. What a stream begins with:"""
    fps: float = 30
    quality: float = 0.5
    """Of the JPEG, 0 to 1."""
    width: int = 640
    """Pixels of the longer side."""


class Adapt(Struct, tag="adapt", tag_field="type"):
    """Asks a stream's publisher for other pictures from now on. Who can't may ignore it."""

    stream: str
    fps: float
    quality: float
    width: int
    reason: str
    preset: str
    max_pending: int


class Status(Struct, tag="status", tag_field="type"):
    """How a stream stands. ``state``: waiting, live, ended, loading, ready, failed."""

    stream: str
    state: str
    message: str


class ResultMessage(Struct, tag="result", tag_field="type", omit_defaults=True):
    """A frame's result. ``mask`` (a PNG) and ``data`` (the JPEG) follow as further keys where they are sent."""

    stream: str
    seq: int
    timestamp: float
    """The frame's own, on the publisher's clock."""
    width: int
    height: int
    model: str
    detections: tuple[Detection, ...]
    processing_time_ms: float
    stages: dict[str, float]
    captured_at: float | None = None
    """This and the two below are on the server's clock."""
    received_at: float | None = None
    processed_at: float | None = None
    segments: tuple[Segment, ...] = ()
    mask_kind: Literal["instances", "classes"] | None = None
    reused: bool = False
    """True where nothing moved, and this was found in an earlier frame."""


class Dropped(Struct, tag="dropped", tag_field="type", omit_defaults=True):
    """The answer to a frame that has no result, and why."""

    stream: str
    seq: int
    reason: str
    message: str = ""


class ErrorMessage(Struct, tag="error", tag_field="type", omit_defaults=True):
    """What is refused. With ``stream`` it is that stream alone, with ``seq`` that frame; else the server closes."""

    code: str
    message: str
    stream: str = ""
    seq: int | None = None


PeerMessage: TypeAlias = Auth | FrameMessage | Close | Subscribe | Unsubscribe | SettingsWish | Ping
ServerMessage: TypeAlias = (
    Hello | Adapt | Status | ResultMessage | Dropped | ErrorMessage | SettingsMessage | SettingsRefused | Pong
)

_peer: msgspec.msgpack.Decoder[PeerMessage] = msgspec.msgpack.Decoder(PeerMessage)
_frame: msgspec.msgpack.Decoder[FrameMessage] = msgspec.msgpack.Decoder(FrameMessage)
_encoder = msgspec.msgpack.Encoder()

Bytes: TypeAlias = bytes | bytearray | memoryview
M = TypeVar("M")


def decode(decoder: msgspec.msgpack.Decoder[M], data: Bytes, known: str) -> M:
    """One message. Raises ProtocolError with the reason."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as e:
        raise ProtocolError(
            f"message {bytes(data[:24]).hex(' ')} of {len(data)} bytes: {e}; expected {known}"
        ) from None


def decode_peer(data: Bytes) -> PeerMessage:
    """A message of a TCP peer. Raises ProtocolError with the reason."""
    message = decode(_peer, data, "a msgpack map: auth, frame, close, subscribe, unsubscribe, settings or ping")
    _check_header(len(data) - len(message.data) if isinstance(message, FrameMessage) else len(data))
    return message


def decode_frame(data: Bytes) -> FrameMessage:
    """A frame that came as one WebSocket message. Raises ProtocolError with the reason."""
    message = decode(_frame, data, "a msgpack map of a frame")
    _check_header(len(data) - len(message.data))
    return message


def clock(frame: FrameHead) -> tuple[float, float | None]:
    """When a frame was taken, and what to add to that for the server's clock: seconds; None where not measured."""
    return frame.timestamp / 1000, None if isinstance(frame.clock_offset, UnsetType) else frame.clock_offset / 1000


def _check_header(size: int) -> None:
    if size > HEADER:
        raise TooLarge(f"message with {size} bytes besides the picture: expected at most {HEADER}")


def is_map(data: Bytes) -> bool:
    """True for the first byte of a msgpack map. A JPEG begins with 0xff."""
    return bool(data) and (0x80 <= data[0] <= 0x8F or data[0] in (0xDE, 0xDF))


def encode(message: Struct) -> bytes:
    """Any message as a map, without the length before it."""
    return _encoder.encode(message)


def prefixed(body: Bytes) -> bytes:
    """A map as it goes over TCP."""
    return len(body).to_bytes(PREFIX, "big") + body


def with_binaries(body: bytes, **binaries: Bytes | None) -> list[Bytes]:
    """An encoded map with binary values added at its end: parts to be sent one after the other, none of them copied."""
    added = [(key, value) for key, value in binaries.items() if value is not None]
    parts: list[Bytes] = [_longer_map(body, len(added))]
    for key, value in added:
        name = key.encode()
        # bin 32 for every length: one form to write, and any reader knows it
        parts.append(bytes((0xA0 | len(name),)) + name + b"\xc6" + len(value).to_bytes(4, "big"))
        parts.append(value)
    return parts


def _longer_map(body: bytes, more: int) -> bytes:
    if body[0] == 0xDE:
        count, rest = int.from_bytes(body[1:3], "big"), body[3:]
    else:
        count, rest = body[0] & 0x0F, body[1:]
    count += more
    return (bytes((0x80 | count,)) if count < 16 else b"\xde" + count.to_bytes(2, "big")) + rest


def for_tcp(parts: Sequence[Bytes]) -> list[Bytes]:
    """The parts of a message with its length before them: small ones joined, large ones as they are."""
    sent: list[Bytes] = []
    small = sum(map(len, parts)).to_bytes(PREFIX, "big")
    for part in parts:
        if len(part) <= HEADER:
            small += part
        else:
            sent += [small, part]
            small = b""
    return [*sent, small] if small else sent


def result_message(result: Result, *, epoch: float) -> ResultMessage:
    """A result without mask and picture. ``epoch`` is ``time.time() - time.monotonic()`` of this process."""
    frame = result.frame
    width, height = frame.size
    received_at = round((frame.received_at + epoch) * 1000, 3)
    return ResultMessage(
        stream=frame.stream,
        seq=frame.seq,
        timestamp=round(frame.captured_at * 1000, 3),
        width=width,
        height=height,
        model=result.card.name,
        detections=result.detections,
        processing_time_ms=result.processing_time_ms,
        stages=dict(result.stages),
        captured_at=received_at if frame.captured_here is None else round(frame.captured_here * 1000, 3),
        received_at=received_at,
        processed_at=round((result.finished_at + epoch) * 1000, 3),
        segments=result.segments,
        reused=result.reused is not None,
    )


class Splitter:
    """Cuts what comes over TCP into messages. Bytes are received straight into its buffer.

    The buffer grows as bytes come, not by the length that a peer declares, and never over the limit.
    """

    def __init__(self, limit: int) -> None:
        """``limit``: bytes of the longest message."""
        self.limit = limit
        self._view = memoryview(bytearray(min(1 << 16, limit + PREFIX)))
        self._start = 0
        self._end = 0

    def room(self) -> memoryview:
        """Where the next bytes go; never empty."""
        return self._view[self._end :]

    def received(self, count: int) -> Iterator[memoryview]:
        """So many bytes were put into ``room``. Gives each whole message; it is valid until the next call.

        Raises TooLarge or ProtocolError, after which nothing more can be read.
        """
        self._end += count
        while self._end - self._start >= PREFIX:
            begin = self._start + PREFIX
            length = int.from_bytes(self._view[self._start : begin], "big")
            if length > self.limit:
                raise TooLarge(f"message of {length} bytes: expected at most {self.limit}")
            if begin + length > self._end:
                break
            self._start = begin + length
            yield self._view[begin : self._start]
        self._make_room()

    def _make_room(self) -> None:
        waiting = self._end - self._start
        if waiting and len(self._view) - self._end >= 1 << 13:
            return
        old = self._view[self._start : self._end]
        longest = self.limit + PREFIX
        if waiting * 2 > len(self._view) < longest:
            self._view = memoryview(bytearray(min(2 * len(self._view), longest)))
        self._view[:waiting] = old
        self._start, self._end = 0, waiting
