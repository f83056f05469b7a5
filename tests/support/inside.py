"""A real server inside the test's process, in a thread of its own, so that a test can reach its hub."""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

from sightline.core.events import Event
from sightline.inference.pool import LoadByKey
from sightline.server.app import create_app
from sightline.server.uvicorn_server import Server
from sightline.settings.settings import Settings, load_settings
from sightline.streams.hub import Hub
from support.waiting import within

T = TypeVar("T")


@dataclass
class Inside:
    """A server under test."""

    http: str
    tcp: str
    hub: Hub
    loop: asyncio.AbstractEventLoop
    server: Server
    running: threading.Thread

    def join(self) -> str | None:
        """Wait until the server has ended by itself, and return why."""
        self.running.join()
        return self.server.failure

    def get(self, path: str) -> bytes:
        """Return what the server answers to a GET."""
        with urlopen(self.http + path, timeout=30) as answer:
            return bytes(answer.read())

    async def figures(self, holds: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return /stats once it is as asked for."""
        async with asyncio.timeout(30):
            while not holds(stats := json.loads(await asyncio.to_thread(self.get, "/stats"))):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        return stats

    async def on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the server's own loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    @property
    def ws(self) -> str:
        return self.http.replace("http", "ws")

    async def listeners(self, count: int) -> None:
        """Wait until so many listen for events."""
        async with asyncio.timeout(30):
            while len(self.hub.listeners.events) != count:  # noqa: ASYNC110 - the hub tells nobody of that
                await asyncio.sleep(0.005)

    async def viewers(self, stream: str, count: int) -> None:
        """Wait until so many look at a stream."""
        async with asyncio.timeout(30):
            while stream not in self.hub.streams or self.hub.streams[stream].viewers != count:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)

    def emit(self, *events: Event) -> None:
        """Have events happen in a stream, which begins with them where it has to."""

        def now() -> None:
            for event in events:
                self.hub.open_stream(event.stream).emit(event)

        self.loop.call_soon_threadsafe(now)


@asynccontextmanager
async def inside(*, load: LoadByKey | None = None, **given: Any) -> AsyncGenerator[Inside]:
    """Serve with these settings on free ports, in a data folder that is thrown away.

    ``load``: what loads the model, if not the server itself.
    """
    with tempfile.TemporaryDirectory(prefix="sightline-data-") as folder:
        settings = load_settings(**{"port": 0, "tcp_port": 0, "model": "motion", "data": Path(folder)} | given)
        async with _inside(settings, load) as running:
            yield running


@asynccontextmanager
async def _inside(settings: Settings, load: LoadByKey | None) -> AsyncGenerator[Inside]:
    app = create_app(settings, load=load)
    here = asyncio.get_running_loop()
    ready: asyncio.Future[tuple[str, str, asyncio.AbstractEventLoop]] = here.create_future()

    def told(url: str, tcp: str | None) -> None:
        found = url, str(tcp), asyncio.get_running_loop()
        here.call_soon_threadsafe(ready.set_result, found)

    server = Server(app, settings, told)
    running = threading.Thread(target=server.serve_forever)
    running.start()
    try:
        url, tcp, loop = await within(ready, 30)
        yield Inside(url, tcp, app.state.server.hub, loop, server, running)
    finally:
        server.should_exit = True
        await asyncio.to_thread(running.join)
