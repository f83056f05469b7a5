"""What a broker keeps of us: it is sent where it has changed, and taken away where it is no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sightline.outputs.mqtt.discovery import ORIGIN, NodeNames

MOST_DEVICES = 256
"""Devices of an earlier run that are looked at."""
MOST_BYTES = 1 << 20
"""Longest payload of theirs that is read."""
TOPICS = ("state_topic", "topic", "image_topic")
"""Keys of an entity's topics on which messages are retained."""


class Kept:
    """The devices that a broker has, by stream: of this run, and what was found of earlier ones."""

    def __init__(self, names: NodeNames) -> None:
        self.devices: dict[str, dict[str, Any]] = {}
        """Entities by id, as the device's last payload had them."""
        self._names = names

    def found(self, topic: str, payload: bytes) -> None:
        """Take in a device's payload that the broker had. What is not ours, or can't be read, is left alone."""
        first, last = self._names.config("+").split("+")
        stream = topic.removeprefix(first).removesuffix(last)
        if stream in self.devices or len(self.devices) >= MOST_DEVICES or not 0 < len(payload) <= MOST_BYTES:
            return
        try:
            told = msgspec.json.decode(payload, type=_Device)
        except msgspec.DecodeError:
            return
        if told.origin.get("name") == ORIGIN["name"]:
            self.devices[stream] = {ident: one for ident, one in told.components.items() if _is_entity(one)}

    def names_of(self, stream: str) -> dict[str, str]:
        """Return the names of a device's entities by their ids."""
        return {ident: str(one.get("name")) for ident, one in self.devices.get(stream, {}).items()}

    def removed(self, stream: str, now: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a device has to be told without, beside the entities that it has now: only their platforms."""
        before = self.devices.get(stream, {})
        return {ident: {"platform": one["platform"]} for ident, one in before.items() if ident not in now}

    def topics(self, stream: str, but: Mapping[str, Any]) -> list[str]:
        """Return the topics on which something may be retained for entities that are no more."""
        base = self._names.topic(stream, "")
        before = self.devices.get(stream, {})
        gone = [one for ident, one in before.items() if ident not in but]
        found = [one[key] for one in gone for key in TOPICS if isinstance(one.get(key), str)]
        return [topic for topic in found if topic.startswith(base) and not {"+", "#"} & set(topic)]


class _Device(msgspec.Struct):
    components: dict[str, dict[str, Any]]
    origin: dict[str, Any]


def _is_entity(given: Mapping[str, Any]) -> bool:
    return isinstance(given.get("platform"), str) and len(given) > 1
