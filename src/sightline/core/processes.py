"""Processes that a server starts, on any event loop.

uvloop's own way runs Python between fork and exec, which frees what other threads keep in ``threading.local``. PyAV
keeps a scaler there, whose end waits for threads that no fork copies: the child would hang, and the server with it.
``subprocess`` runs no Python there.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from subprocess import DEVNULL, PIPE
from typing import IO, TypeAlias


class ChildProcess:
    """A process and what it prints, with the names of ``asyncio.subprocess.Process``."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self.pid = popen.pid
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self.kill = popen.kill
        self.terminate = popen.terminate
        self._popen = popen
        self._ended = asyncio.Event()
        threading.Thread(target=self._watch, args=(asyncio.get_running_loop(),), daemon=True).start()

    @property
    def returncode(self) -> int | None:
        """Its exit status, or the negative number of the signal that ended it; None while it runs."""
        return self._popen.returncode

    async def wait(self) -> int:
        """Return ``returncode`` once it has ended."""
        await self._ended.wait()
        return self._popen.wait()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._popen.wait()
        with contextlib.suppress(RuntimeError):  # the loop ended first
            loop.call_soon_threadsafe(self._ended.set)


Process: TypeAlias = ChildProcess | asyncio.subprocess.Process


class _Printed(asyncio.StreamReaderProtocol):
    def eof_received(self) -> bool:
        """Have the pipe closed, which uvloop otherwise leaves open."""
        super().eof_received()
        return False


async def start_process(
    *command: str,
    stderr: int = DEVNULL,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    start_new_session: bool = False,
) -> Process:
    """Start a process without standard input, whose output is read from ``stdout``. Raises OSError."""
    if sys.platform == "win32":  # has no uvloop, and asyncio can't read the pipes of ``subprocess``
        return await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=stderr, env=env)
    popen = subprocess.Popen(  # noqa: ASYNC220 - in a thread it would be lost if we are cancelled
        command,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=stderr,
        env=env,
        pass_fds=pass_fds,
        start_new_session=start_new_session,
    )
    try:
        process = ChildProcess(popen)
        process.stdout = await _reader(popen.stdout)
        process.stderr = await _reader(popen.stderr)
    except BaseException:
        popen.kill()
        raise
    return process


async def _reader(pipe: IO[bytes] | None) -> asyncio.StreamReader | None:
    if pipe is None:
        return None
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: _Printed(reader), pipe)
    return reader
