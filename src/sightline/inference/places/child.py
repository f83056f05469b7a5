"""The process of one model: ``python -m sightline.inference.places.child SOCKET PIXELS...`` (inherited descriptors).

It serves whoever started it until that one closes the socket. Native code that crashes, hangs or takes all memory
takes this process alone.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sightline.core import allocator
from sightline.core.errors import LimitReached
from sightline.core.types import Encoded, Frame
from sightline.inference.infer import Ask, NotInferred, infer
from sightline.inference.places.answering import MB, answered, die_with_parent, load, peak_bytes
from sightline.inference.places.messages import (
    LENGTH,
    FromProcess,
    LoadRequest,
    LogMessage,
    PictureMessage,
    RefusedMessage,
    RunRequest,
    ToProcess,
    packed,
    to_process,
)
from sightline.inference.places.pixels import SharedPixels
from sightline.inference.static_scene import StaticScenes
from sightline.models.base import Model

_lines = logging.Formatter()


class Closed(Exception):
    """The server closed the socket."""


class Channel:
    """The child's end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def read(self, size: int) -> bytes:
        """Return so many bytes. Raises Closed where the server is gone."""
        data = self._socket.recv(size, socket.MSG_WAITALL) if size else b""
        if len(data) < size:
            raise Closed
        return data

    def receive(self) -> ToProcess:
        """Return the next message. Raises Closed."""
        return to_process.decode(self.read(int.from_bytes(self.read(LENGTH), "big")))

    def send(self, message: FromProcess) -> None:
        """Send a message. Raises Closed where the server is gone."""
        self.write(packed(message))

    def write(self, data: bytes) -> None:
        """Send a message that is packed. Raises Closed where the server is gone."""
        try:
            self._socket.sendall(data)
        except OSError:
            raise Closed from None


class Forward(logging.Handler):
    """Hands log lines over to the server, which has the one log."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line."""
        with contextlib.suppress(Closed):
            traceback = None if record.exc_info is None else _lines.formatException(record.exc_info)
            self._channel.send(LogMessage(record.levelno, record.getMessage(), traceback))


def main() -> None:
    """Load what the first message names, then answer batches until the socket is closed."""
    die_with_parent()
    allocator.keep()
    sock, *pixels = map(int, sys.argv[1:])
    channel = Channel(socket.socket(fileno=sock))
    with contextlib.suppress(Closed):
        first = channel.receive()
        assert isinstance(first, LoadRequest), "it comes first"
        logging.basicConfig(level=first.log_level, handlers=[Forward(channel)])
        _limit_memory(first.memory_bytes)
        model, said = load(first)
        channel.send(said)
        if model is not None:
            _serve(channel, [SharedPixels(fd) for fd in pixels], model, first)


def _serve(channel: Channel, pixels: Sequence[SharedPixels], model: Model, how: LoadRequest) -> None:
    scenes = StaticScenes() if how.static_skip else None
    while True:
        request = channel.receive()
        assert isinstance(request, RunRequest), "all others are such"
        asks = [_ask(channel, pixels[request.pixels], picture, copied=model.remembers) for picture in request.pictures]
        answers = infer(model, asks, scenes, gone=frozenset(request.gone))
        channel.write(answered(answers))
        if how.memory_bytes is not None:
            failed = all(isinstance(answer, NotInferred) for answer in answers)
            # What it was not given does not count as taken, but no frame has a result for want of it.
            grown = max(peak_bytes(), _reserved_bytes() if failed else 0)
            if grown > how.memory_bytes:
                words = f"the model's process has grown to {grown / MB:.0f} MB: expected no more than"
                return channel.send(RefusedMessage(LimitReached.code, f"{words} {how.memory_bytes / MB:.0f}"))


def _ask(channel: Channel, pixels: SharedPixels, picture: PictureMessage, *, copied: bool) -> Ask:
    image: Any
    if picture.jpeg_bytes is not None:
        data = channel.read(picture.jpeg_bytes)
        image = Encoded(data, picture.width, picture.height, picture.orientation, picture.damaged)
    else:
        image = pixels.at(picture.offset, picture.width, picture.height)
        image = image.copy() if copied else image
    frame = Frame(picture.stream, picture.seq, 0.0, picture.received_at, image)
    return Ask(frame, picture.options, picture.last)


def _reserved_bytes() -> int:
    """Memory that ``_limit_memory`` limits, used or not; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except OSError:
        return 0
    return pages * mmap.PAGESIZE


def _limit_memory(most: int | None) -> None:
    """Have allocations fail that go far beyond ``most``, and have the system, where it is short, take this process."""
    if sys.platform != "linux":
        return
    import resource

    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
    if most is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (most * 3 // 2, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
