"""Weights that admins get from a page: one model at a time, each in a thread of its own."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from sightline import profiles
from sightline.core.errors import LimitReached, NotFound, SightlineError
from sightline.profiles import File, Profile
from sightline.settings.settings import Settings
from sightline.zoo.store import Cache
from sightline.zoo.store.pull import pull

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Download:
    """How far a model's files have come. Written by its thread, read by the loop."""

    total: int
    """Bytes, as far as known; 0 if not."""
    done: int = 0
    error: str = ""
    """Why it came to nothing."""
    over: bool = False
    cancelled: bool = False


class _Cancelled(Exception):
    """Nobody wants it any more."""


class Downloads:
    """The downloads of a server by model. What breaks off is kept, and the next try goes on there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._by_name: dict[str, Download] = {}

    def of(self, name: str) -> Download | None:
        """A model's last download; None if nobody asked for one."""
        return self._by_name.get(name)

    def begin(self, name: str) -> None:
        """Get a profile's files. Nothing happens if that is under way. Raises NotFound or LimitReached."""
        if name not in profiles.names():
            raise NotFound(f"model {name[:80]!r}: expected one that has weights to get: {', '.join(profiles.names())}")
        busy = next((other for other, download in self._by_name.items() if not download.over), None)
        if busy == name:
            return
        if busy is not None:
            raise LimitReached(f"the weights of {busy} are on their way: expected one model at a time")
        profile, cache = profiles.load(name), Cache(self._settings.cache)
        download = self._by_name[name] = Download(sum(file.bytes for file in cache.missing(profile)))
        threading.Thread(target=self._get, args=(profile, cache, download), name=f"get {name}", daemon=True).start()

    def cancel(self, name: str) -> None:
        """Stop a download; its thread ends with the next bytes that come. Raises NotFound if none is under way."""
        download = self._by_name.get(name)
        if download is None or download.over:
            raise NotFound(f"no weights of {name[:80]!r} are on their way: expected a download that is")
        download.cancelled = download.over = True
        del self._by_name[name]
        log.info("model %s: its download was cancelled", name)

    def _get(self, profile: Profile, cache: Cache, download: Download) -> None:
        before: dict[str, int] = {}

        def watch(file: File, done: int, _: int | None) -> None:
            if download.cancelled:
                raise _Cancelled
            before[file.name] = done
            download.done = sum(before.values())

        try:
            pull(profile, cache, hub=self._settings.weights_url, watch=watch)
            log.info("model %s: its weights are here", profile.name)
        except _Cancelled:
            return
        except SightlineError as e:
            log.warning("model %s: %s", profile.name, e.message)
            download.error = e.message.split("\n")[0]
        except Exception as e:
            log.exception("model %s: its weights did not come", profile.name)
            download.error = type(e).__name__
        finally:
            download.over = True
