"""Messages from viewers on all transports: one table of the messages and their handlers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import UNSET, Struct

from sightline.core.errors import BadRequest, LimitReached
from sightline.streams.rendering import Look, Onlooker
from sightline.streams.subscription import Subscription
from sightline.wire.json import Reader
from sightline.wire.messages import ErrorMessage, Pong
from sightline.wire.requests import Ack, LookWish, PerformanceStats, Ping

UNACKNOWLEDGED = 2
"""Maximum number of frames under way to a viewer that acknowledges."""


class Acks:
    """Frames under way to a viewer. Until its first ack there is no limit."""

    def __init__(self) -> None:
        self._under_way: deque[int] = deque(maxlen=64)
        self._acknowledges = False

    def sent(self, seq: int) -> None:
        """Note that a frame was sent."""
        self._under_way.append(seq)

    def acknowledge(self, seq: int) -> None:
        """Note that the viewer has drawn this frame and so is done with older ones."""
        self._acknowledges = True
        if seq in self._under_way:
            while self._under_way.popleft() != seq:
                pass

    @property
    def room(self) -> bool:
        """True if another frame may be sent."""
        return not self._acknowledges or len(self._under_way) < UNACKNOWLEDGED


class ViewerSession:
    """State of one viewer's session that its messages read and change."""

    def __init__(self, subscription: Subscription, look: Look | None, onlooker: Onlooker | None = None) -> None:
        """``onlooker``: the viewer as one of those for whom the server draws its own pictures by a look."""
        self.subscription = subscription
        self.look = look
        """Look of pictures that the server draws; None for a viewer that draws by itself. May change at any time."""
        self.onlooker = onlooker
        self.acks = Acks()

    def hear(self, text: str | bytes) -> Struct | None:
        """Handle one message. Returns the answer to it, or None if there is none.

        A request that can't be granted is answered with an error, and the session goes on. Raises ProtocolError or
        TooLarge for text that is not a valid message.
        """
        message = read(text)
        try:
            return HANDLERS[type(message)](self, message)
        except (BadRequest, LimitReached) as e:
            return ErrorMessage(e.code, e.message, of=str(message.__struct_config__.tag))


def _acknowledge(viewer: ViewerSession, message: Ack) -> None:
    if message.seq is not None:
        viewer.acks.acknowledge(message.seq)


def _report(viewer: ViewerSession, message: PerformanceStats) -> None:
    viewer.subscription.report(message)


def _answer(viewer: ViewerSession, message: Ping) -> Pong:
    return pong(message)


def pong(message: Ping) -> Pong:
    """Answer who asks for the server's clock."""
    return Pong(message.timestamp, time.time() * 1000)


def _change_look(viewer: ViewerSession, message: LookWish) -> None:
    if viewer.look is None:
        raise BadRequest("look of a viewer that draws by itself: expected one with render=server")
    asked = Look.of(_said(message.mode), _said(message.opacity))
    look = Look(
        viewer.look.mode if message.mode is UNSET else asked.mode,
        viewer.look.opacity if message.opacity is UNSET else asked.opacity,
    )
    if viewer.onlooker is not None:
        viewer.onlooker.change(look)
    viewer.look = look


def _said(value: object) -> str | None:
    return None if value is None or value is UNSET else str(value)


Handler: TypeAlias = Callable[[ViewerSession, Any], Struct | None]

HANDLERS: Mapping[type[Struct], Handler] = {
    Ack: _acknowledge,
    PerformanceStats: _report,
    Ping: _answer,
    LookWish: _change_look,
}
"""Handler of each message. It may return an answer or raise BadRequest. A new message is one more entry."""

read: Reader[Struct] = Reader(*HANDLERS)
"""Decoder of a viewer's text messages. Raises ProtocolError or TooLarge."""
