"""What Home Assistant is told of a stream: a device with its entities, as MQTT discovery has them, and their states.

Pure: ``StreamView`` in, payloads out. The keys are those of Home Assistant's MQTT integration, "device discovery".
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sightline.core.version import __version__

ON, OFF = "ON", "OFF"
ORIGIN = {"name": "Sightline", "sw_version": __version__}
KINDS = ("object", "zone", "line", "loiter", "scene", "stream")
EVENT_TYPES = (*(f"{kind}_{phase}" for kind in KINDS for phase in ("start", "end")), "other")
"""Types of the entity ``Events``. Those of ``Alerts`` are the names of the stream's rules."""
MOST_ENTITIES = 256
"""Entities of a device; those beyond are left out."""


@dataclass(frozen=True, slots=True)
class ZoneView:
    """A zone."""

    now: Mapping[str, int] = field(default_factory=dict)
    """Objects that are in it, by class."""
    classes: tuple[str, ...] = ()
    """Classes that have a count of their own."""


@dataclass(frozen=True, slots=True)
class StreamView:
    """A stream as Home Assistant is to see it."""

    name: str
    display_name: str = ""
    """What people call it."""
    live: bool = False
    detect: bool = True
    occupied: bool = False
    """Whether there is any object in its picture."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Objects in its picture, by class."""
    classes: tuple[str, ...] = ()
    """Classes that have a count of their own."""
    zones: Mapping[str, ZoneView] = field(default_factory=dict)
    lines: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Crossings in and out."""
    rules: Mapping[str, bool] = field(default_factory=dict)
    """Rules, and whether each is enabled."""
    model: str = ""
    models: tuple[str, ...] = ()
    """Models that can be chosen."""


class Entity(NamedTuple):
    """One entity of a device."""

    id: str
    """Its id within the device, and with slashes for dots its topic."""
    config: dict[str, Any]
    """Its part of the discovery payload."""
    state: str | None = None
    """None for one that has no state, or whose messages come when something happens."""


class NodeNames(NamedTuple):
    """Topics and ids of one server at a broker. None of them changes while a stream has its name."""

    node: str
    prefix: str = "homeassistant"

    @property
    def availability(self) -> str:
        """Topic that says whether the server is there. No stream can have this name."""
        return f"{self.node}/$availability"

    def config(self, stream: str) -> str:
        """Return the topic of a stream's device; ``+`` for all."""
        return f"{self.prefix}/device/{self.node}/{stream}/config"

    def topic(self, stream: str, entity: str) -> str:
        """Return an entity's topic."""
        return f"{self.node}/{stream}/{entity.replace('.', '/')}"

    def command(self, stream: str, entity: str) -> str:
        """Return the topic on which an entity takes commands."""
        return f"{self.topic(stream, entity)}/set"


def device(names: NodeNames, view: StreamView, entities: Iterable[Entity], qos: int, url: str | None) -> dict[str, Any]:
    """Return a device's payload. ``url``: the server's address for people, where it is known."""
    about: dict[str, Any] = {
        "identifiers": [f"{names.node}.{view.name}"],
        "name": view.display_name or view.name,
        "manufacturer": "Sightline",
        "model": "Stream",
        "sw_version": __version__,
    }
    if url is not None:
        about["configuration_url"] = f"{url.rstrip('/')}/view/{view.name}"
    return {
        "device": about,
        "origin": ORIGIN,
        "availability": [
            {"topic": names.availability},
            {"topic": names.topic(view.name, "live"), "payload_available": ON, "payload_not_available": OFF},
        ],
        "availability_mode": "all",
        "qos": qos,
        "components": {
            entity.id: entity.config | {"unique_id": f"{names.node}.{view.name}.{entity.id}"} for entity in entities
        },
    }


def entities(names: NodeNames, view: StreamView, *, control: bool) -> list[Entity]:
    """Return a stream's entities. ``control``: with switches and a choice of models."""
    found: dict[str, Entity] = {}
    for entity in _Maker(names, view, control).all():
        if len(found) < MOST_ENTITIES:
            found.setdefault(entity.id, entity)
    return list(found.values())


