"""Exports: clips that the server makes in the background, one at a time, and keeps for a while."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from sightline.core.errors import FAULTS, LimitReached, NotFound, Shortage, SightlineError, shortage, told
from sightline.core.nice import step_back
from sightline.recordings import clip, spans
from sightline.recordings.clip import ENDINGS, ClipWish, Format, Kind
from sightline.recordings.recordings import Recordings
from sightline.recordings.retention import GB
from sightline.security.files import make_folder, write
from sightline.settings.settings import Settings, data_folder

log = logging.getLogger(__name__)

FOLDER = "exports"
"""Of the data folder."""
KEPT_S = 2 * 86400.0
"""Seconds for which an export is kept."""
MOST = 32
"""Exports that are kept; older ones go for a new one."""
MOST_WAITING = 8
"""Of a stream."""
MOST_BYTES = 8 << 30
"""Of all exports."""
LOOK_EVERY = 64
"""Frames between two looks at the disk."""
TICK_S = 30.0

State = Literal["waiting", "running", "done", "failed"]


class Export(Struct, kw_only=True):
    """A clip that is made, or was."""

    id: str
    stream: str
    start: float
    end: float
    kind: Kind
    mode: str = "auto"
    opacity: float | None = None
    format: Format = "mp4"
    speed: float = 1.0
    every_s: float = 1.0
    hidden: tuple[str, ...] = ()
    state: State = "waiting"
    progress: float = 0.0
    """0 to 1."""
    bytes: int = 0
    made_at: float
    """When it was asked for, seconds since 1970."""
    why: str = ""
    """Why it failed, or what to know of it."""
    shared_until: float = 0.0
    """Until when links lead to it."""

    @property
    def ends_at(self) -> float:
        """When it is deleted."""
        return max(self.made_at + KEPT_S, self.shared_until)

    @property
    def wish(self) -> ClipWish:
        """What was asked for."""
        return ClipWish(**{name: getattr(self, name) for name in ClipWish._fields})

    @property
    def unfinished(self) -> bool:
        """True while it waits or is made."""
        return self.state in ("waiting", "running")


class _GivenUp(Exception):
    """Nobody wants it any more."""


class Exports:
    """All exports of a server. On the event loop only."""

    def __init__(self, settings: Settings, recordings: Recordings) -> None:
        self._settings, self._recordings = settings, recordings
        self._known: dict[str, Export] = {}
        self._given_up: set[str] = set()
        self._turns: dict[str, int] = {}
        """How many were made of each stream while others waited: streams take turns."""
        self._closing = False
        self._work = asyncio.Event()
        self._cutting = asyncio.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="export", initializer=step_back)

    @property
    def _folder(self) -> Path:
        return data_folder(self._settings) / FOLDER

    def __iter__(self) -> Iterator[Export]:
        """Newest first."""
        return iter(sorted(self._known.values(), key=lambda one: -one.made_at))

    async def open(self) -> None:
        """Find those of earlier runs. What was not finished is deleted; what can't be read is left alone."""
        with suppress(SightlineError, OSError):
            self._known = await asyncio.to_thread(self._found)

    def _found(self) -> dict[str, Export]:
        found: dict[str, Export] = {}
        unread: set[str] = set()
        if not self._folder.is_dir():
            return found
        for path in self._folder.glob("*.json"):
            try:
                export = msgspec.json.decode(path.read_bytes(), type=Export)
            except (OSError, msgspec.MsgspecError) as e:  # somebody else's file, or a later version's
                log.warning("the export %s can't be read, and is left alone: %s", path, told(e))
                unread.add(path.stem)
                continue
            made = path.with_suffix(export.wish.ending)
            if export.id == path.stem and (export.state == "failed" or made.is_file()):
                found[export.id] = export
        for path in self._folder.iterdir():
            if path.suffix in (".json", *ENDINGS.values()) and path.stem not in found.keys() | unread:
                path.unlink(missing_ok=True)
        return found

    def get(self, id: str) -> Export:
        """Return one. Raises NotFound."""
        if id not in self._known:
            raise NotFound(f"there is no export {id[:40]!r}: it was deleted, or is older than two days")
        return self._known[id]

    def file(self, export: Export) -> Path:
        """Return its file. Raises NotFound while there is none."""
        if export.state != "done":
            raise NotFound(f"the export is {export.state}" + (f": {export.why}" if export.why else ""))
        return self._folder / f"{export.id}{export.wish.ending}"

    async def add(self, stream: str, wish: ClipWish) -> Export:
        """Have a clip made. Raises NotFound where nothing is recorded, LimitReached, or Shortage."""
        size = await asyncio.to_thread(self._check, stream, wish)
        under_way = [one.stream for one in self if one.unfinished]
        if len(under_way) >= MOST or under_way.count(stream) >= MOST_WAITING:
            raise LimitReached(f"{MOST_WAITING} exports are under way: expected another try when one of them is done")
        if sum(one.bytes for one in self) + size > MOST_BYTES:
            raise Shortage(f"exports may take {MOST_BYTES / GB:.1f} GB in all: delete one, or choose a shorter time")
        surplus = self._surplus()
        id = secrets.token_urlsafe(9)
        while not id[0].isalnum():  # a file's name that begins with a dash is trouble on a command line
            id = secrets.token_urlsafe(9)
        export = Export(id=id, stream=stream, made_at=time.time(), **wish._asdict())
        self._known[id] = export
        self._work.set()
        if surplus is not None:
            await self.remove(surplus)
        return export

    def _surplus(self) -> Export | None:
        """Return the one that goes for a new one, if any: the oldest of the stream that has most.

        None goes to which a link leads. Raises LimitReached where nothing is left.
        """
        done = [one for one in self if not one.unfinished]
        if len(done) < MOST:
            return None
        free = [one for one in reversed(done) if one.shared_until <= time.time()]
        if not free:
            raise LimitReached(f"there are {MOST} exports, and links lead to all of them: delete one")
        counts = Counter(one.stream for one in done)
        return max(free, key=lambda one: counts[one.stream])

    async def share(self, export: Export, until: float) -> None:
        """Keep one at least until then, as links lead to it. Raises Shortage or ConfigError."""
        export.shared_until = until
        await asyncio.to_thread(self._save, export)

    def _save(self, export: Export) -> None:
        write(self._folder / f"{export.id}.json", msgspec.json.encode(export))

    def _check(self, stream: str, wish: ClipWish) -> int:
        """Return about how many bytes it takes."""
        segments = self._recordings.segments(stream, wish.start, wish.end)
        if not segments:
            raise NotFound(f"nothing is recorded of stream {stream!r} from {wish.start:.0f} to {wish.end:.0f}")
        make_folder(self._folder)
        size = sum(one.bytes for one in segments)
        self._check_room(size)
        return size

    def _check_room(self, more: int = 0) -> None:
        least = self._settings.record_free_gb
        if shutil.disk_usage(self._folder).free - more < least * GB:
            raise Shortage(f"the disk is full: less than {least:g} GB would stay free")

    async def cut(self, stream: str, start: float, end: float, *, inside: bool = False) -> Path:
        """Write a short time as it was recorded to a new file, one at a time. The caller deletes it.

        ``inside``: without the frames before and after it that a copy begins and ends with.

        Raises NotFound where nothing is recorded or one file can't have it, or Shortage.
        """
        async with self._cutting:
            return await asyncio.to_thread(self._cut, stream, start, end, inside=inside)

    def _cut(self, stream: str, start: float, end: float, *, inside: bool) -> Path:
        self._check(stream, ClipWish(start, end))
        paths = [self._recordings.video(one) for one in self._recordings.segments(stream, start, end)]
        target = self._folder / f"{secrets.token_urlsafe(9)}.part.mp4"
        try:
            if inside:
                clip.write_inside(paths, start, end, target)
            else:
                spans.copy(paths, start, end, target, lambda _: None)
        except BaseException as e:
            target.unlink(missing_ok=True)
            if isinstance(e, spans.Unjoinable):
                raise NotFound("the camera changed its video within this time: expected an export, which can") from None
            if isinstance(e, OSError):
                raise shortage(e) or Shortage(f"the clip can't be written: {told(e)}") from None
            raise
        return target

    async def remove(self, export: Export) -> None:
        """Delete one, or stop making it."""
        self._known.pop(export.id, None)
        if export.state == "running":
            self._given_up.add(export.id)
            return
        await asyncio.to_thread(self._delete, export.id)

    def _delete(self, id: str) -> None:
        for ending in (".json", *ENDINGS.values(), *(f".part{one}" for one in ENDINGS.values())):
            with suppress(OSError):
                (self._folder / f"{id}{ending}").unlink(missing_ok=True)

    async def run(self) -> None:
        """Make what waits and delete what is too old, until cancelled."""
        while True:
            waiting = self._next()
            for one in list(self):
                if not one.unfinished and time.time() > one.ends_at:
                    await self.remove(one)
            if waiting is not None:
                self._turns[waiting.stream] = self._turns.get(waiting.stream, 0) + 1
                waiting.state = "running"
                await asyncio.get_running_loop().run_in_executor(self._pool, self._make, waiting)
                continue
            self._turns.clear()
            self._work.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._work.wait()

    def _next(self) -> Export | None:
        """Return the one that is made next: the oldest of the stream of which fewest were made."""
        waiting = [one for one in self if one.state == "waiting"]
        return min(waiting, key=lambda one: (self._turns.get(one.stream, 0), one.made_at), default=None)

    async def close(self) -> None:
        """Stop what is made."""
        self._closing = True
        await asyncio.to_thread(self._pool.shutdown)

    def _make(self, export: Export) -> None:
        ending = export.wish.ending
        part = self._folder / f"{export.id}.part{ending}"
        state: State = "failed"
        try:
            export.why = self._write(export, part)
            export.bytes, export.progress = part.stat().st_size, 1.0
            part.replace(self._folder / f"{export.id}{ending}")
            state = "done"
        except _GivenUp:
            pass
        except FAULTS as e:
            lacks = shortage(e) or (e.__cause__ and shortage(e.__cause__))
            export.why = told(lacks or e)
            log.warning("export %s of stream %s failed: %s", export.id, export.stream, export.why)
        part.unlink(missing_ok=True)
        if self._closing or export.id in self._given_up:
            self._given_up.discard(export.id)
            self._delete(export.id)
            return
        with suppress(SightlineError, OSError):  # then it is forgotten with the server's end
            self._save(msgspec.structs.replace(export, state=state))
        export.state = state

    def _write(self, export: Export, part: Path) -> str:
        segments = self._recordings.segments(export.stream, export.start, export.end)
        frames = 0

        def step(at: float) -> None:
            nonlocal frames
            if self._closing or export.id in self._given_up:
                raise _GivenUp
            export.progress = min(max((at - export.start) / max(export.end - export.start, 1e-3), 0.0), 0.99)
            frames += 1
            if frames % LOOK_EVERY == 0:
                self._check_room()
                if part.exists() and part.stat().st_size > MOST_BYTES:
                    raise Shortage(f"an export may take {MOST_BYTES / GB:.1f} GB: choose a shorter time")

        return clip.write([self._recordings.video(one) for one in segments], export.wish, part, step)
