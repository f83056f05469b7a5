"""What a TCP peer subscribes to: a stream's results, and events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from sightline.core.types import Frame
from sightline.streams.hub import Hub
from sightline.streams.rendering import Drawing
from sightline.transports.tcp.publisher import result_parts
from sightline.wire import msgpack as frames
from sightline.wire.messages import Position, Status
from sightline.wire.msgpack import Bytes
from sightline.wire.requests import Subscribe

BACKLOG = 64
"""Maximum number of results without pictures waiting for a subscriber. With pictures it is one."""


class SubscribedPeer(Protocol):
    """The peer's connection, as its subscriptions see it."""

    room: asyncio.Event
    """Set while the peer reads."""

    def tell(self, message: frames.ServerMessage) -> None:
        """Send a small message."""
        ...

    def write(self, parts: Sequence[Bytes]) -> None:
        """Send parts of messages, whether the peer reads or not."""
        ...


async def send_results(hub: Hub, wish: Subscribe, peer: SubscribedPeer, drawing: Drawing) -> None:
    """Send a stream's results until cancelled."""
    name, pictures = wish.stream, wish.pictures
    backlog = 1 if pictures else BACKLOG
    scene: Frame | None = None
    async with hub.subscribe(name, backlog=backlog, kind="viewer" if pictures else "listener") as subscription:
        status = hub.find(name).status
        peer.tell(status.of(name))
        while True:
            await peer.room.wait()  # room before the result, so that the result is the newest
            item = await subscription.mailbox.get()
            if isinstance(item, Status):
                peer.tell(item.of(name))
                continue
            shown = pictures and not (wish.still and item.reused is not None and item.reused is scene)
            scene = item.reused or item.frame
            jpeg = await drawing.plain(item) if shown else None
            peer.write(result_parts(item, mask=shown, jpeg=jpeg))
            subscription.sent += 1


async def send_events(hub: Hub, wish: Subscribe, peer: SubscribedPeer) -> None:
    """Send a stream's events until cancelled; with an empty name, those of all streams."""
    async with hub.subscribe_events(wish.stream or None, wanted=wish.wanted, after=wish.after) as mailbox:
        if wish.position and wish.after is None and hub.journal is not None:
            peer.tell(Position(hub.journal.newest))
        while True:
            await peer.room.wait()
            peer.write([frames.prefixed(frames.encode(await mailbox.get()))])
