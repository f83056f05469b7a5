"""Outputs that admins add while the server runs, kept over restarts in one file of the data folder.

People may change that file by hand meanwhile. What the settings file has as ``[[outputs]]`` is not kept here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from sightline.core import registry
from sightline.core.errors import (
    BadRequest,
    ConfigError,
    LimitReached,
    NoFolder,
    NotFound,
    SightlineError,
    SourceError,
    told,
)
from sightline.core.fence import Fence
from sightline.core.versions import version_of
from sightline.outputs._dispatcher import Dispatcher
from sightline.outputs._service import check_output, finish, part, start, start_residents
from sightline.outputs.base import OutputSettings
from sightline.security.files import put_aside
from sightline.settings.outputs import OutputTable
from sightline.settings.settings import Settings, data_folder
from sightline.sources import _foreign
from sightline.streams.hub import Hub
from sightline.streams.rendering import Drawing
from sightline.streams.watched_file import WatchedFile

log = logging.getLogger(__name__)

MOST = 32
"""Outputs that are kept."""
ID = re.compile(r"(?!\d+$)[A-Za-z0-9_-]{1,64}")
"""Ids. Plain numbers are those of the settings' outputs."""
CHECK_S = 5.0
"""Seconds within which a machine's name has to be known or unknown."""
LOOK_S = 0.5
"""Seconds between two looks whether somebody has changed the file."""


@dataclass
class _AtWork:
    """An output and its tasks."""

    settings: OutputSettings
    dispatcher: Dispatcher
    tasks: list[asyncio.Task[None]]
    residents: list[asyncio.Task[None]]


