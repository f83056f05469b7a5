"""Share links: who has one sees one time of one stream, or one export, until the link ends or is taken back.

A link holds an id and a signature of all that the share gives. So nobody can guess one, and whoever gets to read
the file of shares, but not the key, has no link.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from sightline.core.errors import LimitReached, NoFolder, NotFound, SightlineError, told
from sightline.security import files
from sightline.settings.settings import Settings, data_folder

log = logging.getLogger(__name__)

MOST = 256
"""Shares that are kept."""
LONGEST_S = 30 * 86400
"""Until when a link may be of use."""
KEY_BYTES = 32
GONE = "this link has ended, was taken back, or is not whole: ask whoever sent it for another"


class SharedTime(Struct, frozen=True, kw_only=True):
    """What a link gives. Times are seconds since 1970."""

    id: str
    stream: str
    start: float
    end: float
    export: str = ""
    """Id of the export that it gives; empty for the recording itself."""
    made_at: float
    ends_at: float
    by: str = ""
    """Id of the token of whoever made it; empty where nobody is asked for one."""


class _File(Struct):
    shares: list[SharedTime]
    version: int = 1


class Shares:
    """All shares of a server, kept in its data folder. On the event loop only."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.downloads: Counter[str] = Counter()
        """Clips that are made and sent now, by the address that they go to."""
        self._shares: dict[str, SharedTime] = {}
        self._key = b""
        self._lock = asyncio.Lock()
        self._watching: dict[object, tuple[str, Callable[[SightlineError], None]]] = {}

    @property
    def _path(self) -> Path:
        return data_folder(self._settings) / "shares.json"

    @property
    def _key_path(self) -> Path:
        return self._path.with_suffix(".key")

    def __iter__(self) -> Iterator[SharedTime]:
        """Those that have not ended, newest first."""
        now = time.time()
        return iter(sorted((one for one in self._shares.values() if now < one.ends_at), key=lambda one: -one.made_at))

    async def open(self) -> None:
        """Read what earlier runs have kept. A file that can't be read is put aside."""
        try:
            self._key, self._shares = await asyncio.to_thread(self._read)
        except NoFolder:
            log.warning("nothing can be shared: this user has no folder")
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as e:
            aside = await asyncio.to_thread(files.put_aside, self._path)
            log.error("%s can't be read: it is kept as %s, and no link is of use: %s", self._path, aside.name, told(e))

    def _read(self) -> tuple[bytes, dict[str, SharedTime]]:
        try:
            key = self._key_path.read_bytes()
            kept = msgspec.json.decode(self._path.read_bytes(), type=_File).shares
        except FileNotFoundError:
            return b"", {}
        return key, {one.id: one for one in kept}

    async def add(
        self, stream: str, start: float, end: float, *, lifetime: float, export: str = "", by: str = ""
    ) -> SharedTime:
        """Make a share. Raises LimitReached, ConfigError or Shortage."""
        async with self._lock:
            kept = {one.id: one for one in self}
            if len(kept) >= MOST:
                raise LimitReached(f"{MOST} links are shared: take back those that nobody needs")
            now, id = time.time(), secrets.token_hex(6)
            share = SharedTime(
                id=id, stream=stream, start=start, end=end, export=export, made_at=now, ends_at=now + lifetime, by=by
            )
            await self._keep({**kept, id: share})
        return share

    async def remove(self, share: SharedTime) -> None:
        """Take a share back; who looks at it sees no more. Raises ConfigError or Shortage."""
        async with self._lock:
            await self._keep({id: one for id, one in self._shares.items() if id != share.id})
        for id, end in list(self._watching.values()):
            if id == share.id:
                end(NotFound(GONE))

    async def _keep(self, shares: dict[str, SharedTime]) -> None:
        key = self._key or secrets.token_bytes(KEY_BYTES)
        await asyncio.to_thread(self._write, key, shares)
        self._key, self._shares = key, shares

    def _write(self, key: bytes, shares: dict[str, SharedTime]) -> None:
        files.make_folder(self._path.parent)
        if key != self._key:
            files.write(self._key_path, key)
        files.write(self._path, msgspec.json.format(msgspec.json.encode(_File(list(shares.values())))) + b"\n")

    def get(self, id: str) -> SharedTime:
        """Return a share by its id. Raises NotFound."""
        for one in self:
            if one.id == id:
                return one
        raise NotFound(f"there is no share {id[:40]!r}: it has ended, or was taken back")

    def link(self, share: SharedTime) -> str:
        """Return what an address has to have in it to be this share's."""
        signed = hmac.digest(self._key, msgspec.json.encode(share), hashlib.sha256)
        return f"{share.id}.{urlsafe_b64encode(signed[:24]).decode()}"

    def find(self, link: str) -> SharedTime:
        """Return the share of a link. Raises NotFound."""
        share = self._shares.get(link.partition(".")[0])
        whole = share is not None and hmac.compare_digest(self.link(share).encode(), link.encode("utf-8", "replace"))
        if share is None or not whole or time.time() >= share.ends_at:
            raise NotFound(GONE)
        return share

    def watch(self, share: SharedTime, end: Callable[[SightlineError], None]) -> Callable[[], None]:
        """Call ``end`` when the share ends or is taken back. Returns a function that cancels this."""
        key = object()
        self._watching[key] = share.id, end
        timer = asyncio.get_running_loop().call_later(
            max(0.0, share.ends_at - time.time()), lambda: end(NotFound(GONE))
        )

        def unwatch() -> None:
            timer.cancel()
            self._watching.pop(key, None)

        return unwatch
