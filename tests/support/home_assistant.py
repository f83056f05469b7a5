"""Home Assistant's MQTT discovery as it is documented (2026.11), and a listener at a broker.

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload, and the page of each platform.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

ROOT = {"device", "origin", "components"}
SHARED = {"availability", "availability_mode", "availability_topic", "availability_template", "payload_available"}
SHARED |= {"payload_not_available", "state_topic", "command_topic", "qos", "encoding", "message_expiry_interval"}
DEVICE = {"identifiers", "connections", "name", "manufacturer", "model", "model_id", "hw_version", "sw_version"}
DEVICE |= {"serial_number", "suggested_area", "via_device", "configuration_url"}
ORIGIN = {"name", "sw_version", "support_url"}
ENTITY = {"platform", "unique_id", "name", "icon", "entity_category", "entity_picture", "enabled_by_default"}
ENTITY |= {"json_attributes_topic", "json_attributes_template", "default_entity_id", "visible_by_default", "group"}
READS = {"value_template", "state_topic", "device_class"}
SETS = {"optimistic", "retain", "command_template"}
PLATFORMS: dict[str, tuple[set[str], set[str]]] = {
    "binary_sensor": (
        {"state_topic"},
        READS | {"expire_after", "force_update", "off_delay", "payload_on", "payload_off"},
    ),
    "sensor": (
        {"state_topic"},
        READS
        | {"expire_after", "force_update", "last_reset_value_template", "options", "suggested_display_precision"}
        | {"state_class", "unit_of_measurement"},
    ),
    "camera": ({"topic"}, {"image_encoding"}),
    "image": ({"image_topic"}, {"content_type", "image_encoding"}),
    "event": ({"state_topic", "event_types"}, READS),
    "switch": ({"command_topic"}, READS | SETS | {"payload_on", "payload_off", "state_on", "state_off"}),
    "select": ({"command_topic", "options"}, READS | SETS),
}
"""For each platform the keys that it must and may have, beside those of all entities."""
CLASSES = {
    "binary_sensor": {"connectivity", "occupancy", "running", "motion", "problem"},
    "event": {"motion", "doorbell", "button"},
}
TOPIC = re.compile(r"[^+#\x00]{1,200}")
NODE = re.compile(r"homeassistant/device/([A-Za-z0-9_-]+/)?[A-Za-z0-9_-]+/config")


def check_device(topic: str, payload: bytes) -> dict[str, dict[str, Any]]:
    """Check a device's discovery message, and return its components."""
    assert NODE.fullmatch(topic), topic
    told = json.loads(payload)
    assert ROOT <= told.keys() <= ROOT | SHARED, told.keys()
    device, origin, components = told["device"], told["origin"], told["components"]
    assert device.keys() <= DEVICE
    assert device.get("identifiers") or device.get("connections")
    assert {"name"} <= origin.keys() <= ORIGIN
    assert told["qos"] in (0, 1, 2)
    check_availability(told)
    for ident, one in components.items():
        assert " " not in ident, "it is split there"
        check_component(one)
    ids = [one["unique_id"] for one in components.values() if len(one) > 1]
    assert len(ids) == len(set(ids))
    return dict(components)


def check_component(one: dict[str, Any]) -> None:
    """Check one entity. With its platform alone it is one that goes."""
    needs, may = PLATFORMS[one["platform"]]
    if len(one) == 1:
        return
    assert needs | {"unique_id"} <= one.keys(), one
    assert one.keys() <= needs | may | ENTITY | SHARED, one
    assert one["name"] is None or one["name"].strip() == one["name"] != ""
    assert all(TOPIC.fullmatch(value) for key, value in one.items() if key.endswith("topic"))
    assert one.get("entity_category") in (None, "diagnostic", *(["config"] if "command_topic" in one else []))
    if "device_class" in one:
        assert one["device_class"] in CLASSES[one["platform"]]
    assert one.get("state_class") in (None, "measurement", "total", "total_increasing")
    for key in ("options", "event_types"):
        assert all(isinstance(value, str) and value for value in one.get(key, []))
    check_availability(one)


def check_availability(one: dict[str, Any]) -> None:
    assert not ("availability" in one and "availability_topic" in one)
    assert one.get("availability_mode", "latest") in ("all", "any", "latest")
    for source in one.get("availability", []):
        assert {"topic"} <= source.keys() <= {"topic", "payload_available", "payload_not_available", "value_template"}


@dataclass
class Listener:
    """Whoever reads all that a broker has."""

    client: Any
    kept: dict[str, bytes] = field(default_factory=dict)
    """The newest payload of each topic."""
    heard: list[tuple[str, bytes, bool]] = field(default_factory=list)
    """All messages in order, and whether the broker had them before."""

    def state(self, topic: str) -> str:
        return self.kept.get(topic, b"").decode()

    def of(self, topic: str) -> list[dict[str, Any]]:
        """What came on a topic, as JSON."""
        return [json.loads(payload) for one, payload, _ in self.heard if one == topic and payload]

    async def say(self, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
        await self.client.publish(topic, payload, qos=1, retain=retain)

    async def until(self, holds: Callable[[], bool], *, seconds: float = 30) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not holds():  # noqa: ASYNC110 - the messages of a broker
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(
                f"heard: {[(topic, payload[:300]) for topic, payload, _ in self.heard][-60:]}"
            ) from None

    async def until_state(self, topic: str, state: str) -> None:
        await self.until(lambda: self.state(topic) == state)


@asynccontextmanager
async def listening(port: int) -> AsyncGenerator[Listener]:
    """Read all topics of a broker that is there."""
    aiomqtt = pytest.importorskip("aiomqtt")
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("#")
        listener = Listener(client)

        async def read() -> None:
            async for message in client.messages:
                topic, payload = str(message.topic), bytes(message.payload)
                listener.kept[topic] = payload
                listener.heard.append((topic, payload, bool(message.retain)))

        reading = asyncio.create_task(read())
        try:
            yield listener
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
