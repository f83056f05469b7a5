"""Files of models that admins send. Each is checked first, and waits to be kept or thrown away."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import AsyncIterator, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from starlette.requests import ClientDisconnect

from sightline.core.errors import BadRequest, NoFolder, NotFound, Shortage, TooLarge, shortage
from sightline.core.turns import Turns
from sightline.core.types import ModelCard
from sightline.inference.kept_models import KeptModels
from sightline.inference.model_check import checked
from sightline.security.files import make_folder

log = logging.getLogger(__name__)

MOST_BYTES = 1_000_000_000
"""Largest file. One of ONNX can't have twice as much, and no detector that runs live has half of it."""
ROOM = 256 << 20
"""Bytes of the disk that are left to others."""
PIECE = 1 << 20
"""Bytes that are written in one go."""
MOST_WAITING = 4
WAITS_S = 3600.0
"""Seconds after which a file that nobody kept is thrown away."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was checked."""

    id: str
    path: Path
    card: ModelCard
    size: int
    family: str | None
    """What was said of it, where it leaves that open."""
    came: float = field(default_factory=time.monotonic)


class Uploads:
    """The files of one server. For the event loop only."""

    def __init__(self, kept: KeptModels) -> None:
        self._kept = kept
        self._waiting: dict[str, Upload] = {}
        self.turns = Turns(1, "another file is being received and checked: expected one at a time, so try again soon")
        self._keeping = asyncio.Lock()

    async def receive(self, name: str, size: int, chunks: AsyncIterator[bytes], family: str | None) -> Upload:
        """Receive a file of about ``size`` bytes, 0 if unknown, and check it. Nothing is left of one that is refused.

        Raises BadRequest, BadSetting, TooLarge, ConfigError or Shortage.
        """
        if size > MOST_BYTES:
            raise too_large()
        for one in [one for one in self._waiting.values() if time.monotonic() - one.came > WAITS_S]:
            await self.discard(one.id)
        folder, room = await asyncio.to_thread(self._make_folder, size, frozenset(self._waiting))
        path = folder / plain_name(name)
        try:
            stored = await _store(path, chunks, room)
            if not stored:
                raise BadRequest("an empty file came: expected a model's .onnx file as the body of the request")
            card = await checked(path, stored, family)
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        self._waiting[folder.name] = Upload(folder.name, path, card, stored, family)
        for old in list(self._waiting)[:-MOST_WAITING]:
            await self.discard(old)
        log.info("model file %s was received and checked: family %s", path.name, card.family)
        return self._waiting[folder.name]

    def of(self, upload: str) -> Upload:
        """Return a file that waits. Raises NotFound."""
        if upload not in self._waiting:
            raise NotFound("this file waits here no longer: expected one that was sent within the hour; send it again")
        return self._waiting[upload]

    async def keep(self, upload: str, name: str) -> None:
        """Have it be a model of this name, which nothing else has. Raises as ``KeptModels.keep`` does, and NotFound."""
        async with self._keeping:
            found = self.of(upload)
            await asyncio.to_thread(self._kept.keep, name, found.path, found.card, found.family)
            await self.discard(upload)
        log.info("model %s: it was sent to this server, and may be chosen now", name)

    async def discard(self, upload: str) -> None:
        """Throw a file away that waits. Raises NotFound."""
        folder = self.of(upload).path.parent
        del self._waiting[upload]
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _make_folder(self, size: int, waiting: Set[str]) -> tuple[Path, int]:
        """Make a folder for one file, and throw away those that an earlier server left. For a thread.

        ``waiting``: folders of this server's files. Returns also the bytes that the disk has for the file.
        """
        try:
            root = self._kept.folder / "uploads"
        except NoFolder as e:
            raise BadRequest(f"there is no place for it ({e}): expected the setting data to name a folder") from None
        make_folder(root)
        for old in root.iterdir():
            with suppress(OSError):
                if old.name not in waiting and time.time() - old.stat().st_mtime > WAITS_S:
                    shutil.rmtree(old, ignore_errors=True)
        room = shutil.disk_usage(root).free - ROOM
        if size > room:
            raise _no_room()
        folder = root / secrets.token_hex(8)
        make_folder(folder)
        return folder, room


def plain_name(name: str) -> str:
    """Return a name that is one on any disk, for a file that somebody calls so: ``../Küche 1.ONNX`` is Kuche-1.onnx."""
    last = re.split(r"[/\\]", name)[-1][-200:]
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    stem, dot, suffix = plain.rpartition(".")
    if not dot or not re.fullmatch(r"[A-Za-z0-9]{1,12}", suffix):
        stem, suffix = plain, "onnx"
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", stem).strip("-")[:60].strip("-")
    return f"{stem or 'model'}.{suffix.lower()}"


def too_large() -> TooLarge:
    """Return the error for a file above the limit."""
    return TooLarge(f"a file of more than {MOST_BYTES // 1_000_000} MB: expected a smaller one")


def _no_room() -> Shortage:
    return Shortage("the disk has no room for this file: expected some space to be made where the server runs")


async def _store(path: Path, chunks: AsyncIterator[bytes], room: int) -> int:
    """Write what comes into a file, piece by piece. Returns its size."""
    size, piece = 0, bytearray()
    try:
        with path.open("wb", buffering=0) as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > MOST_BYTES:
                    raise too_large()
                if size > room:
                    raise _no_room()
                piece += chunk
                if len(piece) >= PIECE:
                    await asyncio.to_thread(_write, file, bytes(piece))
                    piece.clear()
            await asyncio.to_thread(_write, file, bytes(piece))
            return size
    except ClientDisconnect:
        raise BadRequest("the file broke off") from None
    except OSError as e:
        raise shortage(e) or BadRequest(f"the file can't be stored: {e.strerror}") from None


def _write(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
