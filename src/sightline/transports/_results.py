"""Results of one live stream for who asks by HTTP, until its camera leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from typing import TypeAlias

from fastapi.responses import StreamingResponse

from sightline.core.errors import StreamEnded, StreamNotFound
from sightline.core.types import FrameResult
from sightline.security.authorization import Close
from sightline.streams.hub import Hub
from sightline.streams.stream import Stream
from sightline.streams.subscription import Subscription

PATIENCE_S = 10.0
"""Maximum time in seconds to wait for the camera's next frame."""

Watch: TypeAlias = Callable[[Close], Callable[[], None]]


def live(hub: Hub, name: str) -> Stream:
    """Return a stream that has a camera. Raises StreamNotFound."""
    stream = hub.find(name)
    if stream.publisher is None:
        raise StreamNotFound(f"the camera of stream {name!r} is gone")
    return stream


async def results(hub: Hub, name: str, watch: Watch | None = None) -> AsyncGenerator[tuple[FrameResult, Subscription]]:
    """Yield results of a live stream, newest first, each with the subscription that has to count it.

    Raises StreamNotFound if none comes at all.
    """
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
                yield item, subscription
            elif item is None or item.state == "ended":
                break
    if not come:
        raise StreamNotFound(f"no result of stream {name!r} came within {PATIENCE_S:g} s")


async def streamed(parts: AsyncGenerator[bytes], media_type: str) -> StreamingResponse:
    """Return an answer that has the parts as they come.

    Waits for the first one, so that an error before it still becomes an error status.
    """
    first = await anext(parts)

    async def body() -> AsyncGenerator[bytes]:
        async with aclosing(parts):
            yield first
            async for part in parts:
                yield part

    return StreamingResponse(body(), media_type=media_type, headers={"Cache-Control": "no-store"})
