"""The server under test, started here or already running, and its figures, read while it works."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sightline.client.links import Address
from sightline.core.errors import ConfigError, SightlineError, Unreachable
from sightline.settings.environment import environment

LOAD_S = 120.0
STOP_S = 10.0
TIMEOUT_S = 10.0
POLL_S = 0.1
KEPT = 50
"""Number of the server's output lines that are kept."""


@dataclass(frozen=True, slots=True)
class StressServer:
    """Addresses and credentials of the server under test."""

    url: str
    """Address for publishers and viewers: tcp://, ws:// or wss://."""
    http: str
    """Base URL of its figures."""
    token: str | None = None
    """Token sent to the server."""
    ca: str | None = None
    """File of certificate authorities trusted in addition to the system's."""

    async def get(self, path: str) -> dict[str, Any]:
        """Read a JSON page. Raises Unreachable."""
        return await asyncio.to_thread(_get, self, path)

    async def until(self, path: str, holds: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any]:
        """The first answer that satisfies ``holds``, or the last one after ``seconds``."""
        end = time.monotonic() + seconds
        while True:
            found = await self.get(path)
            if holds(found) or time.monotonic() > end:
                return found
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def running(
    url: str, stats_url: str | None, *, token: str | None = None, ca: str | None = None
) -> AsyncGenerator[StressServer]:
    """A server that runs already, and goes on. Raises ConfigError for a URL that is none of ours."""
    url = Address(url, token=token, ca=ca).url
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    if stats_url is None:
        scheme, _, place = url.partition("://")
        http = "https" if scheme in ("wss", "tcps") else "http"
        stats_url = f"{http}://{host}:8000" if scheme.startswith("tcp") else f"{http}://{place}"
    elif urlsplit(stats_url).scheme not in ("http", "https"):
        raise ConfigError(f"--stats-url {stats_url!r}: expected http://HOST:PORT")
    Address(stats_url.replace("http", "ws", 1), token=token)  # which is not sent where it would be overheard
    yield StressServer(url, stats_url.rstrip("/"), token, ca)


@asynccontextmanager
async def started(*options: str, tcp: bool) -> AsyncGenerator[StressServer]:
    """Run ``sightline serve`` with these options on free local ports, until the end. Raises SightlineError."""
    # Limits on rate or number of publishers would hide the server's capacity. The caller's other settings are kept.
    env = environment(max_fps=240, max_streams=256, max_viewers=512)
    command = [sys.executable, "-m", "sightline", "serve", "--host", "127.0.0.1", "--port", "0"]
    command += ["--tcp-port", "0"] if tcp else []
    # The same few pictures are sent over and over, and each must cost its full price.
    command += ["--log-level", "warning", "--no-static-skip", *options]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=env
    )
    assert process.stdout is not None
    said: list[str] = []
    reading = None
    try:
        async with asyncio.timeout(LOAD_S):
            urls = await _urls(process.stdout, said, ["http", "tcp"] if tcp else ["http"])
        reading = asyncio.create_task(_drain(process.stdout, said))
        server = StressServer(urls["tcp"] if tcp else urls["http"].replace("http", "ws", 1), urls["http"])
        yield server
    except TimeoutError:
        raise Unreachable(f"the server did not begin within {LOAD_S:g} s: {_last(said)}") from None
    except Unreachable:
        if process.returncode is None:
            raise
        raise Unreachable(f"the server ended: {_last(said)}") from None
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if reading is not None:
            await reading


async def wait_ready(server: StressServer) -> None:
    """Wait until the server is ready for frames. Raises SightlineError."""
    found = await server.until("/ready", lambda found: bool(found.get("ready")), LOAD_S)
    if not found.get("ready"):
        raise SightlineError(f"the server at {server.http} is not ready: {found.get('reason', 'it does not say why')}")


async def _urls(stdout: asyncio.StreamReader, said: list[str], schemes: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    while len(found) < len(schemes):
        line = (await stdout.readline()).decode(errors="replace")
        if not line:
            raise SightlineError(f"the server did not start: {_last(said)}")
        said.append(line)
        for scheme in schemes:
            if address := re.search(rf"{scheme}://\S+", line):
                found[scheme] = address[0]
    return found


async def _drain(stdout: asyncio.StreamReader, said: list[str]) -> None:
    while line := await stdout.readline():
        said.append(line.decode(errors="replace"))
        del said[:-KEPT]


def _last(said: list[str]) -> str:
    return " ".join("".join(said[-5:]).split())[-600:] or "it said nothing"


def _get(server: StressServer, path: str) -> dict[str, Any]:
    url = server.http
    parts = urlsplit(url)
    host = parts.hostname or ""
    hint = "" if parts.port != 8000 else " (say where it is with --stats-url)"
    try:
        connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
        if parts.scheme == "https":
            context = Address(f"wss://{host}", ca=server.ca).context()
            connection = http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_S, context=context)
        with contextlib.closing(connection):
            headers = {} if server.token is None else {"Authorization": f"Bearer {server.token}"}
            connection.request("GET", parts.path + path, headers=headers)
            answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as e:
        why = "nothing listens there" if isinstance(e, ConnectionRefusedError) else e
        raise Unreachable(f"can't read the server's figures at {url}{path}: {why}{hint}") from None
    if not isinstance(answer, dict):
        raise Unreachable(f"{url}{path} is not a page of Sightline's server{hint}")
    return answer
