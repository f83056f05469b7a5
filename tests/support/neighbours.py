"""A server with a stream that is at fault, and a neighbour that must not notice."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sightline.core.types import Encoded, Frame
from sightline.streams.hub import Hub
from sightline.streams.publisher import Publisher
from support.faults import FAULTS
from support.inside import Inside, inside
from support.serving import picture
from support.streams import Recorder, balanced, until
from support.working import RIGHT, Scripted, loading

GARBAGE: dict[str, Callable[[], Any]] = {"None": lambda: None, "a number": lambda: 7, "an object": object}
KINDS = FAULTS | GARBAGE


def misbehave(kind: str) -> Any:
    """Raise, or give back what nobody expects."""
    made = KINDS[kind]()
    if isinstance(made, BaseException):
        raise made
    return made


class Neighbour:
    """A stream beside the one with the fault. It gets each frame's result, while /ready is asked all the time."""

    def __init__(self, server: Inside) -> None:
        self.server = server
        self.publisher = Recorder()
        self.sent = 0

    async def is_well(self) -> None:
        """Send a frame, and see that it and the server are well."""
        await self.server.on_loop(self._send())
        ready = json.loads(await asyncio.to_thread(self.server.get, "/ready"))
        assert ready["ready"], ready
        assert self.publisher.reasons == {"result": self.sent}
        assert all(map(balanced, self.server.hub.streams.values()))

    async def _send(self) -> None:
        hub = self.server.hub
        if not self.sent:
            hub.take("good", self.publisher)
        hub.streams["good"].put(picture_of("good", self.sent))
        self.sent += 1
        await until(lambda: not hub.streams["good"].in_flight)


def picture_of(stream: str, seq: int) -> Frame:
    now = time.monotonic()
    return Frame(stream, seq, now, now, Encoded(picture(seq), 320, 180))


@asynccontextmanager
async def neighbours(kind_now: list[str], **given: Any) -> AsyncGenerator[tuple[Inside, Neighbour]]:
    """A server, whose model is at fault with the stream ``bad`` if a kind is given for ``model``."""

    def answer(streams: Any) -> Any:
        return misbehave(kind_now[0]) if kind_now and "bad" in streams else RIGHT

    async with inside(load=loading(Scripted(answer)), static_skip=False, **given) as server:
        await server.on_loop(server.hub.worker.settled.wait())
        neighbour = Neighbour(server)
        await neighbour.is_well()
        yield server, neighbour
        await neighbour.is_well()


async def sent(hub: Hub, publisher: Publisher, count: int = 1) -> None:
    """On the server's loop: publish so many frames as ``bad`` and wait until they are settled."""
    stream = hub.take("bad", publisher)
    for seq in range(count):
        stream.put(picture_of("bad", seq))
        await until(lambda: not stream.in_flight)
    hub.release(stream, publisher)
