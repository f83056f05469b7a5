"""Cameras that were added or named while the server ran, kept over restarts in one file of the data folder.

People may change that file by hand while the server runs. What the settings have of a stream's source stands above all
this: it can't be changed here.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from sightline.core.errors import (
    BadRequest,
    BadSetting,
    LimitReached,
    NoFolder,
    SightlineError,
    SourceError,
    StreamBusy,
    told,
)
from sightline.core.schedule import parse_schedule
from sightline.core.types import check_stream_name
from sightline.recordings.recorder import Mode
from sightline.security.files import put_aside
from sightline.settings.settings import Settings, data_folder
from sightline.sources._foreign import Allowed
from sightline.sources._reconnecting import plain
from sightline.streams.kept_camera import KeptCamera, check_display_name, parse
from sightline.streams.watched_file import WatchedFile

log = logging.getLogger(__name__)

MOST = 4096
"""Cameras that are kept: as many as a server may have streams."""
CHECK_S = 5.0
"""Seconds within which a machine's name has to be known or unknown."""
LOOK_S = 0.5
"""Seconds between two looks whether somebody has changed the file."""


class Cameras:
    """The cameras of a server by their streams' names. On the event loop only."""

    def __init__(self, settings: Settings) -> None:
        """Know what the settings have; what the file has is there after ``load``."""
        self._settings = settings
        self._cameras: dict[str, KeptCamera] = {}
        self.borrowed: dict[str, KeptCamera] = {}
        """Those that other hubs keep, for the time in which these hubs are gone."""
        self._theirs: frozenset[str] = frozenset()
        """Streams of the settings of which another hub's word counts more than this one's."""
        self._refused: set[str] = set()
        """Sources that the settings no longer allow."""
        self._lock = asyncio.Lock()
        self._file: WatchedFile | None = None
        """None for a user that has no folder."""
        with suppress(NoFolder):
            self._file = WatchedFile(data_folder(settings) / "cameras.json")
        self.problem: str | None = None
        """What is wrong with the file since somebody changed it by hand; None where nothing is."""
        self.allowed = Allowed(settings.camera_schemes, settings.media_folder)
        """What clients may name."""
        self.changed: Callable[[str], None] = lambda name: None
        """Called when a camera was added, changed or removed: who pulls sources begins or ends here. May raise."""

    def data_folder(self) -> Path:
        """Return the server's data folder. Raises NoFolder."""
        return data_folder(self._settings)

    def __contains__(self, name: str) -> bool:
        """True for those that are kept here; the settings may have more."""
        return name in self._cameras

    @property
    def names(self) -> list[str]:
        """All streams that have a camera here or in the settings."""
        return list(dict.fromkeys((*self._settings.sources, *self._cameras)))

    def display_name(self, stream: str) -> str:
        """Return what people call a stream."""
        camera = self._one(stream)
        return stream if camera is None else camera.name or stream

    def group(self, stream: str) -> str:
        """Return under what a stream is shown; empty for nothing."""
        camera = self._one(stream)
        return "" if camera is None else camera.group

    def arranged(self, streams: Iterable[str]) -> list[str]:
        """Return streams as people have put them; those that nobody put anywhere come last, by name."""

        def place(stream: str) -> tuple[float, str]:
            camera = self._cameras.get(stream)
            return (math.inf if camera is None or camera.order is None else camera.order, stream)

        return sorted(streams, key=place)

    def _one(self, stream: str) -> KeptCamera | None:
        own, borrowed = self._cameras.get(stream), self.borrowed.get(stream)
        return borrowed or own if stream in self._theirs else own or borrowed

    @property
    def kept(self) -> Mapping[str, KeptCamera]:
        """Those that are kept here."""
        return self._cameras

    def borrow(self, cameras: Mapping[str, KeptCamera], theirs: Iterable[str]) -> None:
        """Have cameras of other hubs as well; what may not be pulled here is left out.

        ``theirs``: streams of the settings of which these hubs' word counts more than this one's.
        """
        self._theirs = frozenset(theirs)
        self.borrowed = {name: camera for name, camera in cameras.items() if self._may_borrow(name, camera)}

    def _may_borrow(self, name: str, camera: KeptCamera) -> bool:
        if camera == self.borrowed.get(name):
            return True
        try:
            check_display_name(camera.name)
            check_display_name(camera.group)
            self._check_kept(camera)
        except (ValueError, SourceError) as e:
            log.warning("camera %s of another hub is not for this one: %s", name, e)
            return False
        return True

    def _check_own(self, stream: str) -> None:
        """Raise BadRequest for one that another hub has to change."""
        own = stream in self._cameras or self.fixed(stream)
        if stream in self.borrowed and (stream in self._theirs or not own):
            raise BadRequest(f"the camera {stream!r} is kept by another hub, which is gone: expected it back first")

    def fixed(self, stream: str) -> bool:
        """Return True if the settings name its source, so that it can't be removed here."""
        return stream in self._settings.sources

    def paused(self, stream: str) -> bool:
        """Return True if its source is not to be pulled for now."""
        camera = self._one(stream)
        return camera is not None and camera.paused

    def record(self, stream: str) -> Mode:
        """Return what of a stream is recorded."""
        camera, given = self._one(stream), self._settings.streams.get(stream)
        if camera is not None and camera.record is not None:
            return camera.record
        return "off" if given is None else given.record

    def record_schedule(self, stream: str) -> str:
        """Return at which times of the week that is recorded; empty for all."""
        camera, given = self._one(stream), self._settings.streams.get(stream)
        if camera is not None and camera.record_schedule is not None:
            return camera.record_schedule
        return "" if given is None else given.record_schedule

    def unscheduled(self, stream: str) -> bool:
        """Return True if a stream would be recorded, but not now. Any thread may ask."""
        return self.record_now(stream) == "off" and self.record(stream) != "off"

    def record_now(self, stream: str) -> Mode:
        """Return what of a stream is recorded at this time of the week. It is asked for each packet, in any thread."""
        mode = self.record(stream)
        if mode == "off":
            return mode
        schedule = self.record_schedule(stream)
        return mode if not schedule or parse_schedule(schedule).allows(time.time()) else "off"

    def source(self, stream: str) -> str | None:
        """Return what the server pulls for a stream; None for nothing."""
        if self.fixed(stream):
            return self._settings.sources[stream].get_secret_value()
        camera = self._one(stream)
        return None if camera is None or camera.source in self._refused else camera.source or None

    async def check(self, source: str) -> str:
        """Return a source that a client may name, as it is kept. Raises SourceError."""
        try:
            async with asyncio.timeout(CHECK_S):
                return await asyncio.to_thread(self.allowed.check, source)
        except TimeoutError:
            raise SourceError(f"nobody said within {CHECK_S:g} s what machine this is: expected a known one") from None

    async def add(self, stream: str, camera: KeptCamera) -> None:
        """Add a camera whose source was checked. Raises StreamBusy, LimitReached, ConfigError or Shortage."""
        async with self._changing():
            if stream in self.names or stream in self.borrowed:
                raise StreamBusy(f"there is a camera {stream!r} already: expected another id")
            if len(self.names) >= self._settings.max_streams:
                raise LimitReached(f"{len(self.names)} cameras are kept: the limit max_streams is reached")
            await self._set(stream, camera)

    async def change(self, stream: str, **given: Any) -> None:
        """Change fields of a KeptCamera. Raises BadSetting, LimitReached, ConfigError or Shortage."""
        self._check_own(stream)
        self.check_change(stream, paused=given.get("paused"))
        async with self._changing():
            await self._set(stream, structs.replace(self._one(stream) or KeptCamera(), **given))

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
        async with self._changing():
            listed = [name for name in self.arranged(streams) if name != stream]
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

    async def set_source(self, stream: str, source: str) -> None:
        """Have another source, which was checked, or with "" none: then the stream waits for who sends.

        Raises as ``add`` and ``check_replaceable`` do.
        """
        async with self._changing():
            self.check_replaceable(stream)
            kept = self._cameras[stream]
            await self._set(stream, structs.replace(kept, source=source, paused=kept.paused and bool(source)))

    def check_replaceable(self, stream: str) -> None:
        """Raise BadSetting if its source is not one that was added here."""
        if self.fixed(stream) or stream not in self._cameras:
            expected = "a camera that was added here, not one of the server's settings or one that sends by itself"
            raise BadSetting(f"source: {stream!r} keeps its own; expected {expected}", "source", "", expected)

    async def remove(self, stream: str) -> None:
        """Forget one, if it is kept here. Raises BadRequest for one of the settings, ConfigError or Shortage."""
        self.check_removable(stream)
        async with self._changing():
            if stream in self._cameras:
                await self._set(stream, None)

    def check_removable(self, stream: str) -> None:
        """Raise BadRequest if the settings have its source."""
        self._check_own(stream)
        if self.fixed(check_stream_name(stream)):
            raise BadRequest(
                f"the source of {stream!r} is of the server's settings: expected a camera that was added here"
            )

    async def load(self) -> None:
        """Read the file. One that can't be read is put aside."""
        if self._file is None:
            log.warning("cameras that are added now will not outlive the server: this user has no folder")
            return
        try:
            data = await asyncio.to_thread(self._file.read)
            self._cameras = {} if data is None else parse(data)
        except (OSError, SightlineError) as e:
            path = self._file.path
            aside = await asyncio.to_thread(put_aside, path)
            log.error("%s can't be read: it is kept as %s, and no camera of it is there: %s", path, aside.name, told(e))
        for name, camera in self._cameras.items():
            try:
                self._check_kept(camera)
            except SourceError as e:
                self._refused.add(camera.source)
                log.error("camera %s of %s is not pulled: %s", name, self._file.path, e.message)

    async def watch(self) -> None:
        """Take over what people change in the file by hand, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            async with self._lock:
                await self._take_over(settled=True)

    @asynccontextmanager
    async def _changing(self) -> AsyncGenerator[None]:
        """Change cameras, as nobody else does meanwhile. Raises BadRequest where that would lose changes by hand."""
        async with self._lock:
            await self._take_over(settled=False)
            if self.problem is not None:
                raise BadRequest(
                    f"cameras.json was changed by hand and can't be taken over ({self.problem}): expected it mended "
                    "first, as those changes would be lost"
                )
            yield

    async def _take_over(self, *, settled: bool) -> None:
        """Have the cameras that somebody has written to the file, or all those of before if anything is wrong there."""
        if self._file is None:
            return
        try:
            data = await asyncio.to_thread(self._file.edited, settled=settled)
            if data is None:
                return
            with self._having(self._checked(parse(data))):
                self.problem = None
            log.info("%s was changed by hand: its cameras are taken over", self._file.path)
        except (OSError, SightlineError) as e:
            self.problem = told(e)
            log.error("%s was changed by hand; all cameras stay as they were: %s", self._file.path, self.problem)

    def _checked(self, cameras: dict[str, KeptCamera]) -> dict[str, KeptCamera]:
        """Raise BadRequest or LimitReached for what may not be added here either."""
        if len({*cameras, *self._settings.sources}) > self._settings.max_streams:
            raise LimitReached(f"{len(cameras)} cameras: the limit max_streams is {self._settings.max_streams}")
        for name, camera in cameras.items():
            if camera == self._cameras.get(name):
                continue
            try:
                self._check_kept(camera)
            except SourceError as e:
                raise BadRequest(f"{name}: {e.message}") from None
        return cameras

    def _check_kept(self, camera: KeptCamera) -> None:
        if camera.source:
            self.allowed.check_form(plain(camera.source))

    async def _set(self, stream: str, camera: KeptCamera | None) -> None:
        await self._keep({stream: camera})

    async def _keep(self, changes: Mapping[str, KeptCamera | None]) -> None:
        """Change some, or nothing at all where that fails. None forgets one."""
        cameras = {name: one for name, one in {**self._cameras, **changes}.items() if one is not None}
        with self._having(cameras):
            await asyncio.to_thread(self._write, cameras)

    @contextmanager
    def _having(self, cameras: dict[str, KeptCamera]) -> Generator[None]:
        """Have these cameras, and those of before if that or the block fails."""
        before, self._cameras = self._cameras, cameras
        changes = [name for name in before | cameras if before.get(name) != cameras.get(name)]
        try:
            for name in changes:
                self.changed(name)
            yield
        except BaseException:
            self._cameras = before
            for name in changes:
                with suppress(SightlineError):  # what failed first is told
                    self.changed(name)
            raise

    def _write(self, cameras: dict[str, KeptCamera]) -> None:
        if self._file is not None:
            self._file.write(msgspec.json.format(msgspec.json.encode(cameras), indent=2) + b"\n")
