"""Settings that are changed while the server runs, kept over restarts in one file of the data folder.

What the settings file, the environment or the command line say stands above this: it can't be changed here.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sightline.core.errors import BadSetting, ConfigError, NoFolder, SightlineError, shortage
from sightline.core.versions import version_of
from sightline.security import files
from sightline.settings.changes import SettingChanges, bad_change
from sightline.settings.settings import Origin, Settings, data_folder

log = logging.getLogger(__name__)

POLL_S = 1.0
"""Seconds between two looks whether somebody has edited the file."""


class LiveSettings:
    """A server's settings as they are now. On the event loop only."""

    def __init__(self, settings: Settings) -> None:
        """Read the file. One that can't be read is told in the log, and changes nothing."""
        self.started_with = settings
        self.now = settings
        self.path: Path | None = None
        """The file; None where this user has no folder for it."""
        self.tell: list[Callable[[Settings], None]] = []
        """Called with the settings after each change."""
        self._changed: dict[str, Any] = {}
        self._saving = asyncio.Lock()
        try:
            self.path = data_folder(settings) / "settings.json"
        except NoFolder as e:
            log.warning("settings that are changed now will not outlive the server: %s", e)
        self._seen = self._stamp()
        self._look()

    def origin(self, name: str) -> Origin:
        """Where a setting's value comes from."""
        return "page" if self.changeable(name) and name in self._changed else self.started_with.origin(name)

    def changeable(self, name: str) -> bool:
        """True for settings that can be changed here."""
        return name in SettingChanges.model_fields and self.started_with.origin(name) == "default"

    def version(self, name: str) -> str:
        """Return a version of a setting's value. Only of those that can be changed here: they hold no secrets."""
        return version_of(f"{name} {getattr(self.now, name)!r}")

    async def change(self, changes: SettingChanges, check: Callable[[str], None]) -> None:
        """Change what is given, all of it or nothing. Raises BadSetting, ConfigError or Shortage.

        ``check`` is called with the name of each before anything changes, and may raise.
        """
        for name, value in changes.given().items():
            if not self.changeable(name):
                where = self.started_with.origin(name)
                raise BadSetting.of(name, value, f"a change where it is set, which is the {where}, and a restart")
        async with self._saving:
            for name in changes.given():
                check(name)
            new = {**await asyncio.to_thread(self._read), **changes.given()}
            new = {name: value for name, value in new.items() if value is not None}
            await asyncio.to_thread(self._write, new)
            self._seen = self._stamp()
            self._take(new)

    async def run(self) -> None:
        """Follow changes of the file that somebody makes by hand. Runs until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            if (stamp := self._stamp()) != self._seen and not self._saving.locked():
                self._seen = stamp
                self._look()

    def _look(self) -> None:
        try:
            self._take(self._read())
        except SightlineError as e:
            log.error("%s; the settings stay as they are", e.message)

    def _take(self, changed: dict[str, Any]) -> None:
        if changed == self._changed:
            return
        self._changed = changed
        update = {name: value for name, value in changed.items() if self.changeable(name)}
        before, self.now = self.now, self.started_with.model_copy(update=update)
        if self.now.log_level != before.log_level:
            logging.getLogger().setLevel(self.now.log_level.upper())
        log.info("settings that were changed while the server runs: %s", ", ".join(update) or "none")
        for tell in self.tell:
            tell(self.now)

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = None if self.path is None else self.path.stat()
        except OSError:
            return None
        return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)

    def _read(self) -> dict[str, Any]:
        """What the file has. Raises ConfigError or Shortage."""
        if self.path is None:
            return dict(self._changed)
        try:
            return SettingChanges.model_validate_json(self.path.read_bytes()).given()
        except FileNotFoundError:
            return {}
        except OSError as e:
            raise shortage(e) or ConfigError(f"can't read {self.path}: {e.strerror}") from None
        except ValidationError as e:
            raise ConfigError(f"{self.path}: {bad_change(e.errors()[0]).message}") from None

    def _write(self, changed: dict[str, Any]) -> None:
        if self.path is not None:
            files.make_folder(self.path.parent)
            files.write(self.path, json.dumps(changed, indent=2).encode() + b"\n")
