"""Both ends of a child process: JSON lines over its standard input and output. A child ends with its parent."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from sightline.core.errors import SightlineError
from sightline.stress.plan import Failed, Heard, Told

LONGEST = 1 << 28
"""Maximum line length in bytes; an hour at 240 frames/s needs 40 MB."""

_told: msgspec.json.Decoder[Told] = msgspec.json.Decoder(Told)
_heard: msgspec.json.Decoder[Heard] = msgspec.json.Decoder(Heard)
T = TypeVar("T")


# In the child


class Parent:
    """The process that started this one."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[bytes] = asyncio.Queue(4)
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        # Windows has no asynchronous standard input, so a thread reads it. A daemon thread, as nothing can wake it.
        threading.Thread(target=self._read, daemon=True).start()

    def tell(self, message: Heard) -> None:
        """Send a message."""
        sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
        sys.stdout.buffer.flush()

    async def hear(self, kind: type[T]) -> T:
        """Receive the next message, which must be of type ``kind``."""
        return expect(_told.decode(await self._lines.get()), kind)

    def _read(self) -> None:
        assert self._task is not None
        try:
            for line in sys.stdin.buffer:
                asyncio.run_coroutine_threadsafe(self._lines.put(line), self._loop).result()
        finally:
            self._loop.call_soon_threadsafe(self._task.cancel)  # the parent is gone


def main(work: Callable[[Parent], Awaitable[None]]) -> None:
    """Run a child process. It ignores Ctrl-C, which the parent handles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def run() -> None:
        parent = Parent()
        try:
            await work(parent)
        except SightlineError as e:
            parent.tell(Failed(e.code, e.message))

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(run())


# In the parent


class Child:
    """A child process that runs ``sightline.stress.MODULE``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._to, self._from = process.stdin, process.stdout
        self._errors = asyncio.create_task(process.stderr.read())

    async def tell(self, message: Told) -> None:
        """Send a message; a child that has exited is ignored."""
        self._to.write(msgspec.json.encode(message) + b"\n")
        try:
            await self._to.drain()
        except ConnectionError:
            return  # ``hear`` says why

    async def hear(self, kind: type[T]) -> T:
        """Receive the next message. Raises SightlineError if the child failed."""
        line = await self._from.readline()
        if not line:
            said = (await self._errors).decode(errors="replace").strip()
            raise SightlineError(f"a process of the stress test ended: {said[-800:] or 'it said nothing'}")
        return expect(_heard.decode(line), kind)


@asynccontextmanager
async def child(module: str, job: Told) -> AsyncGenerator[Child]:
    """Start a child process with its job; it is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"sightline.stress.{module}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LONGEST,
    )
    started = Child(process)
    try:
        await started.tell(job)
        yield started
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await started._errors


def expect(message: object, kind: type[T]) -> T:
    """Return a message that must be of type ``kind``. If it is ``Failed``, raises the error that it reports."""
    if isinstance(message, Failed) and kind is not Failed:
        from sightline.client.answers import error_of

        raise error_of(message.code, message.message)
    if not isinstance(message, kind):
        raise SightlineError(f"a process of the stress test said {type(message).__name__}: expected {kind.__name__}")
    return message
