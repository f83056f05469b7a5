"""The server's end of a model's process: starts it, asks it, and says why it ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from subprocess import STDOUT
from typing import NamedTuple, TypeAlias

from sightline.core import errors
from sightline.core.errors import FAULTS, ModelError, SightlineError, cancelled, told
from sightline.core.processes import Process, start_process
from sightline.core.registry import load
from sightline.core.types import Encoded
from sightline.inference.infer import Answer, Ask, Inferred, NotInferred, Same
from sightline.inference.place import ModelFacts, NotBegun
from sightline.inference.places.messages import (
    LENGTH,
    MOST_BYTES,
    AnswerMessage,
    AnswersMessage,
    FailedMessage,
    FromProcess,
    LoadRequest,
    LogMessage,
    PictureMessage,
    ReadyMessage,
    RefusedMessage,
    RunRequest,
    SameMessage,
    from_process,
    kind_named,
    packed,
)
from sightline.inference.places.pixels import SharedPixels

log = logging.getLogger(__name__)

GRACE_S = 0.1
"""Time for an answer that is on its way when a deadline is over, as this process itself may have stood still."""


MOST_PRINTED = 4096
"""Bytes of what a process prints that make one record."""
PRINT_S = 0.1
"""Seconds between two such records."""

Said: TypeAlias = ReadyMessage | AnswersMessage


class Question(NamedTuple):
    """Something that was asked and is not answered yet."""

    answer: asyncio.Future[tuple[Said, float]]
    may_take: float
    """Seconds from when it is the process's turn to answer it."""
    late: str
    """What is said if it takes longer."""


