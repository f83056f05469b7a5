"""Messages as msgpack maps, and how TCP cuts them apart: four bytes of length before each. No sockets here.

The TCP transport, the SDK, the stress tool and the tests share these types. Keys are snake_case, times are
milliseconds. Unknown keys are ignored, wrong types are refused. Large binaries are never copied into a message: it
is encoded without them, and they follow it as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from sightline.core.errors import ProtocolError, TooLarge
from sightline.core.events import Event
from sightline.wire.json import MAX_TEXT
from sightline.wire.messages import (
    Adapt,
    DroppedMessage,
    ErrorMessage,
    Hello,
    Pong,
    Position,
    ResultMessage,
    SettingsMessage,
    SettingsRefused,
    Status,
    said_of,
    times_of,
)
from sightline.wire.requests import Auth, Close, FrameMessage, Ping, StreamSettingsWish, Subscribe, Unsubscribe
from sightline.wire.unknown import without_unknown

if TYPE_CHECKING:
    from sightline.core.types import FrameResult

HEADER = MAX_TEXT
"""Bytes by which a message may be longer than the picture in it."""
PREFIX = 4
"""Bytes of length before each message, big-endian, unsigned."""

PeerMessage: TypeAlias = Auth | FrameMessage | Close | Subscribe | Unsubscribe | StreamSettingsWish | Ping
ServerMessage: TypeAlias = (
    Hello
    | Adapt
    | Status
    | ResultMessage
    | DroppedMessage
    | ErrorMessage
    | SettingsMessage
    | SettingsRefused
    | Pong
    | Position
    | Event
)

_peer: msgspec.msgpack.Decoder[PeerMessage] = msgspec.msgpack.Decoder(PeerMessage)
_frame: msgspec.msgpack.Decoder[FrameMessage] = msgspec.msgpack.Decoder(FrameMessage)
_encoder = msgspec.msgpack.Encoder()

Bytes: TypeAlias = bytes | bytearray | memoryview
M = TypeVar("M")


def decode(decoder: msgspec.msgpack.Decoder[M], data: Bytes, known: str) -> M:
    """Read one message, without the figures that its sender does not know. Raises ProtocolError with the reason."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as e:
        with suppress(msgspec.DecodeError, RecursionError, ValueError):
            read: M = msgspec.convert(without_unknown(msgspec.msgpack.decode(data)), decoder.type)
            return read
        raise ProtocolError(
            f"message {bytes(data[:24]).hex(' ')} of {len(data)} bytes: {e}; expected {known}"
        ) from None


def decode_peer(data: Bytes) -> PeerMessage:
    """Read a message of a TCP peer. Raises ProtocolError with the reason."""
    message = decode(_peer, data, "a msgpack map: auth, frame, close, subscribe, unsubscribe, settings or ping")
    _check_header(len(data) - len(message.data) if isinstance(message, FrameMessage) else len(data))
    return message


def decode_frame(data: Bytes) -> FrameMessage:
    """Read a frame that came as one WebSocket message. Raises ProtocolError with the reason."""
    message = decode(_frame, data, "a msgpack map of a frame")
    _check_header(len(data) - len(message.data))
    return message


def _check_header(size: int) -> None:
    if size > HEADER:
        raise TooLarge(f"message with {size} bytes besides the picture: expected at most {HEADER}")


def is_map(data: Bytes) -> bool:
    """Tell whether the data begins as a msgpack map does. A JPEG begins with 0xff."""
    return bool(data) and (0x80 <= data[0] <= 0x8F or data[0] in (0xDE, 0xDF))


def encode(message: Struct) -> bytes:
    """Write any message as a map, without the length before it."""
    return _encoder.encode(message)


def prefixed(body: Bytes) -> bytes:
    """Put the length before a map, as it goes over TCP."""
    return len(body).to_bytes(PREFIX, "big") + body


def with_binaries(body: bytes, **binaries: Bytes | None) -> list[Bytes]:
    """Add binary values to an encoded map. Gives parts to be sent one after the other; no value is copied."""
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
    """Put the length before the parts of a message. Small parts are joined, large ones stay as they are."""
    sent: list[Bytes] = []
    small = sum(map(len, parts)).to_bytes(PREFIX, "big")
    for part in parts:
        if len(part) <= HEADER:
            small += part
        else:
            sent += [small, part]
            small = b""
    return [*sent, small] if small else sent


def result_message(result: FrameResult, *, epoch: float) -> ResultMessage:
    """Make a result's message, without mask and picture. ``epoch``: ``time.time() - time.monotonic()`` of here."""
    return ResultMessage(**said_of(result), **times_of(result, epoch))


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

    @property
    def unfinished(self) -> bool:
        """True while a part of a message waits for the rest."""
        return self._end > self._start

    def room(self) -> memoryview:
        """Return the memory for the next bytes; never empty."""
        return self._view[self._end :]

    def received(self, count: int) -> Iterator[memoryview]:
        """Take as many bytes as were put into ``room``, and give each whole message. It is valid until the next call.

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
