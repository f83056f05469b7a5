"""Streams published over TCP, and the encoding of results for TCP."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from sightline.core.errors import BadImage, ShuttingDown, SightlineError, TooLarge
from sightline.core.types import Frame, FrameResult
from sightline.streams.ingest import EPOCH, Pacer
from sightline.streams.publisher import DropReason, Publisher
from sightline.wire import msgpack as frames
from sightline.wire.messages import Adapt, DroppedMessage, SettingsMessage, SettingsRefused, Status, mask_kind
from sightline.wire.msgpack import Bytes


class Connection(Protocol):
    """The peer's connection, as its publishers see it."""

    def tell(self, message: frames.ServerMessage) -> None:
        """Send a small message."""
        ...

    def tell_all(self, messages: Sequence[frames.ServerMessage]) -> None:
        """Send small messages with one write."""
        ...

    def answer(self, parts: Sequence[Bytes]) -> None:
        """Send an answer, or keep it while the peer doesn't read."""
        ...

    def end(self, error: SightlineError) -> None:
        """Tell the peer why the connection ends, then close it."""
        ...


class TcpPublisher(Publisher):
    """One stream that a peer publishes."""

    wants_results = True

    def __init__(self, peer: Connection, name: str, *, session: str, max_pending: int) -> None:
        self.session = session
        self._peer = peer
        self._name = name
        self._pacer = Pacer(max_pending, peer.tell_all)

    def answer(self, result: FrameResult) -> None:
        """Send the frame's result."""
        self._peer.answer(result_parts(result, mask=True))

    def drop(self, frame: Frame, reason: DropReason) -> None:
        """Say that the frame was dropped."""
        self._pacer.later(frame.received_at, DroppedMessage(stream=self._name, seq=frame.seq, reason=reason))

    def refuse(self, seq: int, error: BadImage | TooLarge) -> None:
        """Say that a picture could not be taken."""
        notice = DroppedMessage(stream=self._name, seq=seq, reason=error.code, message=error.message)
        self._pacer.later(time.monotonic(), notice)

    def fail(self, frame: Frame, message: str) -> None:
        """Say that the frame failed."""
        self._peer.tell(DroppedMessage(stream=self._name, seq=frame.seq, reason="failed", message=message))

    def tell(self, status: Status) -> None:
        """Send the model's status."""
        self._peer.tell(status.of(self._name))

    def ask(self, wish: Adapt) -> None:
        """Ask for other pictures from now on."""
        self._peer.tell(wish.of(self._name))

    def inform(self, message: SettingsMessage | SettingsRefused) -> None:
        """Send the settings that apply to its frames from now on, or why they did not change."""
        self._peer.tell(message)

    def close(self, reason: str) -> None:
        """End the whole connection with a reason."""
        self._peer.end(ShuttingDown(reason))


def result_parts(result: FrameResult, *, mask: bool, jpeg: bytes | None = None) -> Sequence[Bytes]:
    """The bytes of a result, made once for all peers that want the same parts."""
    mask = mask and result.mask_png is not None

    def make() -> Sequence[Bytes]:
        message = frames.result_message(result, epoch=EPOCH)
        if mask:
            message.mask_kind = mask_kind(result)
        elif jpeg is None:  # as nearly all answers are
            return [frames.prefixed(frames.encode(message))]
        body = frames.with_binaries(frames.encode(message), mask=result.mask_png if mask else None, data=jpeg)
        return frames.for_tcp(body)

    return result.once(("tcp", mask, jpeg is not None), make)
