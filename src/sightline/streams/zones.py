"""Zones, lines and their counts of all streams, kept over restarts in one file of the data folder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from sightline.analytics.zones.board import BoardState, ZoneBoard
from sightline.analytics.zones.register import Kind
from sightline.core.errors import BadRequest, BadSetting, LimitReached, NotFound, SightlineError
from sightline.core.events import Event
from sightline.core.types import check_stream_name
from sightline.core.zones import MOST_SHAPES, AnyShape, CrossingLine, Zone, check_shape_name, parse_shape
from sightline.security import files
from sightline.settings.settings import Settings, data_folder

log = logging.getLogger(__name__)

SAVE_S = 5.0
"""Time between two looks whether something is worth saving: as much may be lost where the server is killed."""
MOST_STREAMS = 1024
"""Streams whose zones are kept."""


class KeptStream(Struct):
    """What the file has of a stream."""

    zones: dict[str, Any] = {}
    """Zones that were set while the server ran, by name; null for those of the settings file that were removed."""
    lines: dict[str, Any] = {}
    counts: BoardState = msgspec.field(default_factory=BoardState)

    def of(self, kind: Kind) -> dict[str, Any]:
        """Return what was set of this kind."""
        return self.zones if kind == "zone" else self.lines


class ZoneStore:
    """The boards of streams, live or not. On the event loop only."""

    def __init__(self, settings: Settings) -> None:
        """Know the settings' zones; those of the file are there after ``load``."""
        self._settings = settings
        self._kept: dict[str, KeptStream] = {}
        self._boards: dict[str, ZoneBoard] = {}
        """Boards with zones or lines."""
        self._open: WeakValueDictionary[str, ZoneBoard] = WeakValueDictionary()
        """All boards that somebody has."""
        self._saved = 0
        self._saving = asyncio.Lock()

    @property
    def streams(self) -> list[str]:
        """Names of the streams with zones or lines."""
        return [name for name, board in self._boards.items() if not board.empty]

    async def load(self) -> None:
        """Read the file. One that can't be read is put aside."""
        try:
            self._kept = await asyncio.to_thread(self._read)
        except RuntimeError as e:  # this user has no folder
            log.warning("zones that are set now will not outlive the server: %s", e)
        except (OSError, msgspec.DecodeError, BadRequest) as e:
            log.error("%s: %s; zones and counts begin anew, and the file is kept as zones.json.bad", self._path, e)
            with suppress(OSError):
                await asyncio.to_thread(self._path.replace, self._path.with_suffix(".json.bad"))
        for name in self._kept.keys() | self._settings.streams.keys():
            self.board(name)

    def board(self, stream: str) -> ZoneBoard:
        """Return a stream's board."""
        found = self._open.get(check_stream_name(stream))
        if found is None:
            zones, lines = self._shapes(stream, "zone", Zone), self._shapes(stream, "line", CrossingLine)
            found = self._open[stream] = ZoneBoard(stream, zones, lines)
            if stream in self._kept:
                found.restore(self._kept[stream].counts)
            self._keep(found)
        return found

    def has(self, stream: str) -> bool:
        """Return True if a stream has zones or lines."""
        board = self._open.get(stream)
        return board is not None and not board.empty

    def put(self, stream: str, name: str, shape: Zone | CrossingLine) -> tuple[Event, ...]:
        """Set a zone or a line; return the events that end with what it was. Raises LimitReached or BadSetting."""
        board = self.board(stream)
        check_shape_name(name)
        zones, lines = dict(board.zones), dict(board.lines)
        if isinstance(shape, Zone):
            zones[name] = shape
        else:
            lines[name] = shape
        if max(len(zones), len(lines)) > MOST_SHAPES:
            raise LimitReached(f"stream {stream!r} has {MOST_SHAPES} zones or lines: expected no more")
        if stream not in self._boards and len(self._boards) >= MOST_STREAMS:
            raise LimitReached(f"{MOST_STREAMS} streams have zones or lines: expected no more")
        kind: Kind = "zone" if isinstance(shape, Zone) else "line"
        self._kept.setdefault(stream, KeptStream()).of(kind)[name] = shape.model_dump()
        return self._changed(board, zones, lines)

    def remove(self, stream: str, kind: Kind, name: str) -> tuple[Event, ...]:
        """Remove a zone or a line; return the events that end with it. Raises NotFound."""
        board = self.find(stream, kind, name)
        zones, lines = dict(board.zones), dict(board.lines)
        (zones if kind == "zone" else lines).pop(name)
        kept = self._kept.setdefault(stream, KeptStream()).of(kind)
        kept.pop(name, None)
        if name in self._given(stream, kind):
            kept[name] = None
        return self._changed(board, zones, lines)

    def find(self, stream: str, kind: Kind, name: str) -> ZoneBoard:
        """Return the board that has this zone or line. Raises NotFound."""
        board = self.board(stream)
        there = board.zones if kind == "zone" else board.lines
        if name not in there:
            raise NotFound(f"no {kind} named {name[:80]!r} in stream {stream!r}: expected {_listed(there)}")
        return board

    async def run(self) -> None:
        """Save what has changed, again and again, until cancelled."""
        while True:
            await asyncio.sleep(SAVE_S)
            await self.save()

    async def save(self) -> None:
        """Save what has changed. Raises ConfigError or Shortage if that fails; it is tried again later."""
        async with self._saving:
            changes = sum(board.changes for board in self._boards.values())
            if changes == self._saved:
                return
            kept = {name: self._kept.get(name, KeptStream()) for name in self._boards}
            copies = {name: {"zones": dict(one.zones), "lines": dict(one.lines)} for name, one in kept.items()}
            await asyncio.to_thread(self._write, dict(self._boards), copies)
            self._saved = changes

    async def close(self) -> None:
        """Save for the last time."""
        try:
            await self.save()
        except SightlineError as e:
            log.error("the counts of zones and lines are lost: %s", e.message)

    def _given(self, stream: str, kind: Kind) -> Mapping[str, Zone | CrossingLine]:
        """Return what the settings have."""
        given = self._settings.streams.get(stream)
        if given is None:
            return {}
        return given.zones if kind == "zone" else given.lines

    def _changed(self, board: ZoneBoard, zones: dict[str, Zone], lines: dict[str, CrossingLine]) -> tuple[Event, ...]:
        events = board.change(zones, lines)
        self._keep(board)
        return events

    def _keep(self, board: ZoneBoard) -> None:
        if not board.empty or board.stream in self._kept:
            self._boards[board.stream] = board

    def _shapes(self, stream: str, kind: Kind, of: type[AnyShape]) -> dict[str, AnyShape]:
        """Return those of the settings, with what was set while the server ran in their place."""
        found: dict[str, Any] = dict(self._given(stream, kind))
        kept = self._kept[stream].of(kind) if stream in self._kept else {}
        for name, one in kept.items():
            found.pop(name, None)
            if one is not None:
                try:
                    found[name] = parse_shape(of, one)
                except BadSetting as e:
                    log.warning("stream %s: %s %s of %s is left out: %s", stream, kind, name, self._path, e.message)
        return found

    @property
    def _path(self) -> Path:
        return data_folder(self._settings) / "zones.json"

    def _read(self) -> dict[str, KeptStream]:
        if not self._path.exists():
            return {}
        read = msgspec.json.decode(self._path.read_bytes(), type=dict[str, KeptStream])
        return {check_stream_name(name): one for name, one in read.items()}

    def _write(self, boards: dict[str, ZoneBoard], kept: dict[str, dict[str, Any]]) -> None:
        parts = {name: {**kept[name], "counts": msgspec.Raw(board.saved())} for name, board in boards.items()}
        files.make_folder(self._path.parent)
        files.write(self._path, msgspec.json.encode(parts))


def _listed(names: Any) -> str:
    return ", ".join(names) or "one that was set before"
