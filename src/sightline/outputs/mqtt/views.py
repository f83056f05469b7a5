"""How the hub's streams stand, as Home Assistant is to see them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping

from sightline.analytics.zones.totals import Counted, ZoneCounts
from sightline.core.types import FrameResult
from sightline.core.zones import Zone
from sightline.outputs.mqtt.discovery import StreamView, ZoneView, slug
from sightline.streams.boards import Boards
from sightline.streams.hub import Hub
from sightline.streams.stream import Stream

FRESH_S = 3.0
"""Age up to which a result says what is in the picture."""
HOLD_S = 2.0
"""Time for which a stream stays occupied after its last object was seen."""
MOST_CLASSES = 24
"""Classes of a stream, and of a zone, that have a count of their own."""


class Views:
    """Makes views of streams. It remembers which classes were seen, so that their counts stay."""

    def __init__(self, hub: Hub) -> None:
        self.models: tuple[str, ...] = ()
        """Models that can be chosen."""
        self._hub = hub
        self._seen: dict[tuple[str, str], dict[str, None]] = {}
        """Classes in the order in which they were first seen, by stream and zone; the zone is empty for the picture."""
        self._occupied: dict[str, float] = {}
        self._boards: dict[str, Boards] = {}

    def streams(self) -> list[str]:
        """Return the streams that are live, in the settings, or have zones, lines or rules."""
        hub = self._hub
        live = [name for name, stream in hub.streams.items() if stream.publisher is not None]
        return list(dict.fromkeys((*hub.settings.streams, *hub.cameras.names, *hub.boards.streams, *live)))

    def recall(self, stream: str, entities: Mapping[str, str]) -> None:
        """Count classes again of which a stream had entities in an earlier run: names of entities by their ids."""
        for entity, name in entities.items():
            where, found, ident = entity.rpartition("class.")
            zone = where.removeprefix("zone.").rstrip(".")
            class_name = name.removeprefix(f"{zone} ")
            if found and slug(class_name) == ident:
                self._note(stream, zone, [class_name])

    def forget(self, stream: str) -> None:
        """Forget a stream that is no more."""
        self._occupied.pop(stream, None)
        self._boards.pop(stream, None)
        for key in [key for key in self._seen if key[0] == stream]:
            del self._seen[key]

    def of(self, name: str) -> StreamView:
        """Return how a stream stands."""
        stream, boards = self._hub.streams.get(name), self._boards.setdefault(name, self._hub.boards.of(name))
        board = boards.zones
        live = stream is not None and stream.publisher is not None and stream.paused is None
        counts = _counts(stream.meters.last_result) if stream is not None and live and stream.detect else {}
        counted = board.counted()
        for one, zone in counted.zones.items():
            self._note(name, one, (*(board.zones[one].classes or ()), *zone.entered))
        self._note(name, "", (*self._chosen(stream), *counts))
        return StreamView(
            name=name,
            display_name=self._hub.cameras.display_name(name),
            live=live,
            detect=stream is None or stream.detect,
            occupied=self._is_occupied(name, counts),
            counts=counts,
            classes=tuple(self._seen.get((name, ""), ())),
            zones={one: self._zone(name, one, board.zones[one], zone) for one, zone in counted.zones.items()},
            lines=_lines(counted),
            rules={one: rule.enabled for one, rule in boards.rules.rules.items()},
            model=self._hub.model_switch.at_the_start(name).model if stream is None else self._model(stream),
            models=self.models,
        )

    def _model(self, stream: Stream) -> str:
        return self._hub.model_switch.in_force(stream).model

    def _chosen(self, stream: Stream | None) -> tuple[str, ...]:
        return tuple((None if stream is None else stream.model.chosen.get("classes")) or ())

    def _zone(self, stream: str, name: str, zone: Zone, counts: ZoneCounts) -> ZoneView:
        known = tuple(self._seen.get((stream, name), ()))
        return ZoneView(counts.now, tuple(one for one in known if zone.classes is None or one in zone.classes))

    def _note(self, stream: str, zone: str, classes: Iterable[str]) -> None:
        seen = self._seen.setdefault((stream, zone), {})
        for one in classes:
            if len(seen) < MOST_CLASSES:
                seen.setdefault(one)

    def _is_occupied(self, name: str, counts: Mapping[str, int]) -> bool:
        now = time.monotonic()
        if counts:
            self._occupied[name] = now
        return now - self._occupied.get(name, -HOLD_S) < HOLD_S


def _counts(result: FrameResult | None) -> dict[str, int]:
    """Count the objects of a stream's newest result: those with an id, or all where there are no ids."""
    if result is None or time.monotonic() - result.finished_at > FRESH_S:
        return {}
    objects = result.prediction.objects
    ids = objects.class_id if objects.tracker_id is None else objects.class_id[objects.tracker_id >= 0]
    return dict(Counter(map(result.card.label, ids.tolist())))


def _lines(counted: Counted) -> dict[str, tuple[int, int]]:
    return {name: (sum(line.into.values()), sum(line.out.values())) for name, line in counted.lines.items()}
