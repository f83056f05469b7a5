"""Imports of clips below ``media_folder``, one at a time: ``sightline recordings import`` in a process of its own.

So a file that breaks a decoder, or a model, breaks no server.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Literal

import msgspec
from msgspec import Struct, field

from sightline.core.errors import BadRequest, LimitReached, NotFound
from sightline.core.processes import Process, start_process
from sightline.offline.clip_import import ImportedFile
from sightline.settings.environment import environment_of_server
from sightline.streams.hub import Hub

log = logging.getLogger(__name__)

COMMAND = ("-m", "sightline", "recordings", "import", "--json", "--foreign")
MOST = 16
"""Imports that are remembered."""
MOST_FILES = 1000
"""Files of one whose outcome is told."""
MOST_LINE = 1 << 16
MOST_WORDS = 500
STOP_S = 5.0
"""Seconds for a process to end by itself."""

ImportState = Literal["running", "done", "failed", "stopped"]


class _Said(Struct):
    """A line of the process."""

    name: str = ""
    frames: int = 0
    total: int | None = None
    done: ImportedFile | None = None


class Import(Struct, kw_only=True):
    """A file or a folder that becomes a recording, or did."""

    id: str
    stream: str
    path: str
    """Below ``media_folder``."""
    model: str
    state: ImportState = "running"
    made_at: float
    """When it was asked for, seconds since 1970."""
    name: str = ""
    """File at work."""
    frames: int = 0
    """Of that file, so far."""
    total: int | None = None
    """Of that file, as it says itself."""
    imported: int = 0
    """Files that are listed now."""
    refused: int = 0
    """Files that could not be."""
    files: list[ImportedFile] = field(default_factory=list)
    why: str = ""
    """Why it failed."""


class Imports:
    """All imports of a server. On the event loop only."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._known: dict[str, Import] = {}
        self._task: asyncio.Task[None] | None = None
        self._process: Process | None = None

    def __iter__(self) -> Iterator[Import]:
        """Newest first."""
        return iter(sorted(self._known.values(), key=lambda one: -one.made_at))

    def get(self, id: str) -> Import:
        """Return one. Raises NotFound."""
        if id not in self._known:
            raise NotFound(f"there is no import {id[:40]!r}")
        return self._known[id]

    async def add(self, stream: str, path: str, model: str | None) -> Import:
        """Begin one. Raises Refused, BadRequest, BadSetting, or LimitReached while another is under way."""
        found = Path(await asyncio.to_thread(self._hub.cameras.allowed.check_form, path))
        if not await asyncio.to_thread(found.exists):  # an address, which may be a camera's
            raise BadRequest(f"{path[:80]}: expected a file or a folder in the folder media_folder of the settings")
        name = self._hub.settings.model if model is None else self._hub.model_switch.offers.key({"model": model}).name
        if self._task is not None and not self._task.done():
            raise LimitReached("an import is under way: expected another try when it is done")
        for old in list(self)[MOST - 1 :]:
            del self._known[old.id]
        one = Import(id=secrets.token_hex(8), stream=stream, path=path, model=name, made_at=time.time())
        self._known[one.id] = one
        self._task = asyncio.create_task(self._run(one, found, model))
        return one

    async def remove(self, one: Import) -> None:
        """Forget one, or stop it: what it has imported stays."""
        self._known.pop(one.id, None)
        if one.state == "running":
            one.state = "stopped"
            await self._stop()

    async def close(self) -> None:
        """Stop what is under way."""
        for one in self._known.values():
            one.state = "stopped" if one.state == "running" else one.state
        await self._stop()

    async def _stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
        if self._task is None:
            return
        try:
            async with asyncio.timeout(STOP_S):
                await asyncio.shield(self._task)
        except TimeoutError:
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
            await self._task

    async def _run(self, one: Import, path: Path, model: str | None) -> None:
        command = [sys.executable, *COMMAND, "--stream", one.stream]
        command += ["--model", one.model] if model is not None else []
        env = environment_of_server(self._hub.settings)
        try:
            self._process = process = await start_process(*command, "--", str(path), stderr=PIPE, env=env)
        except OSError as e:
            one.state, one.why = "failed", f"its process can't be started: {e.strerror or e}"
            log.warning("import %s into stream %s: %s", one.path, one.stream, one.why)
            return
        assert process.stdout is not None
        assert process.stderr is not None
        words = asyncio.create_task(_last(process.stderr))
        try:
            async for line in process.stdout:
                _take(one, line)
        except ValueError:  # a line without an end
            process.kill()
        status, said = await process.wait(), await words
        if one.state == "running":
            one.state = "done" if status in (0, 1) and (one.imported or one.refused) else "failed"
            one.why = "" if one.state == "done" else said or f"it ended with status {status}"
            log.info("import %s into stream %s: %s files, %s refused", one.path, one.stream, one.imported, one.refused)
        one.name, one.frames, one.total = "", 0, None


def _take(one: Import, line: bytes) -> None:
    """Take over what the process says of itself."""
    try:
        said = msgspec.json.decode(line, type=_Said)
    except msgspec.MsgspecError:
        return
    if said.done is None:
        one.name, one.frames, one.total = said.name, said.frames, said.total
        return
    one.imported += said.done.imported
    one.refused += not said.done.imported
    if len(one.files) < MOST_FILES:
        one.files.append(said.done)


async def _last(stream: asyncio.StreamReader) -> str:
    """Read to the end, and return the last words."""
    kept = b""
    while part := await stream.read(MOST_LINE):
        kept = (kept + part)[-MOST_WORDS:]
    lines = kept.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else ""
