"""Messages as JSON text and back, as WebSockets and data channels have them. No sockets here."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, Union

import msgspec
from msgspec import UNSET, Struct

from sightline.core.errors import ProtocolError, SightlineError, TooLarge
from sightline.wire.messages import ErrorMessage, JsonResult, Still, ViewerFrame, mask_kind, said_of, times_of
from sightline.wire.requests import Background, FrameMetadata, PerformanceStats, Ping, SettingsWish
from sightline.wire.unknown import without_unknown

if TYPE_CHECKING:  # the SDK reads this file and does without numpy
    from sightline.core.types import FrameResult

MAX_TEXT = 4096
"""Bytes. No text message of a peer needs more."""
MAX_CAMERA_TEXT = 32768
"""Bytes of a camera's text message: the detections of a picture fit."""

CameraMessage: TypeAlias = FrameMetadata | Ping | PerformanceStats | SettingsWish | Background

M = TypeVar("M", bound=Struct)

_encoder = msgspec.json.Encoder()


class Reader(Generic[M]):
    """Reads text messages of certain kinds."""

    def __init__(self, *kinds: type[M], most: int = MAX_TEXT) -> None:
        """``most``: bytes that a message may have."""
        self._most = most
        self._kinds: Any = Union[kinds]  # noqa: UP007 - kinds are a tuple
        self._decoder: msgspec.json.Decoder[M] = msgspec.json.Decoder(self._kinds)
        self._known = ", ".join(str(kind.__struct_config__.tag) for kind in kinds)

    def __call__(self, text: str | bytes) -> M:
        """Read one message, without the figures that its sender does not know. Raises ProtocolError or TooLarge."""
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        if len(data) > self._most:
            raise TooLarge(f"text message of {len(data)} bytes: expected at most {self._most}")
        try:
            return self._decoder.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as e:
            with suppress(msgspec.DecodeError, RecursionError, ValueError):  # Python's reader knows NaN
                read: M = msgspec.convert(without_unknown(json.loads(data)), self._kinds)
                return read
            shown = data[:60].decode("utf-8", "replace")
            raise ProtocolError(f"text message {shown!r}: {e}; expected one of {self._known}") from None


decode_camera: Reader[CameraMessage] = Reader(
    FrameMetadata, Ping, PerformanceStats, SettingsWish, Background, most=MAX_CAMERA_TEXT
)
"""Reads a camera's text message. Raises ProtocolError or TooLarge with the reason."""


def encode(message: Struct) -> str:
    """Write any message as JSON text."""
    return encoded(message).decode()


def encoded(message: Struct) -> bytes:
    """Write any message as JSON text in UTF-8."""
    return _encoder.encode(message)


def error_message(error: SightlineError) -> str:
    """Write an error as the text that tells a peer."""
    return encode(ErrorMessage(error.code, error.message, url=getattr(error, "url", "")))


def result_message(result: FrameResult, *, mask_follows: bool) -> JsonResult:
    """Make a result's message, without its picture. ``mask_follows``: the PNG is sent as the next binary message."""
    return JsonResult(**said_of(result), **(_mask(result) if mask_follows else {}))


def viewer_frame(result: FrameResult, *, epoch: float, jpeg_bytes: int, rendered: str | None = None) -> ViewerFrame:
    """Make the announcement of a result with its picture, and of its mask where nothing is drawn in.

    ``epoch`` is ``time.time() - time.monotonic()`` of this process. ``rendered``: the mode in which everything is drawn
    into the picture.
    """
    drawn = _mask(result) if rendered is None else {"rendered": True, "mode": rendered}
    return ViewerFrame(**said_of(result), **times_of(result, epoch), **drawn, format="jpeg", jpeg_bytes=jpeg_bytes)


def still(result: FrameResult, *, epoch: float, changed: bool = False) -> Still:
    """Make the message that the picture a viewer has is still what the camera sees.

    ``changed``: what is said of it is not what the viewer was told.
    """
    said = said_of(result) | times_of(result, epoch)
    if not changed:
        said["detections"] = UNSET
    return Still(**{name: said[name] for name in Still.__struct_fields__})


def _mask(result: FrameResult) -> dict[str, Any]:
    png = result.mask_png
    return {} if png is None else {"mask_bytes": len(png), "mask_kind": mask_kind(result)}
