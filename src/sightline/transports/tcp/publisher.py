"""One stream that a TCP peer publishes, and a result as TCP sends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sightline.core.errors import ShuttingDown, SightlineError
from sightline.core.types import Frame, Result
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
        """Tell the peer why it is over, then close."""
        ...


class TcpPublisher(Publisher):
    """One stream that a peer publishes."""

    wants_results = True

    def __init__(self, peer: Connection, name: str, *, session: str, max_pending: int) -> None:
        self.session = session
        self._peer = peer
        self._name = name
        self._pacer = Pacer(max_pending, peer.tell_all)

    def answer(self, result: Result) -> None:
        """The frame's result."""
        self._peer.answer(result_parts(result, mask=True))

    def drop(self, frame: Frame, reason: DropReason) -> None:
        """The frame was dropped."""
        self._pacer.later(frame, DroppedMessage(stream=self._name, seq=frame.seq, reason=reason))

    def fail(self, frame: Frame, message: str) -> None:
        """The frame failed."""
        self._peer.tell(DroppedMessage(stream=self._name, seq=frame.seq, reason="failed", message=message))

    def tell(self, status: Status) -> None:
        """How the model stands."""
        self._peer.tell(status.of(self._name))

    def ask(self, wish: Adapt) -> None:
        """For other pictures from now on."""
        self._peer.tell(wish.of(self._name))

    def inform(self, message: SettingsMessage | SettingsRefused) -> None:
        """What its frames are processed with from now on, or why not."""
        self._peer.tell(message)

    def close(self, reason: str) -> None:
        """The server stops."""
        self._peer.end(ShuttingDown(reason))


def result_parts(result: Result, *, mask: bool, jpeg: bytes | None = None) -> Sequence[Bytes]:
    """A result as it is sent; made once, whoever wants it so."""
    mask = mask and result.mask_png is not None

    def make() -> Sequence[Bytes]:
        message = frames.result_message(result, epoch=EPOCH)
        if mask:
            message.mask_kind = mask_kind(result)
        body = frames.with_binaries(frames.encode(message), mask=result.mask_png if mask else None, data=jpeg)
        return frames.for_tcp(body)

    return result.once(("tcp", mask, jpeg is not None), make)
