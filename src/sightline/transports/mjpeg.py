"""``/mjpeg/{stream}`` and ``/snapshot/{stream}.jpg``: pictures with the prediction drawn in, for simple programs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TypeAlias

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from sightline.core.errors import (
    BadRequest,
    LimitReached,
    RenderError,
    ShuttingDown,
    StreamEnded,
    StreamNotFound,
)
from sightline.core.openapi import gives, refusals
from sightline.core.types import Frame, FrameResult
from sightline.security.authorization import Close, access_of, needs
from sightline.streams.hub import Hub
from sightline.streams.rendering import Drawing, Look, Mode, Opacity
from sightline.streams.stream import Stream

MJPEG = "multipart/x-mixed-replace"
REFUSED = refusals(BadRequest, StreamNotFound, LimitReached, RenderError, ShuttingDown)
FRESH_S = 1.0
"""Maximum age of a snapshot in seconds."""
PATIENCE_S = 10.0
"""Maximum time in seconds to wait for the camera's next frame."""

STILL_S = 2.0
"""Interval in seconds between pictures of a still scene. Programs take a longer silence for a camera that is gone."""

Watch: TypeAlias = Callable[[Close], Callable[[], None]]


@asynccontextmanager
async def serve(app: FastAPI, hub: Hub, drawing: Drawing) -> AsyncGenerator[None]:
    """Add both endpoints to the app."""

    @app.get(
        "/mjpeg/{stream}",
        response_class=StreamingResponse,
        tags=["pictures"],
        responses=gives(MJPEG) | REFUSED,
        dependencies=[needs("view")],
    )
    async def mjpeg(request: Request, stream: str, mode: Mode = None, opacity: Opacity = None) -> StreamingResponse:
        """Motion JPEG with everything drawn in. Ends when the camera leaves."""
        look = Look.of(mode, opacity)
        _live(hub, stream)
        access = access_of(request)
        identity = access.require(request, "view", stream=stream)
        parts = _parts(hub, stream, drawing, look, lambda close: access.watch(identity, close))
        first = await anext(parts)  # before the headers, so that an error still becomes an error status

        async def body() -> AsyncGenerator[bytes]:
            async with aclosing(parts):
                yield first
                async for part in parts:
                    yield part

        return StreamingResponse(body(), media_type=f"{MJPEG}; boundary=frame", headers={"Cache-Control": "no-store"})

    @app.get(
        "/snapshot/{stream}.jpg",
        response_class=Response,
        tags=["pictures"],
        responses=gives("image/jpeg") | REFUSED,
        dependencies=[needs("view")],
    )
    async def snapshot(stream: str, mode: Mode = None, opacity: Opacity = None) -> Response:
        """The newest picture with everything drawn in. The header Sightline-Mode names the mode that was drawn."""
        look = Look.of(mode, opacity)
        meters = _live(hub, stream).meters
        result = meters.last_result
        # A slow camera's newest picture may be old, and is still the newest.
        newest = result is not None and result.frame is meters.latest
        if result is None or not (newest or time.monotonic() - result.finished_at <= FRESH_S):
            async with aclosing(_results(hub, stream)) as results:
                result = await anext(results)
        data = await drawing.jpeg(result, look)
        headers = {"Cache-Control": "no-store", "Sightline-Mode": look.on(result).mode}
        return Response(data, media_type="image/jpeg", headers=headers)

    yield


def _live(hub: Hub, name: str) -> Stream:
    stream = hub.find(name)
    if stream.publisher is None:
        raise StreamNotFound(f"the camera of stream {name!r} is gone")
    return stream


async def _parts(hub: Hub, name: str, drawing: Drawing, look: Look, watch: Watch) -> AsyncGenerator[bytes]:
    scene: Frame | None = None
    again_at = 0.0
    async with aclosing(_results(hub, name, watch)) as results:
        async for result in results:
            if result.reused is not None and result.reused is scene and time.monotonic() < again_at:
                continue
            scene = result.reused or result.frame
            again_at = time.monotonic() + STILL_S
            jpeg = await drawing.jpeg(result, look)
            yield b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg)


async def _results(hub: Hub, name: str, watch: Watch | None = None) -> AsyncGenerator[FrameResult]:
    """Yield results of a live stream until its camera leaves. Raises StreamNotFound if none comes at all."""
    come = False
    async with hub.subscribe(name) as subscription, AsyncExitStack() as stack:
        if watch is not None:
            stack.callback(watch(lambda error: subscription.mailbox.close(error.message)))
        while True:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    item = await subscription.mailbox.get()
            except (TimeoutError, StreamEnded):
                item = None
            if isinstance(item, FrameResult):
                come = True
                subscription.sent += 1
                yield item
            elif item is None or item.state == "ended":
                break
    if not come:
        raise StreamNotFound(f"no result of stream {name!r} came within {PATIENCE_S:g} s")