def slug(class_name: str) -> str:
    """Return a class's part of ids and topics: its name where that can be one, else what is like it."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", class_name)
    return plain if plain == class_name.replace(" ", "_") else f"{plain}_{zlib.crc32(class_name.encode()):08x}"


class _Maker:
    """Makes the entities of one stream."""

    def __init__(self, names: NodeNames, view: StreamView, control: bool) -> None:
        self._names, self._view, self._control = names, view, control
        self._always = {"availability": [{"topic": names.availability}]}
        """For what is known also while no camera is there."""

    def all(self) -> Iterator[Entity]:
        """Yield the entities, the most important ones first."""
        view = self._view
        yield self._sensor("live", "binary", "Camera live", _on(view.live), device_class="connectivity", **self._always)
        yield Entity("picture", {"platform": "camera", "name": "Picture", "topic": self._topic("picture")})
        yield Entity("event.picture", self._image() | self._always)
        yield Entity("event", self._event("event", "Events", EVENT_TYPES) | self._always)
        if view.rules:
            yield Entity("alert", self._event("alert", "Alerts", view.rules) | self._always)
        yield self._sensor("occupancy", "binary", "Occupancy", _on(view.occupied), device_class="occupancy")
        yield from self._control_of_model()
        yield from self._rules()
        for name, (into, out) in view.lines.items():
            yield self._counter(f"line.{name}.in", f"{name} in", into)
            yield self._counter(f"line.{name}.out", f"{name} out", out)
        for name, zone in view.zones.items():
            yield from self._zone(name, zone)
        for one in view.classes:
            yield self._count(f"class.{slug(one)}", one, view.counts.get(one, 0))

    def _control_of_model(self) -> Iterator[Entity]:
        """Yield what is set where that is allowed, and what only tells otherwise: under ids of their own."""
        view = self._view
        if not self._control:
            told = _on(view.detect)
            yield self._sensor("detecting", "binary", "Detection", told, device_class="running", **DIAGNOSTIC)
            yield self._sensor("in_force", "", "Model", view.model, **DIAGNOSTIC)
            return
        yield self._settable("detection", "switch", "Detection", _on(view.detect))
        options = list(dict.fromkeys((*view.models, view.model)))
        yield self._settable("model", "select", "Model", view.model, options=options, entity_category="config")

    def _rules(self) -> Iterator[Entity]:
        for name, enabled in self._view.rules.items():
            if self._control:
                yield self._settable(f"rule.{name}", "switch", f"Rule {name}", _on(enabled), **CONFIG | self._always)

    def _zone(self, name: str, zone: ZoneView) -> Iterator[Entity]:
        number = sum(zone.now.values())
        occupied = _on(number > 0)
        yield self._sensor(f"zone.{name}.occupancy", "binary", f"{name} occupancy", occupied, device_class="occupancy")
        yield self._count(f"zone.{name}.count", f"{name} count", number)
        for one in zone.classes:
            yield self._count(f"zone.{name}.class.{slug(one)}", f"{name} {one}", zone.now.get(one, 0))

    def _sensor(self, ident: str, kind: str, name: str, state: str, **more: Any) -> Entity:
        platform = f"{kind}_sensor" if kind else "sensor"
        return Entity(ident, {"platform": platform, "name": name, "state_topic": self._topic(ident), **more}, state)

    def _count(self, ident: str, name: str, number: int) -> Entity:
        return self._sensor(ident, "", name.strip() or ident, str(number), state_class="measurement")

    def _counter(self, ident: str, name: str, number: int) -> Entity:
        return self._sensor(ident, "", name, str(number), state_class="total_increasing", **self._always)

    def _settable(self, ident: str, platform: str, name: str, state: str, **more: Any) -> Entity:
        topics = {"state_topic": self._topic(ident), "command_topic": self._names.command(self._view.name, ident)}
        return Entity(ident, {"platform": platform, "name": name, **topics, **more}, state)

    def _image(self) -> dict[str, Any]:
        topic = self._topic("event.picture")
        return {"platform": "image", "name": "Last event", "image_topic": topic, "content_type": "image/jpeg"}

    def _event(self, ident: str, name: str, types: Iterable[str]) -> dict[str, Any]:
        return {"platform": "event", "name": name, "state_topic": self._topic(ident), "event_types": list(types)}

    def _topic(self, ident: str) -> str:
        return self._names.topic(self._view.name, ident)


DIAGNOSTIC = {"entity_category": "diagnostic"}
CONFIG = {"entity_category": "config"}


def _on(value: bool) -> str:
    return ON if value else OFF
