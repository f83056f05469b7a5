"""A camera's side that its stream sees: what the stream says becomes frames of the WebSocket."""

from __future__ import annotations

import time

from msgspec import Struct

from sightline.core.errors import BadImage, ShuttingDown, TooLarge
from sightline.core.types import Frame, FrameResult
from sightline.streams.ingest import Pacer
from sightline.streams.publisher import DropReason, Publisher
from sightline.transports.websocket.session import WebSocketSession, binary_frame, text_frame
from sightline.wire import json as protocol
from sightline.wire.messages import Adapt, JsonDropped, SettingsMessage, SettingsRefused, Status


class WebSocketPublisher(Publisher):
    """Publisher of a camera's session."""

    def __init__(self, session: WebSocketSession, *, wants_results: bool, secret: str, max_pending: int) -> None:
        """``secret``: by which it takes its stream over from its own last connection."""
        self.wants_results, self.session = wants_results, secret
        self._session = session
        self._pacer = Pacer(max_pending, self._say_dropped)

    def answer(self, result: FrameResult) -> None:
        """Send the frame's result."""
        frames = text_frame(protocol.result_message(result, mask_follows=True))
        self._session.say(frames if result.mask_png is None else frames + binary_frame(result.mask_png))

    def drop(self, frame: Frame, reason: DropReason) -> None:
        """Say that the frame was dropped."""
        self._pacer.later(frame.received_at, JsonDropped(seq=frame.seq, reason=reason))

    def _say_dropped(self, notices: list[JsonDropped]) -> None:
        self._session.say(b"".join(map(text_frame, notices)))

    def refuse(self, seq: int, error: BadImage | TooLarge) -> None:
        """Say that a picture could not be taken."""
        self._pacer.later(time.monotonic(), JsonDropped(seq=seq, reason=error.code, message=error.message))

    def fail(self, frame: Frame, message: str) -> None:
        """Say that the frame failed."""
        self.say(JsonDropped(seq=frame.seq, reason="failed", message=message))

    def tell(self, status: Status) -> None:
        """Send the model's status."""
        self.say(status)

    def ask(self, message: Adapt) -> None:
        """Ask for other pictures from now on."""
        self.say(message)

    def inform(self, message: SettingsMessage | SettingsRefused) -> None:
        """Send the settings that apply to its frames from now on, or why they did not change."""
        self.say(message)

    def say(self, message: Struct) -> None:
        """Send any other message."""
        self._session.say(text_frame(message))

    def close(self, reason: str) -> None:
        """End the session with a reason."""
        self._session.end(ShuttingDown(reason))
