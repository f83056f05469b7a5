"""Zones, lines and rules of all streams and what they counted, kept over restarts in one file of the data folder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from sightline.analytics.rules.board import CAMERA, RuleBoard
from sightline.analytics.rules.state import RuleTally
from sightline.analytics.zones.board import BoardState, ZoneBoard
from sightline.core.errors import BadRequest, BadSetting, LimitReached, NoFolder, NotFound, SightlineError
from sightline.core.events import Event
from sightline.core.rules import MOST_RULES, Rule, parse_rule
from sightline.core.types import check_stream_name
from sightline.core.zones import MOST_SHAPES, CrossingLine, Zone, check_shape_name, parse_shape
from sightline.security import files
from sightline.settings.settings import Settings, data_folder

log = logging.getLogger(__name__)

SAVE_S = 5.0
"""Time between two looks whether something is worth saving: as much may be lost where the server is killed."""
MOST_STREAMS = 1024
"""Streams whose zones are kept."""
Kept: TypeAlias = Literal["zones", "lines", "rules"]
Item: TypeAlias = Zone | CrossingLine | Rule


class KeptKind(NamedTuple):
    """One kind of what is kept."""

    called: str
    most: int
    """How many a stream may have."""
    parse: Callable[[object], Item]


KINDS: Mapping[Kept, KeptKind] = {
    "zones": KeptKind("zone", MOST_SHAPES, partial(parse_shape, Zone)),
    "lines": KeptKind("line", MOST_SHAPES, partial(parse_shape, CrossingLine)),
    "rules": KeptKind("rule", MOST_RULES, parse_rule),
}


class KeptStream(Struct):
    """What the file has of a stream."""

    zones: dict[str, Any] = {}
    """Zones that were set while the server ran, by name; null for those of the settings file that were removed."""
    lines: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    counts: BoardState = msgspec.field(default_factory=BoardState)
    fired: dict[str, RuleTally] = {}
    """How often each rule was fulfilled, and when last."""

    def of(self, kind: Kept) -> dict[str, Any]:
        """Return what was set of this kind."""
        found: dict[str, Any] = getattr(self, kind)
        return found


class Boards:
    """What a stream has, live or not."""

    def __init__(self, zones: ZoneBoard, rules: RuleBoard) -> None:
        self.zones, self.rules = zones, rules

    @classmethod
    def new(cls, stream: str) -> Boards:
        """Return empty boards."""
        zones = ZoneBoard(stream)
        return cls(zones, RuleBoard(zones))

    @classmethod
    def dated(
        cls, stream: str, zones: Mapping[str, Zone], lines: Mapping[str, CrossingLine], rules: Mapping[str, Rule]
    ) -> Boards:
        """Return new boards for frames that were recorded, whose clock is the only one."""
        board = ZoneBoard(stream, zones, lines)
        return cls(board, RuleBoard(board, rules, file=True, dated=True))

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """What the stages get that they are for."""
        return {"zones": {"board": self.zones}, "rules": {"board": self.rules}}

    @property
    def stream(self) -> str:
        """Name of the stream."""
        return self.zones.stream

    @property
    def changes(self) -> int:
        """Grows with whatever is worth saving."""
        return self.zones.changes + self.rules.changes

    @property
    def empty(self) -> bool:
        """True if there is neither a zone nor a line nor a rule."""
        return self.zones.empty and not self.rules.rules

    @property
    def wanted(self) -> bool:
        """True if the stream has to be processed also where nobody looks."""
        return not self.zones.empty or self.rules.wanted

    def of(self, kind: Kept) -> Mapping[str, Item]:
        """Return those of a kind, by name."""
        if kind == "rules":
            return self.rules.rules
        return self.zones.zones if kind == "zones" else self.zones.lines

    def change(self, kind: Kept, items: Mapping[str, Any]) -> tuple[Event, ...]:
        """Have these from now on; return the ends of what lasted in others."""
        if kind == "rules":
            return self.rules.change(items)
        shapes = {"zones": self.zones.zones, "lines": self.zones.lines, kind: items}
        return self.zones.change(**shapes) + self.rules.look()


class BoardStore:
    """The boards of streams, live or not. On the event loop only."""

    def __init__(self, settings: Settings) -> None:
        """Know what the settings have; what the file has is there after ``load``."""
        self._settings = settings
        self._kept: dict[str, KeptStream] = {}
        self._filled: dict[str, Boards] = {}
        """Those with something to keep."""
        self._open: WeakValueDictionary[str, Boards] = WeakValueDictionary()
        """All boards that somebody has."""
        self._saved = 0
        self._forgotten = 0
        """Changes of those that are forgotten, so that all changes together only grow."""
        self._saving = asyncio.Lock()

    @property
    def streams(self) -> list[str]:
        """Names of the streams with zones, lines or rules."""
        return [name for name, boards in self._filled.items() if not boards.empty]

    async def load(self) -> None:
        """Read the file. One that can't be read is put aside."""
        try:
            self._kept = await asyncio.to_thread(self._read)
        except NoFolder as e:  # this user has no folder
            log.warning("zones and rules that are set now will not outlive the server: %s", e)
        except (OSError, msgspec.DecodeError, BadRequest) as e:
            aside = await asyncio.to_thread(files.put_aside, self._path)
            log.error(
                "%s: %s; zones, rules and counts begin anew, and the file is kept as %s", self._path, e, aside.name
            )
        for name in self._kept.keys() | self._settings.streams.keys():
            self.of(name)

    def of(self, stream: str) -> Boards:
        """Return a stream's boards."""
        found = self._open.get(check_stream_name(stream))
        if found is None:
            zones = ZoneBoard(stream, self._items(stream, "zones"), self._items(stream, "lines"))
            rules = RuleBoard(zones, self._items(stream, "rules"))
            found = self._open[stream] = Boards(zones, rules)
            if stream in self._kept:
                zones.restore(self._kept[stream].counts)
                rules.restore(self._kept[stream].fired)
            self._keep(found)
        return found

    def has(self, stream: str) -> bool:
        """Return True if a stream has zones, lines or rules."""
        boards = self._open.get(stream)
        return boards is not None and not boards.empty

    def keeps_clips(self, stream: str) -> bool:
        """Return True if a rule of a stream keeps clips. Any thread may ask."""
        boards = self._open.get(stream)
        return boards is not None and boards.rules.clips

    def hear(self, events: Iterable[Event]) -> list[Event]:
        """Have rules hear what is told of their streams' cameras; return what this fulfils or ends."""
        found: list[Event] = []
        for event in events:
            if event.kind in CAMERA and event.stream in self._open:
                found += self.of(event.stream).rules.hear(event)
        return found

    def tick(self) -> list[Event]:
        """Return what cameras have done for long enough to fulfil rules about them."""
        return [event for boards in self._filled.values() for event in boards.rules.tick()]

    def put(self, stream: str, kind: Kept, name: str, item: Item) -> tuple[Event, ...]:
        """Set a zone, line or rule; return the events that end with what it was. Raises LimitReached or BadRequest."""
        boards = self.of(stream)
        items = {**boards.of(kind), check_shape_name(name): item}
        if len(items) > KINDS[kind].most:
            raise LimitReached(f"stream {stream!r} has {KINDS[kind].most} {kind}: expected no more")
        if stream not in self._filled and len(self._filled) >= MOST_STREAMS:
            raise LimitReached(f"{MOST_STREAMS} streams have zones, lines or rules: expected no more")
        self._kept.setdefault(stream, KeptStream()).of(kind)[name] = item.model_dump(mode="json")
        return self._change(boards, kind, items)

    def remove(self, stream: str, kind: Kept, name: str) -> tuple[Event, ...]:
        """Remove a zone, line or rule; return the events that end with it. Raises NotFound."""
        boards = self.find(stream, kind, name)
        items = {other: item for other, item in boards.of(kind).items() if other != name}
        kept = self._kept.setdefault(stream, KeptStream()).of(kind)
        kept.pop(name, None)
        if name in self._given(stream, kind):
            kept[name] = None
        return self._change(boards, kind, items)

    def forget(self, stream: str) -> tuple[Event, ...]:
        """Remove all that was set of a stream while the server ran, and what it counted; return the events that end.

        What the settings have is in force again.
        """
        boards = self.of(stream)
        self._kept.pop(stream, None)
        ended: tuple[Event, ...] = ()
        for kind in KINDS:
            ended += boards.change(kind, dict(self._given(stream, kind)))
        self._forgotten += boards.changes + 1
        if boards.empty:
            self._filled.pop(stream, None)
        return ended

    def find(self, stream: str, kind: Kept, name: str) -> Boards:
        """Return the boards that have this zone, line or rule. Raises NotFound."""
        boards = self.of(stream)
        if name not in boards.of(kind):
            there = ", ".join(boards.of(kind)) or "one that was set before"
            raise NotFound(f"no {KINDS[kind].called} named {name[:80]!r} in stream {stream!r}: expected {there}")
        return boards

    async def run(self) -> None:
        """Save what has changed, again and again, until cancelled."""
        while True:
            await asyncio.sleep(SAVE_S)
            await self.save()

    async def save(self) -> None:
        """Save what has changed. Raises ConfigError or Shortage if that fails; it is tried again later."""
        async with self._saving:
            changes = self._forgotten + sum(boards.changes for boards in self._filled.values())
            if changes == self._saved:
                return
            kept = {name: self._kept.get(name, KeptStream()) for name in self._filled}
            copies = {name: {kind: dict(one.of(kind)) for kind in KINDS} for name, one in kept.items()}
            await asyncio.to_thread(self._write, dict(self._filled), copies)
            self._saved = changes

    async def close(self) -> None:
        """Save for the last time."""
        try:
            await self.save()
        except SightlineError as e:
            log.error("the counts of zones, lines and rules are lost: %s", e.message)

    def _given(self, stream: str, kind: Kept) -> Mapping[str, Item]:
        """Return what the settings have."""
        given = self._settings.streams.get(stream)
        found: Mapping[str, Item] = {} if given is None else getattr(given, kind)
        return found

    def _change(self, boards: Boards, kind: Kept, items: Mapping[str, Item]) -> tuple[Event, ...]:
        events = boards.change(kind, items)
        self._keep(boards)
        return events

    def _keep(self, boards: Boards) -> None:
        if not boards.empty or boards.stream in self._kept:
            self._filled[boards.stream] = boards

    def _items(self, stream: str, kind: Kept) -> dict[str, Any]:
        """Return those of the settings, with what was set while the server ran in their place."""
        found: dict[str, Any] = dict(self._given(stream, kind))
        kept = self._kept[stream].of(kind) if stream in self._kept else {}
        for name, one in kept.items():
            found.pop(name, None)
            if one is not None:
                try:
                    found[name] = KINDS[kind].parse(_as_given_today(one))
                except BadSetting as e:
                    what = KINDS[kind].called
                    log.warning("stream %s: %s %s of %s is left out: %s", stream, what, name, self._path, e.message)
        return found

    @property
    def _path(self) -> Path:
        return data_folder(self._settings) / "zones.json"

    def _read(self) -> dict[str, KeptStream]:
        if not self._path.exists():
            return {}
        read = msgspec.json.decode(self._path.read_bytes(), type=dict[str, KeptStream])
        return {check_stream_name(name): one for name, one in read.items()}

    def _write(self, filled: dict[str, Boards], kept: Mapping[str, Mapping[Kept, Any]]) -> None:
        parts = {
            name: {**kept[name], "counts": msgspec.Raw(boards.zones.saved()), "fired": boards.rules.tallies()}
            for name, boards in filled.items()
        }
        files.make_folder(self._path.parent)
        files.write(self._path, msgspec.json.encode(parts))


def _as_given_today(kept: Any) -> Any:
    """Return what was kept with all classes where it has none, as pages called that: it is refused today."""
    return {**kept, "classes": None} if isinstance(kept, dict) and kept.get("classes") == [] else kept
