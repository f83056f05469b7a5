"""Tunnel program that offers this server to the internet: found on PATH, run while we serve, never downloaded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import shutil
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from subprocess import STDOUT
from typing import Literal

from sightline.core.errors import ConfigError
from sightline.core.processes import start_process

log = logging.getLogger(__name__)

OPEN_S = 60.0
"""Seconds for which the program may take to name our public address."""
STOP_S = 3.0
Name = Literal["cloudflared", "ngrok", "ssh"]


@dataclass(frozen=True, slots=True)
class _Program:
    """Call of a tunnel program, and the pattern of its address in its output."""

    arguments: tuple[str, ...]
    """Arguments; ``{port}`` is the server's port."""
    address: re.Pattern[str]
    get_it: str


PROGRAMS: dict[Name, _Program] = {
    "cloudflared": _Program(
        ("tunnel", "--no-autoupdate", "--url", "http://127.0.0.1:{port}"),
        re.compile(r"https://(?!api\.)[a-z0-9-]+\.trycloudflare\.com"),
        "https://developers.cloudflare.com/cloudflare-one/connections/connect-networks/downloads/",
    ),
    "ngrok": _Program(
        ("http", "127.0.0.1:{port}", "--log", "stdout", "--log-format", "logfmt"),
        re.compile(r"(?<=\burl=)https://[A-Za-z0-9.-]+"),
        "https://ngrok.com/download, and `ngrok config add-authtoken` once",
    ),
    "ssh": _Program(
        (
            *("-T", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=30"),
            *("-o", "StrictHostKeyChecking=accept-new", "-R", "80:127.0.0.1:{port}", "nokey@localhost.run"),
        ),
        re.compile(r"https://[a-z0-9-]+\.(?:lhr\.life|localhost\.run)(?![a-z0-9.-])(?!/)"),
        "your system's package of OpenSSH",
    ),
}


class Tunnel:
    """One of the tunnel programs, running."""

    def __init__(self, name: Name) -> None:
        """Find the program. Raises ConfigError if it is not installed."""
        self._name = name
        self._program = PROGRAMS[name]
        found = shutil.which(name)
        if found is None:
            raise ConfigError(f"--tunnel {name}: no program of that name is on PATH. Get it: {self._program.get_it}")
        self._path = found
        self._said: deque[str] = deque(maxlen=20)
        self._address: asyncio.Future[str | None] | None = None
        """Future of the public address; None as its result means that the program ended without one."""

    @asynccontextmanager
    async def open(self, port: int) -> AsyncGenerator[str]:
        """Run the program for a server on that local port and yield the public address.

        Raises ConfigError if the program ends before it has an address, or has none in time.
        """
        process = await start_process(
            self._path,
            *(argument.format(port=port) for argument in self._program.arguments),
            stderr=STDOUT,
            start_new_session=True,  # Ctrl-C is for us: the program ends after our peers have been told why
        )
        assert process.stdout is not None
        self._address = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(process.stdout))
        self._process = process
        try:
            yield await self._wait()
        finally:
            await self._stop()

    async def ended(self) -> None:
        """Wait until the program ends by itself, which it should not. Raises ConfigError."""
        await self._reading
        raise self._failure()

    async def _wait(self) -> str:
        assert self._address is not None
        try:
            async with asyncio.timeout(OPEN_S):
                address = await self._address
        except TimeoutError:
            why = f"it named no address within {OPEN_S:g} s{self._last_words()}"
            raise ConfigError(f"--tunnel {self._name}: {why}") from None
        if address is None:
            raise self._failure()
        return address

    async def _read(self, out: asyncio.StreamReader) -> None:
        assert self._address is not None
        try:
            await self._read_lines(out, self._address)
        finally:
            if not self._address.done():
                self._address.set_result(None)

    async def _read_lines(self, out: asyncio.StreamReader, address: asyncio.Future[str | None]) -> None:
        while True:
            try:
                line = await out.readline()
            except ValueError:  # an overlong line is discarded
                continue
            if not line:
                break
            text = line.decode(errors="replace").strip()
            log.debug("%s: %s", self._name, text)
            self._said.append(text)
            if not address.done() and (found := self._program.address.search(text)):
                address.set_result(found[0])
        with contextlib.suppress(TimeoutError):  # the program closed its output and is about to end
            async with asyncio.timeout(STOP_S):
                await self._process.wait()

    def _failure(self) -> ConfigError:
        status = self._process.returncode
        return ConfigError(f"--tunnel {self._name}: the program ended with status {status}{self._last_words()}")

    def _last_words(self) -> str:
        said = " ".join(" ".join(list(self._said)[-4:]).split())
        return f". It said: {said[-600:]}" if said else " and said nothing"

    async def _stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._reading.cancel()
        await asyncio.wait([self._reading])
