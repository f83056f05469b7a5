"""Streams that the server pulls from sources: those that the operator named, and those that admins added.

They begin and end while the server runs, as cameras are added, paused and removed, and as other hubs come and go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from sightline.core.errors import ConfigError, SightlineError, SourceError
from sightline.sources._reconnecting import plain
from sightline.sources.base import find_source
from sightline.streams.hub import Hub
from sightline.streams.publisher import Publisher
from sightline.streams.rendering import Drawing
from sightline.transports._puller import Puller

log = logging.getLogger(__name__)

STOP_S = 1.0
"""Maximum time in seconds to wait for threads at the end. One that hangs in the network ends with the process."""
LOOK_S = 0.05
"""Time between two looks whether anybody wants pictures: a source that nobody watches gives one a second."""
PAUSED = "somebody has paused this camera"


def check_sources(sources: Mapping[str, str]) -> None:
    """Check sources cheaply before the server starts. Raises ConfigError for a spec that no source handles."""
    for name, spec in sources.items():
        try:
            find_source(plain(spec))
        except SourceError as e:
            raise ConfigError(f"source {name}: {e.message}") from None


@asynccontextmanager
async def serve(app: FastAPI, hub: Hub, drawing: Drawing) -> AsyncGenerator[None]:
    """Pull the sources of the settings, and those that are kept. Raises BadRequest, StreamBusy or LimitReached."""
    sources = Sources(hub)
    sources.begin()
    hub.cameras.changed = sources.suit
    try:
        yield
    finally:
        hub.cameras.changed = lambda name: None
        await sources.close()


class Sources:
    """All sources that the server pulls, as its cameras are at the moment."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._pulled: dict[str, tuple[tuple[str, bool], Puller | PausedSource]] = {}
        """By stream: the source, whether it is paused, and what came of that."""
        self._looking = False

    def begin(self) -> None:
        """Pull what there is. Raises BadRequest, StreamBusy or LimitReached for a source of the settings."""
        for name in self._hub.cameras.names:
            try:
                self.suit(name)
            except SightlineError as e:
                if self._hub.cameras.fixed(name):
                    raise
                log.error("camera %s is not pulled: %s", name, e.message)

    def suit(self, name: str) -> None:
        """Begin or end with a source, as its camera is now. Raises BadRequest, StreamBusy or LimitReached."""
        cameras = self._hub.cameras
        if name in cameras and self._hub.placement.here(name):
            self._hub.open_stream(name)
        spec = cameras.source(name) if self._hub.placement.here(name) else None
        wanted = None if spec is None else (spec, cameras.paused(name))
        before, publisher = self._pulled.get(name, (None, None))
        if before == wanted:
            return
        if publisher is not None:
            del self._pulled[name]
            publisher.close("the camera was paused, changed or removed")
            publisher.leave()
        if wanted is not None:
            self._pulled[name] = wanted, self._begin(name, *wanted)
        elif name not in cameras and (stream := self._hub.streams.get(name)) is not None and stream.publisher is None:
            self._hub.remove(name, "this camera was removed from the server")

    def _begin(self, name: str, spec: str, paused: bool) -> Puller | PausedSource:
        if paused:
            return PausedSource(self._hub, name)
        puller = Puller(self._hub, name, spec, foreign=not self._hub.cameras.fixed(name))
        self._hub.lost.expect(name)
        if not self._looking:
            self._looking = True
            self._hub.supervisor.start("sources", self._look)
        return puller

    async def _look(self) -> None:
        """Tell sources whether anybody wants their pictures, until cancelled. One task for all: it wakes the loop
        often."""
        while True:
            await asyncio.sleep(LOOK_S)
            for _, publisher in self._pulled.values():
                publisher.look()

    async def close(self) -> None:
        """End with all."""
        publishers = [publisher for _, publisher in self._pulled.values()]
        for publisher in publishers:
            publisher.close("the server is shutting down")
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                for publisher in publishers:
                    await publisher.gone.wait()
        for publisher in publishers:
            publisher.leave()


class PausedSource(Publisher):
    """Keeps a stream for a source that is not read for now."""

    pulled = True
    hidden = True

    def __init__(self, hub: Hub, name: str) -> None:
        self._hub = hub
        self._stream = hub.take(name, self)
        self._stream.pause(PAUSED)
        self.gone = asyncio.Event()
        self.gone.set()

    def look(self) -> None:
        """Nobody gets pictures."""

    def leave(self) -> None:
        """Give the stream back."""
        self.hidden = False  # it is over, and does not come back by itself
        self._hub.release(self._stream, self)