class KeptOutputs:
    """The outputs that were added, by their ids. On the event loop only."""

    def __init__(self, settings: Settings) -> None:
        """Know nothing yet: what the file has is there in ``run``."""
        self._tables: dict[str, dict[str, Any]] = {}
        self._work: dict[str, _AtWork] = {}
        self._lock = asyncio.Lock()
        self._key = secrets.token_bytes(16)
        self._fence = Fence(log)
        self._hub: Hub | None = None
        self._drawing: Drawing | None = None
        self.problem: str | None = None
        """What is wrong with the file since somebody changed it by hand; None where nothing is."""
        self._file: WatchedFile | None = None
        with suppress(NoFolder):  # a user that has no folder
            self._file = WatchedFile(data_folder(settings) / "outputs.json")

    @property
    def dispatchers(self) -> dict[str, Dispatcher]:
        """Those at work, by their ids."""
        return {id: one.dispatcher for id, one in self._work.items()}

    def settings(self, id: str) -> OutputSettings:
        """Return an output's settings. Raises NotFound."""
        self._check_there(id)
        return self._work[id].settings

    def version(self, id: str) -> str:
        """Return a version of an output's settings, secrets and all. Raises NotFound."""
        self._check_there(id)
        return version_of(json.dumps(self._tables[id], sort_keys=True), self._key)

    @asynccontextmanager
    async def run(self, hub: Hub, drawing: Drawing | None) -> AsyncGenerator[None]:
        """Send to them until the block ends."""
        self._hub, self._drawing = hub, drawing
        await self._load()
        hub.supervisor.start("outputs that are changed by hand", self._watch)
        try:
            yield
        finally:
            work = list(self._work.values())
            await asyncio.gather(
                part([task for one in work for task in one.residents]),
                finish([one.dispatcher for one in work], [task for one in work for task in one.tasks]),
            )

    async def add(self, table: Mapping[str, Any]) -> str:
        """Add an output and return its id. Raises ConfigError, BadRequest, LimitReached or Shortage."""
        settings = await checked(table)
        async with self._lock:
            await self._take_over(settled=False, saving=True)
            if len(self._tables) >= MOST:
                raise LimitReached(f"{MOST} outputs are kept: expected no more")
            numbered = (settings.kind if n == 1 else f"{settings.kind}-{n}" for n in range(1, MOST + 2))
            id = next(found for found in numbered if found not in self._tables)
            await self._keep({**self._tables, id: dict(table)})
        return id

    async def change(self, id: str, changes: Mapping[str, Any], check: Callable[[str], None]) -> None:
        """Change keys of an output; None is a key's default. Raises NotFound and what ``add`` raises.

        ``check`` is called with the version that is there, and may raise.
        """
        async with self._lock:
            await self._take_over(settled=False, saving=True)
            check(self.version(id))
            before = self._tables[id]
            table = {key: value for key, value in {**before, **changes}.items() if value is not None}
            _check_bound(before, table, changes)
            await checked(table)
            await self._keep({**self._tables, id: table})

    async def remove(self, id: str, check: Callable[[str], None]) -> None:
        """End an output and forget it. Raises NotFound, BadRequest, ConfigError or Shortage. ``check``: as above."""
        async with self._lock:
            await self._take_over(settled=False, saving=True)
            check(self.version(id))
            await self._keep({key: table for key, table in self._tables.items() if key != id})

    def _check_there(self, id: str) -> None:
        if id not in self._tables:
            expected = ", ".join(self._tables) or "none, as no output was added here"
            raise NotFound(f"no output {id[:64]!r} was added here: expected one of {expected}")

    async def _load(self) -> None:
        """Read the file. One that can't be read is put aside."""
        if self._file is None:
            log.warning("outputs that are added now will not outlive the server: this user has no folder")
            return
        try:
            data = await asyncio.to_thread(self._file.read)
            await self._have({} if data is None else _parse(data), new=False)
        except (OSError, SightlineError) as e:
            path = self._file.path
            aside = await asyncio.to_thread(put_aside, path)
            log.error("%s can't be used: it is kept as %s: %s", path, aside.name, told(e))

    async def _watch(self) -> None:
        """Take over what people change in the file by hand, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            async with self._lock:
                await self._take_over(settled=True)

    async def _take_over(self, *, settled: bool, saving: bool = False) -> None:
        """Have what somebody has written to the file. All stays if that is wrong; who is ``saving`` gets BadRequest."""
        if self._file is None:
            return
        try:
            data = await asyncio.to_thread(self._file.edited, settled=settled)
            if data is not None:
                await self._have(_parse(data))
                self.problem = None
                log.info("%s was changed by hand: its outputs are taken over", self._file.path)
        except (OSError, SightlineError) as e:
            self.problem = told(e)
            log.error("%s was changed by hand; all outputs stay as they were: %s", self._file.path, self.problem)
        if saving and self.problem is not None:
            raise BadRequest(
                f"outputs.json was changed by hand and can't be taken over ({self.problem}): expected it mended first, "
                "as those changes would be lost"
            )

    async def _keep(self, tables: dict[str, dict[str, Any]]) -> None:
        """Write the tables, and have them. Raises ConfigError or Shortage, and nothing has changed then."""
        if self._file is not None:
            await asyncio.to_thread(self._file.write, json.dumps(tables, indent=2).encode() + b"\n")
        await self._have(tables)

    async def _have(self, tables: dict[str, dict[str, Any]], *, new: bool = True) -> None:
        """End those that are no more or have changed, and begin others. Raises ConfigError, and all stays then.

        ``new``: those that were not there begin with what happens now, as whatever had their id is forgotten.
        """
        settings = {id: form_of(id, table) for id, table in tables.items()}
        there = set(self._tables)
        for id in [id for id in self._work if tables.get(id) != self._tables.get(id)]:
            await self._end(self._work.pop(id))
        self._tables = tables
        for id, given in settings.items():
            if id not in self._work:
                await self._begin(id, given, new=new and id not in there)

    async def _begin(self, id: str, settings: OutputSettings, *, new: bool) -> None:
        assert self._hub is not None
        cursor = f"kept output {id}"
        if new and (journal := self._hub.journal) is not None:
            with self._fence.around(cursor):
                await journal.keep_cursor(cursor, journal.newest)
        output = registry.load("outputs", settings.kind).open_foreign(settings)
        dispatcher = Dispatcher(output, settings.stream, settings.what, settings.kind, cursor)
        residents = start_residents(self._hub, self._drawing, [dispatcher])
        self._work[id] = _AtWork(settings, dispatcher, start(self._hub, [dispatcher]), residents)

    async def _end(self, one: _AtWork) -> None:
        for task in one.tasks:
            task.cancel()
        for task in one.residents:
            task.cancel()
        await part(one.residents)
        await finish([one.dispatcher], one.tasks)


def kinds() -> list[str]:
    """Kinds of outputs that may be added here. Others run programs or write files: only the settings name those."""
    return [kind for kind, plugin in registry.plugins("outputs").items() if hasattr(plugin, "open_foreign")]


def form_of(id: str, table: Mapping[str, Any]) -> OutputSettings:
    """Return the settings of an output that may be added here. Raises ConfigError. Asks nobody."""
    if not ID.fullmatch(id):
        raise ConfigError("an id: expected 1 to 64 letters, digits, '_' or '-', and not only digits")
    try:
        return _form(table)
    except ConfigError as e:
        raise ConfigError(f"{id}: {e.message}") from None


def _form(table: Mapping[str, Any]) -> OutputSettings:
    kind = table.get("kind")
    if kind not in kinds():
        raise ConfigError(f"kind: expected {' or '.join(kinds())}; others only the settings file can name")
    settings = check_output(OutputTable.model_validate(table))
    registry.load("outputs", settings.kind).machine(settings)
    return settings


async def checked(table: Mapping[str, Any]) -> OutputSettings:
    """Return the settings of an output whose machine may be asked. Raises ConfigError."""
    settings = _form(table)
    host, port = registry.load("outputs", settings.kind).machine(settings)
    try:
        async with asyncio.timeout(CHECK_S):
            await asyncio.to_thread(_foreign.addresses, host, port)
    except SourceError as e:
        raise ConfigError(e.message) from None
    except TimeoutError:
        raise ConfigError(f"nobody said within {CHECK_S:g} s what machine this is: expected a known one") from None
    except OSError:
        log.debug("nobody knows the machine of a new output; it may be known later")
    return settings


def _check_bound(before: Mapping[str, Any], after: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Raise ConfigError where somebody else would learn a secret that the client did not give."""
    bound: Mapping[str, tuple[str, ...]] = getattr(registry.load("outputs", str(before["kind"])), "BOUND", {})
    for secret, keys in bound.items():
        if secret in after and secret not in changes and any(before.get(key) != after.get(key) for key in keys):
            raise ConfigError(f"{secret}: expected it again, as another machine would get it, or null")


def _parse(data: bytes) -> dict[str, dict[str, Any]]:
    """Return the tables of the file. Raises BadRequest, which has no word of what is there: that may be secret."""
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except json.JSONDecodeError as e:
        raise BadRequest(f"line {e.lineno}, column {e.colno}: {e.msg}") from None
    except (ValueError, RecursionError):
        raise BadRequest("this is no JSON in UTF-8") from None
    if not isinstance(found, dict) or not all(isinstance(table, dict) for table in found.values()):
        raise BadRequest('expected an object of objects: {"hall": {"kind": "webhook", "url": "https://..."}}')
    if len(found) > MOST:
        raise BadRequest(f"{len(found)} outputs: expected at most {MOST}")
    return found


def shown(settings: OutputSettings, hidden: str) -> dict[str, Any]:
    """Return an output's settings for JSON, with ``hidden`` in place of each secret."""
    given = {name: getattr(settings, name) for name in type(settings).model_fields}
    told = settings.model_dump(mode="json")
    return {name: hidden if isinstance(value, SecretStr) else told[name] for name, value in given.items()}
