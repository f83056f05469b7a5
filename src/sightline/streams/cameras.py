"""Cameras that were added or named while the server ran, kept over restarts in one file of the data folder.

What the settings have of a stream's source stands above this: it can't be changed here.
"""

from __future__ import annotations

import asyncio
import logging
import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from sightline.core.errors import BadRequest, BadSetting, LimitReached, SightlineError, SourceError, StreamBusy
from sightline.core.types import check_stream_name
from sightline.recordings.recorder import Mode
from sightline.security import files
from sightline.settings.settings import Settings, data_folder
from sightline.sources._foreign import Allowed
from sightline.sources._reconnecting import plain

log = logging.getLogger(__name__)

MOST = 4096
"""Cameras that are kept: as many as a server may have streams."""
MOST_CHARACTERS = 100
"""Of a name for people."""
UNSHOWN = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Kinds of characters that such a name can't have: control characters, halves of characters, ends of lines."""
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn around what stands beside them."""
CHECK_S = 5.0
"""Seconds within which a machine's name has to be known or unknown."""


def check_display_name(name: str) -> str:
    """Return a name for people without spaces around it. Raises ValueError for one that pages can't show as it is."""
    name = name.strip()
    if len(name) > MOST_CHARACTERS or any(unicodedata.category(c) in UNSHOWN or c in TURNING for c in name):
        raise ValueError(f"expected at most {MOST_CHARACTERS} characters, and no control characters")
    return name


class KeptCamera(Struct, frozen=True, omit_defaults=True):
    """What the file has of a camera."""

    source: str = ""
    """What the server pulls, with its password; empty for a camera that sends by itself, or is of the settings."""
    name: str = ""
    """What people call it; empty for the stream's own name."""
    paused: bool = False
    group: str = ""
    """Under what it is shown; empty for none."""
    order: int | None = None
    """Its place among all, from 1. Those without one come after them, by name."""
    record: Mode | None = None
    """What of it is recorded; None for what the settings say."""


