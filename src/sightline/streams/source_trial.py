"""A look at a source before it is added as a camera: its first picture, or why none comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sightline.core.errors import FAULTS, LimitReached, SightlineError, SourceError
from sightline.media import codecs
from sightline.sources._reconnecting import plain
from sightline.sources.base import open_source
from sightline.streams.cameras import Cameras

PATIENCE_S = 5.0
"""Seconds after which an answer is given in any case."""
MOST = 4
"""Looks at a time. One at a machine that does not answer lasts longer than who asked for it waits."""
WIDTH = 640
"""Pixels of the longer side of the picture."""


class SourceTrials:
    """Looks at sources. For the event loop only."""

    def __init__(self, cameras: Cameras) -> None:
        self._cameras = cameras
        self._running = 0

    async def look(self, source: str) -> bytes:
        """Return the first picture as JPEG. Raises SourceError, or LimitReached where too many looks go on."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._begin(plain(await self._cameras.check(source)))
        except TimeoutError:
            raise SourceError(
                f"no picture came within {PATIENCE_S:g} s: check the address, and that the camera is on"
            ) from None

    def _begin(self, spec: str) -> asyncio.Future[bytes]:
        """Look in a thread that nobody has to wait for when the server ends."""
        if self._running >= MOST:
            raise LimitReached(f"{MOST} addresses are being tried: expected another try in some seconds")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        self._running += 1

        def end(outcome: bytes | SightlineError) -> None:
            self._running -= 1
            if answer.done():  # nobody waits any more
                return
            if isinstance(outcome, bytes):
                answer.set_result(outcome)
            else:
                answer.set_exception(outcome)

        def run() -> None:
            outcome = _first(spec, self._cameras.data_folder)
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(end, outcome)

        threading.Thread(target=run, name="try a source", daemon=True).start()
        return answer


def _first(spec: str, data: Callable[[], Path]) -> bytes | SightlineError:
    try:
        with open_source(spec, foreign=True, data=data) as source:
            shot = next(iter(source), None)
            if shot is None:
                return SourceError(f"{source.name}: there is nothing in it")
            return codecs.encode_jpeg(codecs.shrink(shot.image, WIDTH))
    except SightlineError as e:
        return e
    except FAULTS as e:  # only the kind is told, as the rest may contain the address
        return SourceError(f"reading failed ({type(e).__name__})")
