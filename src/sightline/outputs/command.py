"""Output to a program of the operator's: it is run for each alert, with the event on its standard input.

There is no shell, and nothing of an event is among the arguments. Threads run the programs, as starting one may take
its time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen, TimeoutExpired
from tempfile import TemporaryDirectory
from threading import Lock, Thread
from typing import IO, Literal

from pydantic import Field

from sightline.core.errors import FAULTS, ConfigError, told
from sightline.outputs.base import Item, Output, OutputSettings, What
from sightline.settings.environment import environment_for_commands

log = logging.getLogger(__name__)

MOST_SAID = 500
"""Bytes of what a program prints that are logged."""
LAST_WORDS_S = 0.5
"""Time to read what a program has printed after it has ended."""


class CommandSettings(OutputSettings):
    """A program that is run for each item, one JSON object on its standard input.

    ``SIGHTLINE_PICTURE`` in its environment is the path of the event's picture, a JPEG that is removed afterwards. It
    is not set where there is none.
    """

    kind: Literal["command"]
    what: tuple[What, ...] = Field(("alerts",), min_length=1)
    command: tuple[str, ...] = Field(min_length=1)
    """Program and arguments."""
    timeout_s: float = Field(30, gt=0, le=3600)
    """Seconds after which it is killed, with all that it started."""
    at_once: int = Field(2, ge=1, le=16)
    """Maximum number of them at the same time. Further events wait."""


Settings = CommandSettings


def check(settings: CommandSettings) -> None:
    """Raise ConfigError if there is no such program."""
    if shutil.which(settings.command[0]) is None:
        raise ConfigError(f"command: there is no program {settings.command[0]!r} that can be run")


def open(settings: CommandSettings) -> CommandOutput:
    """Make the output. It runs nothing yet."""
    return CommandOutput(settings)


class CommandOutput(Output):
    """Runs a program for each item. One that fails is not run again: nobody knows what it has done by then."""

    batch = 1
    every_s = 0.0
    retries: int | None = 0
    pictures = True
    lost = 0
    """Number of programs that failed."""
    trouble: str | None = None
    """Why the last one failed; None where it did not."""

    def __init__(self, settings: CommandSettings) -> None:
        self.name = f"command {Path(settings.command[0]).name}"  # arguments may hold secrets
        self._command = settings.command
        self._timeout_s = settings.timeout_s
        self._free = asyncio.Semaphore(settings.at_once)
        self._lock = Lock()
        self._running: set[Popen[bytes]] = set()
        self._closed = False

    async def send(self, batch: Sequence[Item]) -> None:
        """Start the program for each item, as soon as it may run."""
        for item in batch:
            await self._free.acquire()
            loop = asyncio.get_running_loop()

            def ended(why: str | None, loop: asyncio.AbstractEventLoop = loop) -> None:
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._ended, why)

            # Python would wait for a pool's threads at exit.
            Thread(target=self._work, args=(item, ended), name="output-command", daemon=True).start()

    async def close(self) -> None:
        """Kill what still runs."""
        with self._lock:
            self._closed = True
            for process in self._running:
                _kill(process)

    def _ended(self, why: str | None) -> None:
        self._free.release()
        if why is not None:
            self.lost += 1
            log.warning("%s: %s", self.name, why)
        self.trouble = why

    # In a thread

    def _work(self, item: Item, ended: Callable[[str | None], None]) -> None:
        why: str | None = None
        try:
            why = self._run(item)
        except FAULTS as e:
            why = told(e)
        finally:
            ended(why)

    def _run(self, item: Item) -> str | None:
        """Run the program. Returns why it failed."""
        with TemporaryDirectory(prefix="sightline-") as folder:
            event, picture = Path(folder) / "event.json", Path(folder) / "picture.jpg"
            event.write_bytes(item.body + b"\n")
            if item.picture is not None:
                picture.write_bytes(item.picture)
            env = environment_for_commands(None if item.picture is None else picture)
            with event.open("rb") as told_by, self._lock:
                if self._closed:
                    return "the server stops"
                process = Popen(
                    self._command, stdin=told_by, stdout=PIPE, stderr=STDOUT, env=env, start_new_session=True
                )
                self._running.add(process)
            return self._watch(process)

    def _watch(self, process: Popen[bytes]) -> str | None:
        assert process.stdout is not None
        said = bytearray()
        reading = Thread(target=_read, args=(process.stdout, said), name="output-command", daemon=True)
        reading.start()
        try:
            status: int | None = process.wait(self._timeout_s)
        except TimeoutExpired:
            status = None
        with self._lock:
            self._running.discard(process)
            _kill(process)
        process.wait()
        reading.join(LAST_WORDS_S)
        words = bytes(said[:MOST_SAID]).decode("utf-8", "replace")
        if words:
            log.info("%s said: %r%s", self.name, words, " and more" if len(said) > MOST_SAID else "")
        if status is None:
            return f"it took longer than {self._timeout_s:g} s and was killed"
        return None if status == 0 else f"it ended with status {status}"


def _read(stream: IO[bytes], said: bytearray) -> None:
    """Read all that a program prints, so that it never waits, and keep the beginning."""
    with stream, suppress(OSError, ValueError):
        while data := os.read(stream.fileno(), 65536):
            said += data[: MOST_SAID + 1 - len(said)]


def _kill(process: Popen[bytes]) -> None:
    """Kill a program and whatever it has started in its group, also where it has ended itself."""
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