class Cameras:
    """The cameras of a server by their streams' names. On the event loop only."""

    def __init__(self, settings: Settings) -> None:
        """Know what the settings have; what the file has is there after ``load``."""
        self._settings = settings
        self._cameras: dict[str, KeptCamera] = {}
        self._refused: set[str] = set()
        """Those whose source the settings no longer allow."""
        self._saving = asyncio.Lock()
        self.allowed = Allowed(settings.camera_schemes, settings.media_folder)
        """What clients may name."""
        self.changed: Callable[[str], None] = lambda name: None
        """Called when a camera was added, changed or removed: who pulls sources begins or ends here. May raise."""

    def __contains__(self, name: str) -> bool:
        """True for those that are kept here; the settings may have more."""
        return name in self._cameras

    @property
    def names(self) -> list[str]:
        """All streams that have a camera here or in the settings."""
        return list(dict.fromkeys((*self._settings.sources, *self._cameras)))

    def display_name(self, stream: str) -> str:
        """Return what people call a stream."""
        camera = self._cameras.get(stream)
        return stream if camera is None else camera.name or stream

    def group(self, stream: str) -> str:
        """Return under what a stream is shown; empty for nothing."""
        camera = self._cameras.get(stream)
        return "" if camera is None else camera.group

    def arranged(self, streams: Iterable[str]) -> list[str]:
        """Return streams as people have put them; those that nobody put anywhere come last, by name."""

        def place(stream: str) -> tuple[float, str]:
            camera = self._cameras.get(stream)
            return (math.inf if camera is None or camera.order is None else camera.order, stream)

        return sorted(streams, key=place)

    def fixed(self, stream: str) -> bool:
        """Return True if the settings name its source, so that it can't be removed here."""
        return stream in self._settings.sources

    def paused(self, stream: str) -> bool:
        """Return True if its source is not to be pulled for now."""
        camera = self._cameras.get(stream)
        return camera is not None and camera.paused

    def record(self, stream: str) -> Mode:
        """Return what of a stream is recorded."""
        camera, given = self._cameras.get(stream), self._settings.streams.get(stream)
        if camera is not None and camera.record is not None:
            return camera.record
        return "off" if given is None else given.record

    def source(self, stream: str) -> str | None:
        """Return what the server pulls for a stream; None for nothing."""
        if self.fixed(stream):
            return self._settings.sources[stream].get_secret_value()
        camera = self._cameras.get(stream)
        return None if camera is None or stream in self._refused else camera.source or None

    async def check(self, source: str) -> str:
        """Return a source that a client may name, as it is kept. Raises SourceError."""
        try:
            async with asyncio.timeout(CHECK_S):
                return await asyncio.to_thread(self.allowed.check, source)
        except TimeoutError:
            raise SourceError(f"nobody said within {CHECK_S:g} s what machine this is: expected a known one") from None

    async def add(self, stream: str, camera: KeptCamera) -> None:
        """Add a camera whose source was checked. Raises StreamBusy, LimitReached, ConfigError or Shortage."""
        async with self._saving:
            if stream in self.names:
                raise StreamBusy(f"there is a camera {stream!r} already: expected another id")
            if len(self.names) >= self._settings.max_streams:
                raise LimitReached(f"{len(self.names)} cameras are kept: the limit max_streams is reached")
            await self._set(stream, camera)

    async def change(self, stream: str, **given: Any) -> None:
        """Change fields of a KeptCamera. Raises BadSetting, LimitReached, ConfigError or Shortage."""
        self.check_change(stream, paused=given.get("paused"))
        async with self._saving:
            await self._set(stream, structs.replace(self._cameras.get(stream, KeptCamera()), **given))

    def check_change(self, stream: str, *, paused: bool | None) -> None:
        """Raise BadSetting for one that can't be paused, or LimitReached."""
        if paused is not None and self.source(stream) is None:
            expected = f"a camera that the server pulls; {stream} is paused where it is"
            raise BadSetting.of("paused", paused, expected)
        if stream not in self._cameras and len(self._cameras) >= MOST:
            raise LimitReached(f"{MOST} cameras are kept: expected no more")

    async def move(self, stream: str, before: str | None, streams: Iterable[str]) -> None:
        """Put one of the streams before another of them, or last. What comes before it is kept from then on, too.

        Raises LimitReached, ConfigError or Shortage.
        """
        async with self._saving:
            listed = [name for name in self.arranged({*streams, *self.names}) if name != stream]
            at = listed.index(before) if before in listed else len(listed)
            listed.insert(at, stream)
            numbered = {
                name: structs.replace(self._cameras.get(name, KeptCamera()), order=number)
                for number, name in enumerate(listed, 1)
                if number <= at + 1 or (name in self._cameras and self._cameras[name].order is not None)
            }
            if len(self._cameras | numbered) > MOST:
                raise LimitReached(f"{MOST} cameras are kept: expected no more")
            await self._keep(numbered)

    async def remove(self, stream: str) -> None:
        """Forget one, if it is kept here. Raises BadRequest for one of the settings, ConfigError or Shortage."""
        self.check_removable(stream)
        async with self._saving:
            if stream in self._cameras:
                await self._set(stream, None)

    def check_removable(self, stream: str) -> None:
        """Raise BadRequest if the settings have its source."""
        if self.fixed(check_stream_name(stream)):
            raise BadRequest(
                f"the source of {stream!r} is of the server's settings: expected a camera that was added here"
            )

    async def load(self) -> None:
        """Read the file. One that can't be read is put aside."""
        try:
            self._cameras = await asyncio.to_thread(self._read)
        except RuntimeError as e:  # this user has no folder
            log.warning("cameras that are added now will not outlive the server: %s", e)
        except (OSError, msgspec.MsgspecError, UnicodeError, BadRequest):  # its words may have a password
            log.error("%s can't be read: it is kept as cameras.json.bad, and no camera of it is there", self._path)
            with suppress(OSError):
                await asyncio.to_thread(self._path.replace, self._path.with_suffix(".json.bad"))
        for name, camera in self._cameras.items():
            try:
                if camera.source:
                    self.allowed.check_form(plain(camera.source))
            except SourceError as e:
                self._refused.add(name)
                log.error("camera %s of %s is not pulled: %s", name, self._path, e.message)

    async def _set(self, stream: str, camera: KeptCamera | None) -> None:
        await self._keep({stream: camera})

    async def _keep(self, changes: Mapping[str, KeptCamera | None]) -> None:
        """Change some, or nothing at all where that fails. None forgets one."""
        before = self._cameras
        self._cameras = {name: one for name, one in {**before, **changes}.items() if one is not None}
        try:
            for stream in changes:
                self.changed(stream)
            await asyncio.to_thread(self._write, self._cameras)
        except BaseException:
            self._cameras = before
            for stream in changes:
                with suppress(SightlineError):  # what failed first is told
                    self.changed(stream)
            raise

    @property
    def _path(self) -> Path:
        return data_folder(self._settings) / "cameras.json"

    def _read(self) -> dict[str, KeptCamera]:
        if not self._path.exists():
            return {}
        read = msgspec.json.decode(self._path.read_bytes(), type=dict[str, KeptCamera])
        return {check_stream_name(name): camera for name, camera in read.items()}

    def _write(self, cameras: dict[str, KeptCamera]) -> None:
        files.make_folder(self._path.parent)
        files.write(self._path, msgspec.json.format(msgspec.json.encode(cameras), indent=2) + b"\n")
