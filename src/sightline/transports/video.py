"""``/video/{stream}.mp4``: live H.264 in fragmented MP4, which ``<video src>`` and FFmpeg play."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Annotated, TypeAlias

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import Field, WithJsonSchema

from sightline.core.errors import BadRequest, LimitReached, RenderError, ShuttingDown, StreamNotFound
from sightline.core.openapi import gives, refusals
from sightline.core.types import FrameResult
from sightline.renderers.base import modes
from sightline.security.authorization import access_of, needs
from sightline.streams.hub import Hub
from sightline.streams.rendering import Drawing, Look, Opacity, too_many_looks
from sightline.streams.subscription import Subscription
from sightline.transports._encoding import Encoder, Encoders, Picture, even_size
from sightline.transports._fragments import Fragments
from sightline.transports._results import Watch, live, results, streamed

MP4 = "video/mp4"
PLAIN = "none"
"""Mode in which nothing is drawn in."""
Mode: TypeAlias = Annotated[
    Annotated[str, WithJsonSchema({"type": "string", "enum": [*modes(), PLAIN]})] | None,
    Field(description="How to draw: see the gallery. Default: auto. none: nothing is drawn in."),
]
KEY_AGAIN_S = 2.0
"""Least seconds between two key frames that one viewer asks for, as all others get them, too."""


@asynccontextmanager
async def serve(app: FastAPI, hub: Hub, drawing: Drawing) -> AsyncGenerator[None]:
    """Add the endpoint to the app."""
    encoders: Encoders[bytes] = Encoders(hub.settings.webrtc_send_kbps, lambda codec: bytes)

    @app.get(
        "/video/{stream}.mp4",
        response_class=StreamingResponse,
        tags=["pictures"],
        responses=gives(MP4) | refusals(BadRequest, StreamNotFound, LimitReached, RenderError, ShuttingDown),
        dependencies=[needs("view")],
    )
    async def video(request: Request, stream: str, mode: Mode = None, opacity: Opacity = None) -> StreamingResponse:
        """Live video with everything drawn in, as H.264 in fragmented MP4. With `mode=none` nothing is drawn in.

        It begins with a key frame of now. Who can't keep up misses pictures, and goes on at a key frame. All pictures
        have the size of the first one. Ends when the camera leaves.
        """
        look = None if mode == PLAIN else Look.of(mode, opacity)
        live(hub, stream)
        access = access_of(request)
        identity = access.require(request, "view", stream=stream)
        parts = _parts(hub, stream, encoders, look, lambda close: access.watch(identity, close))
        return await streamed(parts, MP4)

    try:
        yield
    finally:
        encoders.close()


async def _parts(
    hub: Hub, name: str, encoders: Encoders[bytes], look: Look | None, watch: Watch
) -> AsyncGenerator[bytes]:
    """Yield the head of a file, then fragments of it."""
    async with AsyncExitStack() as stack:
        come = await stack.enter_async_context(aclosing(results(hub, name, watch)))
        reader: Mp4Viewer | None = None
        file: Fragments | None = None
        async for result, subscription in come:
            if reader is None:
                reader = Mp4Viewer(encoders, name, look, result, subscription)
                stack.callback(reader.leave)
            picture = await reader.picture(result)
            if picture is None:
                continue
            if file is None:
                file = await asyncio.to_thread(Fragments, picture)
                stack.callback(file.close)
            if part := file.add(picture):
                yield part


class Mp4Viewer:
    """One viewer: which pictures it gets, and which it misses."""

    def __init__(
        self, encoders: Encoders[bytes], name: str, look: Look | None, first: FrameResult, subscription: Subscription
    ) -> None:
        """Raises LimitReached where the stream is encoded in too many ways already."""
        self._encoders, self._subscription = encoders, subscription
        self._joined = name, look, "H264", even_size(first.frame.size)
        if not encoders.has_room(*self._joined):
            raise too_many_looks(name)
        self._encoder: Encoder[bytes] = encoders.join(*self._joined)
        self._last = 0
        self._asked_at = time.monotonic()

    async def picture(self, result: FrameResult) -> Picture[bytes] | None:
        """Return the picture of a result, if it can be decoded after the last one that was returned; else count it."""
        picture = await self._encoder.encode(result)
        if picture is None or not (picture.key or picture.number == self._last + 1):
            self._subscription.mailbox.dropped += 1
            if picture is not None and time.monotonic() - self._asked_at >= KEY_AGAIN_S:
                self._asked_at = time.monotonic()
                self._encoder.want_key()
            return None
        self._last = picture.number
        self._subscription.sent += 1
        return picture

    def leave(self) -> None:
        """Be gone."""
        self._encoders.leave(*self._joined)
