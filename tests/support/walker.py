"""A camera of a real server in whose pictures one person walks."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from support.serving import Json, Peer, Running, peer, picture


class Walker:
    """A camera whose own page sees one person, who walks from left to right."""

    def __init__(self, camera: Peer) -> None:
        self._camera = camera
        self._seq = 0

    async def show(self, x: float) -> None:
        """Send a frame."""
        self._seq += 1
        row = {"class_id": 0, "confidence": 0.9, "xyxy": [320 * x - 8, 100, 320 * x + 8, 160]}
        results = {"model": "nano", "backend": "wasm", "threads": 1, "processing_time_ms": 3, "detections": [row]}
        meta = {"type": "frame_metadata", "timestamp": 1e6 + self._seq * 100, "frameNumber": self._seq}
        size = {"width": 320, "height": 180, "results": results}
        await self._camera.ws.send(json.dumps(meta | size))
        await self._camera.ws.send(picture(self._seq))

    async def see(self, *xs: float) -> Json:
        """Send a frame for each place; return the last answer."""
        answer: Json = {}
        for x in xs:
            await self.show(x)
            answer, _ = await self._camera.next("result")
        return answer


@asynccontextmanager
async def walking(server: Running, stream: str) -> AsyncGenerator[Walker]:
    """``stream``: its name, and parameters of the camera's address."""
    async with peer(f"{server.ws}/ws/camera/{stream}") as camera:
        yield Walker(camera)
