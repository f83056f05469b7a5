"""The process of one model: ``python -m sightline.inference.places.child SOCKET PIXELS...`` (inherited descriptors).

It serves whoever started it until that one closes the socket. Native code that crashes, hangs or takes all memory
takes this process alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import mmap
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from sightline.core.errors import FAULTS, LimitReached, ModelError, SightlineError, told
from sightline.core.types import Encoded, Frame
from sightline.inference import allocator
from sightline.inference.infer import Answer, Ask, Inferred, NotInferred, Same, infer
from sightline.inference.place import ModelFacts
from sightline.inference.places.messages import (
    LENGTH,
    AnswerMessage,
    AnswersMessage,
    FailedMessage,
    FromProcess,
    InferredMessage,
    LoadRequest,
    LogMessage,
    PictureMessage,
    ReadyMessage,
    RefusedMessage,
    RunRequest,
    SameMessage,
    ToProcess,
    kind_of,
    packed,
    to_process,
)
from sightline.inference.places.pixels import SharedPixels
from sightline.inference.static_scene import StaticScenes
from sightline.models.base import Model
from sightline.zoo import loader
from sightline.zoo.foreign import check_foreign

PR_SET_PDEATHSIG = 1
"""From ``linux/prctl.h``."""
MB = 1 << 20
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
        """Send a message. Raises TypeError for a prediction that can't be sent, Closed where the server is gone."""
        data = packed(message)
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
    _die_with_parent()
    allocator.keep()
    sock, *pixels = map(int, sys.argv[1:])
    channel = Channel(socket.socket(fileno=sock))
    with contextlib.suppress(Closed):
        first = channel.receive()
        assert isinstance(first, LoadRequest), "it comes first"
        logging.basicConfig(level=first.log_level, handlers=[Forward(channel)])
        _limit_memory(first.memory_bytes)
        model = _load(channel, first)
        if model is not None:
            _serve(channel, [SharedPixels(fd) for fd in pixels], model, first)


def _load(channel: Channel, request: LoadRequest) -> Model | None:
    """The model; None where it can't be loaded, of which the server has then been told."""
    try:
        if request.foreign:
            check_foreign(Path(request.spec))
        model = loader.load_model(request.spec, request.options)
        model.card = replace(model.card, name=request.name)
        if request.memory_bytes is not None and (peak := _peak_bytes()) > request.memory_bytes:
            raise LimitReached(f"it takes {peak / MB:.0f} MB: expected no more than {request.memory_bytes / MB:.0f}")
        channel.send(ReadyMessage(ModelFacts.of(model), _peak_bytes()))
    except SightlineError as e:
        channel.send(RefusedMessage(e.code, e.message))
    except FAULTS as e:
        channel.send(RefusedMessage(ModelError.code, f"{type(e).__name__}: {e}"))
    else:
        return model
    return None


def _serve(channel: Channel, pixels: Sequence[SharedPixels], model: Model, how: LoadRequest) -> None:
    scenes = StaticScenes() if how.static_skip else None
    while True:
        request = channel.receive()
        assert isinstance(request, RunRequest), "all others are such"
        asks = [_ask(channel, pixels[request.pixels], picture, copied=model.remembers) for picture in request.pictures]
        answers = infer(model, asks, scenes, gone=frozenset(request.gone))
        _answer(channel, answers)
        if how.memory_bytes is not None:
            failed = all(isinstance(answer, NotInferred) for answer in answers)
            # What it was not given does not count as taken, but no frame has a result for want of it.
            grown = max(_peak_bytes(), _reserved_bytes() if failed else 0)
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


def _answer(channel: Channel, answers: Sequence[Answer]) -> None:
    """Send the answers. A prediction that can't be sent fails alone."""
    try:
        channel.send(AnswersMessage(tuple(map(_message, answers)), _peak_bytes()))
    except TypeError:
        tried = tuple(_sendable(_message(answer)) for answer in answers)
        channel.send(AnswersMessage(tried, _peak_bytes()))


def _message(answer: Answer) -> AnswerMessage:
    if isinstance(answer, Same):
        return SameMessage(answer.started, answer.took_ms)
    if isinstance(answer, NotInferred):
        return FailedMessage(answer.message)
    return _inferred(answer)


def _inferred(answer: Inferred) -> AnswerMessage:
    said = answer.prediction
    if not is_dataclass(said):
        return FailedMessage(f"a prediction of type {type(said).__name__}: expected a dataclass")
    values = {field.name: getattr(said, field.name) for field in fields(said)}
    return InferredMessage(kind_of(type(said)), values, answer.stages, answer.started)


def _sendable(message: AnswerMessage) -> AnswerMessage:
    try:
        packed(AnswersMessage((message,), 0))
    except TypeError as e:
        return FailedMessage(told(e))
    return message


def _peak_bytes() -> int:
    """Most memory that this process ever had; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


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


def _die_with_parent() -> None:
    """Whatever becomes of the server, this process does not outlive it, not even in native code that hangs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a person's Ctrl-C is for the server
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