class ModelProcess(asyncio.Protocol):
    """One process, from its start to its end. It answers in the order in which it is asked."""

    def __init__(self, died: Callable[[str], None]) -> None:
        """``died`` is called once with the reason, when the process has ended."""
        self.peak_bytes = 0
        """Most memory that the process ever had."""
        self._died = died
        self.was_late = False
        """Whether it died because it did not answer in time."""
        self._why = ""
        """Why it ends, where that is known before it has ended."""
        self._process: Process | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._unread = bytearray()
        self._questions: deque[Question] = deque()
        self._turn_began = 0.0
        """When the first question's turn began: ``time.monotonic()``."""
        self._deadline: asyncio.TimerHandle | None = None
        self._hung_up = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The number of the process; None before it was started."""
        return None if self._process is None else self._process.pid

    async def start(self, pixels: Sequence[SharedPixels]) -> None:
        """Start the process. Raises ModelError where the system has none to give."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            self._transport, _ = await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)
            fds = theirs.fileno(), *(one.fd for one in pixels)
            self._process = await start_process(
                *(sys.executable, "-m", "sightline.inference.places.child", *map(str, fds)),
                pass_fds=fds,
                stderr=STDOUT,  # what native code prints is for people, in the log's own form
                start_new_session=True,
            )
        except OSError as e:
            raise ModelError(f"the model's process can't be started: {e}") from None
        finally:
            theirs.close()
            if self._process is None:
                ours.close()
        assert self._process.stdout is not None
        self._printed = asyncio.create_task(overhear(self._process.stdout))
        self._watch = asyncio.create_task(self._watched(self._process, self._transport))

    async def load(self, request: LoadRequest, may_take: float) -> ModelFacts:
        """Have the model loaded. Raises what its loading raised, or ModelError where it dies or takes longer."""
        said, _ = await self._asked([packed(request)], may_take, f"the model did not load within {may_take:g} s")
        if not isinstance(said, ReadyMessage):
            raise self._nonsense("it answers without having loaded")
        with contextlib.suppress(errors.ConfigError):  # so that its kinds of predictions are known here
            load("models", said.info.card.family)
        self.peak_bytes = said.peak_bytes
        return said.info

    async def ask(
        self, asks: Sequence[Ask], gone: Set[str], pixels: int, offsets: Sequence[int], may_take: float
    ) -> tuple[list[Answer], float]:
        """The answers to a batch, and the seconds that they took.

        ``pixels`` and ``offsets``: which common memory, and where the pixels of those lie in it that are no JPEG.
        Raises NotBegun where the process died before it was this batch's turn, ModelError where it died then.
        """
        places = iter(offsets)
        request = RunRequest(tuple(picture_of(ask, places) for ask in asks), tuple(gone), pixels)
        jpegs = [ask.frame.image.data for ask in asks if isinstance(ask.frame.image, Encoded)]
        late = f"the model did not answer in {may_take:.1f} s"
        said, took = await self._asked([packed(request), *jpegs], may_take, late)
        if not isinstance(said, AnswersMessage) or len(said.answers) != len(asks):
            raise self._nonsense(f"it does not answer to {len(asks)} pictures")
        self.peak_bytes = said.peak_bytes
        return [answer_of(one) for one in said.answers], took

    def kill(self, why: str) -> None:
        """End the process, and say why it died. The first reason counts."""
        self._why = self._why or why
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def gone(self) -> None:
        """Wait until the process has ended."""
        if self._watch is not None:
            await asyncio.wait([self._watch])

    async def _asked(self, data: Sequence[bytes], may_take: float, late: str) -> tuple[Said, float]:
        """What was said, and the seconds that it took."""
        if self._transport is None or self._why or self._transport.is_closing():
            await self.gone()  # only then it is known why, and whoever asks again waits for the next process
            raise NotBegun(self._why or "the model's process is gone")
        question = Question(asyncio.get_running_loop().create_future(), may_take, late)
        self._questions.append(question)
        if len(self._questions) == 1:
            self._begin_turn()
        self._transport.writelines(data)
        return await question.answer

    def _begin_turn(self) -> None:
        """The first question is the one that is answered next, and its time runs."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self._questions:
            self._turn_began = time.monotonic()
            first, loop = self._questions[0], asyncio.get_running_loop()
            self._deadline = loop.call_later(first.may_take, loop.call_later, GRACE_S, self._expire, first)

    def _expire(self, question: Question) -> None:
        if self._questions and self._questions[0] is question:
            self.was_late = True
            self.kill(question.late)

    async def _watched(self, process: Process, transport: asyncio.WriteTransport) -> None:
        """See to the end: only once both are over, the process and what it has said, is it known why."""
        if self._why:
            self.kill(self._why)
        code = await process.wait()
        await self._hung_up.wait()
        transport.close()
        await asyncio.wait([self._printed], timeout=PRINT_S)
        self._printed.cancel()  # another process may still have its end
        self._why = self._why or _end(code)
        if self._deadline is not None:
            self._deadline.cancel()
        for place, question in enumerate(self._questions):
            if not question.answer.done():
                question.answer.set_exception((NotBegun if place else ModelError)(self._why))
        self._died(self._why)

    # What it says

    def data_received(self, data: bytes) -> None:
        """Read messages."""
        self._unread += data
        while len(self._unread) >= LENGTH:
            size = int.from_bytes(self._unread[:LENGTH], "big")
            if size > MOST_BYTES:
                self._nonsense(f"{size} bytes")
                return
            if len(self._unread) < LENGTH + size:
                return
            message = bytes(self._unread[LENGTH : LENGTH + size])
            del self._unread[: LENGTH + size]
            try:
                self._heard(from_process.decode(message))
            except FAULTS as e:
                if cancelled(e):
                    raise
                self._nonsense(told(e))

    def connection_lost(self, error: Exception | None) -> None:
        """The process hung up: it has ended, or is to end."""
        self._hung_up.set()
        self.kill("")

    def _heard(self, message: FromProcess) -> None:
        if isinstance(message, LogMessage):
            self._log(message)
            return
        if isinstance(message, RefusedMessage):
            self._why = self._why or message.message
            if self._questions and not self._questions[0].answer.done():
                self._questions[0].answer.set_exception(error_of(message))
        elif self._questions:
            first, took = self._questions.popleft(), time.monotonic() - self._turn_began
            if not first.answer.done():
                first.answer.set_result((message, took))
            self._begin_turn()

    def _log(self, line: LogMessage) -> None:
        _write(line.level, line.message, line.traceback)

    def _nonsense(self, what: str) -> ModelError:
        """End a process that does not keep to the protocol."""
        self._unread.clear()
        self.kill(f"the model's process can't be understood: {what[:200]}")
        return ModelError(self._why)


async def overhear(
    printed: asyncio.StreamReader,
    whose: str = "a model's process",
    understood: Callable[[str], bool] = lambda _: False,
) -> None:
    """Log what the process prints, unless it is ``understood``. One that prints without end holds up itself alone."""
    while data := await printed.read(MOST_PRINTED):
        text = data.decode(errors="replace").rstrip("\n")
        if not understood(text):
            _write(logging.WARNING, f"{whose} printed:", text)
        await asyncio.sleep(PRINT_S)


def _write(level: int, message: str, lines: str | None) -> None:
    """Log a message with lines below it, none of which may look like a record of ours."""
    if log.isEnabledFor(level):
        record = log.makeRecord(log.name, level, "", 0, "%s", (message,), None)
        if lines is not None:
            printable = (text if text.isprintable() else ascii(text) for text in lines.split("\n"))
            record.exc_text = "\n".join(f"    {text}" for text in printable)
        log.handle(record)


def picture_of(ask: Ask, places: Iterator[int]) -> PictureMessage:
    frame, image = ask.frame, ask.frame.image
    about = (frame.stream, frame.seq, frame.received_at, *frame.size)
    if not isinstance(image, Encoded):
        return PictureMessage(*about, None, next(places), ask.options, ask.last)
    jpeg_bytes = len(image.data)
    return PictureMessage(*about, jpeg_bytes, 0, ask.options, ask.last, image.orientation, image.damaged)


def answer_of(message: AnswerMessage) -> Answer:
    """Make an answer of what was said. A prediction that is none fails alone."""
    if isinstance(message, SameMessage):
        return Same(message.started, message.took_ms)
    if isinstance(message, FailedMessage):
        return NotInferred(message.message)
    kind = kind_named(message.kind)
    if kind is None:
        return NotInferred(f"a prediction of the kind {message.kind[:80]!r}: expected one that the server knows")
    try:
        values = {name: tuple(v) if isinstance(v, list) else v for name, v in message.fields.items()}
        return Inferred(kind(**values), message.stages, message.started)
    except (TypeError, ValueError) as e:
        return NotInferred(f"a prediction of the kind {message.kind[:80]!r}: {e}")


def error_of(refused: RefusedMessage) -> SightlineError:
    """Return the error that the process speaks of."""
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, SightlineError)]
    return {one.code: one for one in classes}.get(refused.code, ModelError)(refused.message)


def _end(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"the model's process ended with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"the model's process was killed by {name}"
