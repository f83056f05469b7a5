"""What Home Assistant is told of events: its entities ``Events`` and ``Alerts``, and the picture of the newest one."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol

import msgspec

from sightline.core.events import Event
from sightline.core.fence import Fence
from sightline.events.pictures import crop
from sightline.outputs.base import is_alert
from sightline.outputs.mqtt.discovery import EVENT_TYPES, NodeNames
from sightline.streams.hub import Hub

log = logging.getLogger(__name__)

PICTURE_S = 1.0
"""Least time between two pictures of a stream's events."""
LARGE = 1 << 20
"""Bytes above which a picture is made smaller: brokers may have a limit, and end the connection of who is above it."""


class Publish(Protocol):
    """Publishes a message."""

    async def __call__(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Raise MqttError where the broker does not take it."""


class Happenings:
    """Tells of events. Home Assistant takes none that is retained."""

    def __init__(self, names: NodeNames, hub: Hub, publish: Publish) -> None:
        self._names, self._hub, self._publish = names, hub, publish
        self._sent_at: dict[str, float] = {}
        """When the last picture of each stream's events was sent."""
        self._fence = Fence(log)

    async def tell(self, event: Event) -> None:
        """Tell of an event, and show it. An update is only shown."""
        if is_alert(event):
            await self._tell(event, "alert", event.rule)
        elif not event.rule and event.phase != "update":
            kind = f"{event.kind}_{event.phase}"
            await self._tell(event, "event", kind if kind in EVENT_TYPES else "other")
        if event.snapshot and time.monotonic() - self._sent_at.get(event.stream, -PICTURE_S) >= PICTURE_S:
            await self._show(event)

    async def _tell(self, event: Event, entity: str, event_type: str) -> None:
        body = msgspec.json.encode(msgspec.to_builtins(event) | {"event_type": event_type})
        await self._publish(self._names.topic(event.stream, entity), body)

    async def _show(self, event: Event) -> None:
        self._sent_at[event.stream] = time.monotonic()
        picture = None
        with self._fence.around("pictures of events", "home assistant: "):
            if self._hub.journal is not None:
                picture = await self._hub.journal.picture(event.id, crop=True)
        if picture is not None:
            await self._publish(self._names.topic(event.stream, "event.picture"), picture, retain=True)


async def small(jpeg: bytes) -> bytes:
    """Return a picture that any broker takes. Raises BadImage."""
    return jpeg if len(jpeg) <= LARGE else await asyncio.to_thread(crop, jpeg, None, None)
