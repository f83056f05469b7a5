"""``/mjpeg/{stream}`` and ``/snapshot/{stream}.jpg``: pictures with the prediction drawn in, for simple programs."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from sightline.core.errors import (
    BadRequest,
    LimitReached,
    RenderError,
    ShuttingDown,
    StreamNotFound,
)
from sightline.core.openapi import gives, refusals
from sightline.core.types import Frame
from sightline.security.authorization import access_of, needs
from sightline.streams.hub import Hub
from sightline.streams.rendering import Drawing, Look, Mode, Opacity
from sightline.transports._results import Watch, live, results, streamed

MJPEG = "multipart/x-mixed-replace"
REFUSED = refusals(BadRequest, StreamNotFound, LimitReached, RenderError, ShuttingDown)
FRESH_S = 1.0
"""Maximum age of a snapshot in seconds."""
STILL_S = 2.0
"""Interval in seconds between pictures of a still scene. Programs take a longer silence for a camera that is gone."""


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
        live(hub, stream)
        access = access_of(request)
        identity = access.require(request, "view", stream=stream)
        parts = _parts(hub, stream, drawing, look, lambda close: access.watch(identity, close))
        return await streamed(parts, f"{MJPEG}; boundary=frame")

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
        meters = live(hub, stream).meters
        result = meters.last_result
        # A slow camera's newest picture may be old, and is still the newest.
        newest = result is not None and result.frame is meters.latest
        if result is None or not (newest or time.monotonic() - result.finished_at <= FRESH_S):
            async with aclosing(results(hub, stream)) as come:
                result, subscription = await anext(come)
                subscription.sent += 1
        assert result is not None
        data = await drawing.jpeg(result, look)
        headers = {"Cache-Control": "no-store", "Sightline-Mode": look.on(result).mode}
        return Response(data, media_type="image/jpeg", headers=headers)

    yield


async def _parts(hub: Hub, name: str, drawing: Drawing, look: Look, watch: Watch) -> AsyncGenerator[bytes]:
    scene: Frame | None = None
    again_at = 0.0
    async with AsyncExitStack() as stack:
        stack.enter_context(drawing.watched(name, look))
        come = await stack.enter_async_context(aclosing(results(hub, name, watch)))
        async for result, subscription in come:
            subscription.sent += 1
            if result.reused is not None and result.reused is scene and time.monotonic() < again_at:
                continue
            scene = result.reused or result.frame
            again_at = time.monotonic() + STILL_S
            jpeg = await drawing.jpeg(result, look)
            yield b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg)
