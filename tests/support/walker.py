"""A camera of a real server in whose pictures one person walks."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import numpy as np

from support.serving import Json, Peer, Running, peer, picture

STEP = 0.02
"""How far one walks in a tenth of a second, of the picture's width."""
PACE_S = 0.02
"""Time between frames: a server takes 60 a second."""


class Walker:
    """A camera whose own page sees one person, who walks from left to right."""

    def __init__(self, camera: Peer, begin_ms: float | None = 1e6) -> None:
        """``begin_ms``: milliseconds since 1970 on the camera's clock at the beginning; a frame is 100 ms there,
        however fast they come. None: the clock is right, and frames come ten times a second."""
        self._camera = camera
        self._begin_ms = begin_ms
        self._seq = 0

    async def show(self, x: float) -> None:
        """Send a frame."""
        self._seq += 1
        row = {"class_id": 0, "confidence": 0.9, "xyxy": [320 * x - 8, 100, 320 * x + 8, 160]}
        results = {"model": "nano", "backend": "wasm", "threads": 1, "processing_time_ms": 3, "detections": [row]}
        at = time.time() * 1000 if self._begin_ms is None else self._begin_ms + self._seq * 100
        meta = {"type": "frame_metadata", "timestamp": at, "frameNumber": self._seq}
        size = {"width": 320, "height": 180, "results": results}
        await self._camera.ws.send(json.dumps(meta | size))
        await self._camera.ws.send(picture(self._seq))

    async def see(self, *xs: float) -> Json:
        """Send a frame for each place; return the last answer."""
        answer: Json = {}
        for x in xs:
            await self.show(x)
            answer, _ = await self._camera.next("result")
            await asyncio.sleep(PACE_S)
        return answer

    async def walk(self, begin: float, end: float) -> None:
        """Send a frame for each step from one place to another. A tracker can follow it, and a frame may be dropped."""
        for x in np.linspace(begin, end, 2 + int(abs(end - begin) / STEP)):
            await self.show(float(x))
            await self._camera.next("result", "dropped")
            await asyncio.sleep(PACE_S if self._begin_ms is not None else 0.1)  # what comes too soon is dropped


@asynccontextmanager
async def walking(server: Running, stream: str, begin_ms: float | None = 1e6) -> AsyncGenerator[Walker]:
    """``stream``: its name, and parameters of the camera's address."""
    async with peer(f"{server.ws}/ws/camera/{stream}") as camera:
        yield Walker(camera, begin_ms)
