"""Home Assistant over MQTT: one device a stream, its states, its events and pictures, and its commands.

It has a connection of its own, with a last will, so that Home Assistant learns when the server is gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from sightline.core.backoff import Backoff
from sightline.core.errors import FAULTS, SinkError, cancelled, told
from sightline.core.events import Event
from sightline.core.fence import Fence
from sightline.core.mailbox import Mailbox
from sightline.outputs.base import wants
from sightline.outputs.mqtt.commands import Commands
from sightline.outputs.mqtt.discovery import Entity, NodeNames, device, entities
from sightline.outputs.mqtt.happenings import Happenings, small
from sightline.outputs.mqtt.retained import Kept
from sightline.outputs.mqtt.views import Views
from sightline.streams.hub import Hub
from sightline.streams.rendering import Drawing

if TYPE_CHECKING:
    import aiomqtt

    from sightline.outputs.mqtt import MqttSettings

log = logging.getLogger(__name__)

TICK_S = 0.5
"""Time between two looks at what has changed. So often at most is a state sent."""
PICTURE_S = 10.0
"""Time between two pictures of a stream."""
MODELS_S = 60.0
"""Time between two looks at which models can be chosen."""
GONE_S = 60.0
"""Time for which a device stays whose stream is not there: a camera may come back."""
AGAIN_S = 5.0
"""Least time between two times that all is sent again because Home Assistant asks for it."""
BACKLOG = 256
"""Events, and messages of the broker, that may wait. The oldest are dropped."""
STALE_S = 30.0
"""Time without a connection after which it is not told what happened meanwhile."""
STEADY_S = 10.0
"""Time for which a connection has to work before its loss is one that is tried again at once."""
GOODBYE_S = 1.5
WAIT_S = 10.0
"""Time for the broker to take a message."""


class HomeAssistant:
    """Keeps Home Assistant informed while a hub lives, over any number of connections."""

    def __init__(
        self,
        settings: MqttSettings,
        connect: Callable[[aiomqtt.Will], Awaitable[aiomqtt.Client]],
        hub: Hub,
        drawing: Drawing | None,
    ) -> None:
        """``connect``: makes a client with this last will. ``drawing``: makes JPEGs of pictures that came as pixels."""
        self._trouble: str | None = None
        """Why Home Assistant is told nothing at the moment; None if it is."""
        self.names = NodeNames(settings.node, settings.discovery_prefix)
        self.commands = Commands(self.names, hub, settings.stream)
        self._settings, self._connect, self._hub, self._drawing = settings, connect, hub, drawing
        self._views = Views(hub)
        self._models_at = self._again_at = -MODELS_S
        self._lost_at = -STALE_S
        self._number: int | None = None
        """Number of the last event that was told."""
        self._client: aiomqtt.Client | None = None
        self._fence = Fence(log)
        self._happenings = Happenings(self.names, hub, self._publish)
        self._forget()

    @property
    def trouble(self) -> str | None:
        """Why Home Assistant does not have what it should have; None if it does."""
        return self._trouble or self._refused

    async def run(self) -> None:
        """Connect, and again after each loss, until cancelled or the hub is closed."""
        backoff = Backoff(0.5, 30.0, jitter=0.2)
        while self._hub.stopping is None:
            began = time.monotonic()
            try:
                await self._serve()
            except FAULTS as e:  # a broker may send what no library expects
                if cancelled(e):
                    raise
                if self._trouble is None and self._hub.stopping is None:
                    if time.monotonic() - began > STEADY_S:
                        backoff.reset()
                    log.warning("home assistant at %s: %s; it is tried again", self._settings.host, told(e))
                self._trouble = told(e)
            again_at = time.monotonic() + backoff.wait_s()
            while self._hub.stopping is None and time.monotonic() < again_at:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)

    @property
    def _name(self) -> str | None:
        return None if self._settings.stream == "*" else self._settings.stream

    def _forget(self) -> None:
        """Know nothing of what the broker has."""
        self._kept = Kept(self.names)
        self._told: dict[str, bytes] = {}
        """The last payload of each topic that is retained."""
        self._pictures: dict[str, tuple[float, int]] = {}
        """When each stream's picture was sent, and its number."""
        self._absent: dict[str, float] = {}
        """Since when there is no such stream."""
        self._ask_again = False
        self._device: tuple[str, float] | None = None
        """The first device's topic, and when it was sent."""
        self._came_back = False
        """Whether the broker has sent any device back."""
        self._refused: str | None = None
        """Why devices do not reach Home Assistant; None if they do."""

    async def _serve(self) -> None:
        """Serve over one connection until it ends."""
        import aiomqtt

        will = aiomqtt.Will(self.names.availability, b"offline", qos=1, retain=True)
        # What happened long ago would be taken for news.
        after = self._number if time.monotonic() - self._lost_at < STALE_S else None
        async with (
            await self._connect(will) as client,
            self._hub.subscribe_events(self._name, backlog=BACKLOG, after=after) as mailbox,
        ):
            self._forget()
            self._client = client
            try:
                async with asyncio.TaskGroup() as group:
                    ready = asyncio.Event()
                    group.create_task(self._read(client, ready))
                    group.create_task(self._tell(ready))
                    group.create_task(self._tell_events(ready, mailbox))
            finally:
                self._lost_at = time.monotonic()
                with suppress(TimeoutError, aiomqtt.MqttError):  # after a goodbye the broker sends no last will
                    async with asyncio.timeout(GOODBYE_S):
                        await self._send(self.names.availability, b"offline")
                self._client = None

    # What the broker says

    async def _read(self, client: aiomqtt.Client, ready: asyncio.Event) -> None:
        """Take what the broker kept of us, and from then on what Home Assistant says."""
        import aiomqtt

        marker, status = self.names.topic("$self", str(time.time_ns())), f"{self.names.prefix}/status"
        topics = [self.names.config("+"), status, *(self.commands.topics if self._settings.control else ()), marker]
        await client.subscribe([(topic, 1) for topic in topics], timeout=WAIT_S)
        await client.publish(marker, b"", qos=1, timeout=WAIT_S)  # comes back after all that was kept
        async for message in client.messages:
            topic = str(message.topic)
            payload = bytes(message.payload) if isinstance(message.payload, bytes | bytearray) else b""
            if topic == marker:
                ready.set()
            elif topic == status:
                self._ask_again |= payload == b"online" and not message.retain
            elif topic.startswith(f"{self.names.prefix}/"):
                if not ready.is_set():
                    self._kept.found(topic, payload)
                else:
                    self._came_back, self._refused = True, None
            else:
                self.commands.take(topic, payload, retained=message.retain)
        raise aiomqtt.MqttError("the broker ended the connection")

    # What Home Assistant is told

    async def _tell(self, ready: asyncio.Event) -> None:
        """Tell how the streams stand, whenever that changes. Raises SinkError where the broker does not let us."""
        try:
            async with asyncio.timeout(WAIT_S):
                await ready.wait()
        except TimeoutError:
            raise SinkError(_lost(self.names.topic("$self", "#"))) from None
        for stream in self._kept.devices:
            self._views.recall(stream, self._kept.names_of(stream))
        self._trouble = None
        await self._send(self.names.availability, b"online")
        log.info("home assistant is told by the broker at %s", self._settings.host)
        while True:
            await self._look_at_models()
            self._begin_again()
            there = [name for name in self._views.streams() if self._name in (None, name)]
            for name in there:
                await self._tell_stream(name)
            await self._remove_absent(there)
            self._look_for_device()
            await asyncio.sleep(TICK_S)

    async def _look_at_models(self) -> None:
        if self._settings.control and time.monotonic() - self._models_at > MODELS_S:
            self._models_at = time.monotonic()
            offers = await asyncio.to_thread(self._hub.model_switch.offers.all)
            self._views.models = tuple(offer.name for offer in offers if not offer.reason)

    def _look_for_device(self) -> None:
        """Say where no device has come back."""
        if self._came_back or self._refused or self._device is None or time.monotonic() - self._device[1] < WAIT_S:
            return
        self._refused = _lost(self._device[0])
        log.warning("home assistant at %s: %s", self._settings.host, self._refused)

    def _begin_again(self) -> None:
        """Tell everything anew where Home Assistant has just started."""
        if self._ask_again and time.monotonic() - self._again_at > AGAIN_S:
            self._again_at, self._ask_again = time.monotonic(), False
            self._told.clear()
            self._pictures.clear()

    async def _tell_stream(self, name: str) -> None:
        """Tell a stream's device, where it has changed, then the states of its entities."""
        now: list[Entity] = []
        with self._fence.around(f"stream {name}", "home assistant: "):
            view = self._views.of(name)
            now = entities(self.names, view, control=self._settings.control)
            payload = device(self.names, view, now, self._settings.qos, self._hub.settings.public_url)
        if not now:
            return
        topic, components = self.names.config(name), payload["components"]
        removed = self._kept.removed(name, components)
        if removed:  # Home Assistant removes those of which it is told the platform only
            await self._send(topic, msgspec.json.encode(payload | {"components": components | removed}))
            for old in self._kept.topics(name, components):
                await self._send(old, b"")
        await self._send(topic, msgspec.json.encode(payload))
        self._device = self._device or (topic, time.monotonic())
        self._kept.devices[name] = components
        for entity in now:
            if entity.state is not None:
                await self._send(entity.config["state_topic"], entity.state.encode())
        await self._tell_picture(name)

    async def _tell_picture(self, name: str) -> None:
        """Send a stream's newest picture now and then, where it is another."""
        stream, (sent_at, seq) = self._hub.streams.get(name), self._pictures.get(name, (-PICTURE_S, -1))
        latest = None if stream is None or stream.publisher is None else stream.meters.latest
        if latest is None or latest.seq == seq or time.monotonic() - sent_at < PICTURE_S or self._drawing is None:
            return
        self._pictures[name] = time.monotonic(), latest.seq
        picture = None
        with self._fence.around(f"picture of {name}", "home assistant: "):
            picture = await small(await self._drawing.picture(latest))
        if picture is not None:
            await self._publish(self.names.topic(name, "picture"), picture, retain=True)

    async def _remove_absent(self, there: list[str]) -> None:
        """Remove the devices of streams that have been gone for a while."""
        now = time.monotonic()
        self._absent = {name: self._absent.get(name, now) for name in self._kept.devices if name not in there}
        for name in [name for name, since in self._absent.items() if now - since > GONE_S]:
            await self._send(self.names.config(name), b"")
            for topic in self._kept.topics(name, {}):
                await self._send(topic, b"")
            del self._kept.devices[name], self._absent[name]
            self._views.forget(name)

    async def _tell_events(self, ready: asyncio.Event, mailbox: Mailbox[Event]) -> None:
        """Tell what happens. Home Assistant takes no event that is retained."""
        await ready.wait()
        while True:
            event = await mailbox.get()
            self._number = event.number or self._number
            if wants(event, ("events",), "mqtt"):
                await self._happenings.tell(event)

    async def _send(self, topic: str, payload: bytes) -> None:
        """Publish what the broker is to keep, where it has something else. An empty payload takes it away."""
        if self._told.get(topic) != payload:
            await self._publish(topic, payload, retain=True)
            self._told[topic] = payload
        if not payload:
            self._told.pop(topic, None)

    async def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        import aiomqtt

        if self._client is None:
            raise aiomqtt.MqttError("there is no connection")
        await self._client.publish(topic, payload, qos=self._settings.qos, retain=retain, timeout=WAIT_S)


def _lost(topic: str) -> str:
    """Words for what a broker has lost. By MQTT it need not say that it refuses somebody something."""
    return f"what is sent to {topic} does not come back: expected a user who may write and read there"
