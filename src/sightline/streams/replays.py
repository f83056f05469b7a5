"""Replays: recordings that a model looks at again in the background, one at a time, behind all live streams."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from sightline.analytics.base import Pipeline
from sightline.core.errors import FAULTS, LimitReached, NotFound, SourceError, cancelled, told
from sightline.core.events import EventFilter, EventRecord
from sightline.core.nice import step_back
from sightline.core.types import Frame, FrameResult
from sightline.inference.key import ModelKey
from sightline.inference.place import InferenceOptions
from sightline.recordings.replay.comparison import MOST_EVENTS, ReplayComparison, lines_of
from sightline.recordings.replay.report import ReplayReport
from sightline.recordings.shelf import FOLDER
from sightline.recordings.source import RecordedSpan, RecordingSource
from sightline.settings.stream import Tracking
from sightline.sources.base import Shot
from sightline.streams.boards import Boards
from sightline.streams.hub import Hub
from sightline.streams.predictor import Predictor

log = logging.getLogger(__name__)

MOST_S = 3600.0
"""Seconds of a recording that are looked at."""
MOST_KEPT = 4
"""Replays that are kept, until the server ends; older ones go for a new one."""

ReplayState = Literal["running", "done", "failed", "cancelled"]


class ReplayWish(NamedTuple):
    """What to look at, and how."""

    stream: str
    start: float
    """Seconds since 1970, as ``end``."""
    end: float
    model: str | None = None
    """None for the stream's."""
    confidence: float | None = None


class _Look:
    """What is read and written in a thread."""

    def __init__(self, wish: ReplayWish, root: Path) -> None:
        """Raises NotFound where nothing is recorded."""
        self.span = RecordedSpan(wish.stream, wish.start, min(wish.end, time.time()))
        try:
            self._shots = iter(RecordingSource(self.span, root))
        except SourceError as e:
            raise NotFound(e.message) from None
        self.comparison = ReplayComparison(lines_of(root / wish.stream, self.span.start, self.span.end))

    def next(self, result: FrameResult | None) -> Shot | None:
        """Take in the result of the last picture, and return the next one; None at the end."""
        if result is not None:
            self.comparison.add(result.frame.captured_at, result)
        return next(self._shots, None)

    def share(self, at: float) -> float:
        """Return how much of the time is over, 0 to 1."""
        return min(max((at - self.span.start) / max(self.span.end - self.span.start, 1e-3), 0.0), 0.99)

    def report(self, then: Sequence[EventRecord], boards: Boards) -> ReplayReport:
        """Return the outcome."""
        return self.comparison.report(self.span.stream, (self.span.start, self.span.end), then, boards.zones.counted())


@dataclass(slots=True)
class Replay:
    """A recording that is looked at again, or was."""

    id: str
    wish: ReplayWish
    model: str
    confidence: float
    made_at: float
    state: ReplayState = "running"
    progress: float = 0.0
    """0 to 1."""
    why: str = ""
    """Why it failed."""
    outcome: ReplayReport | None = None


class _Order(NamedTuple):
    replay: Replay
    look: _Look
    key: ModelKey
    asked: InferenceOptions


class Replays:
    """All replays of a server. On the event loop only."""

    def __init__(self, hub: Hub, predictor: Predictor) -> None:
        self._hub, self._predictor = hub, predictor
        self._known: dict[str, Replay] = {}
        self._next: _Order | None = None
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="replay", initializer=step_back)

    def __iter__(self) -> Iterator[Replay]:
        """Newest first."""
        return reversed(self._known.values())

    def get(self, id: str) -> Replay:
        """Return one. Raises NotFound."""
        if id not in self._known:
            raise NotFound(f"there is no replay {id[:40]!r}: it was deleted, or others came after it")
        return self._known[id]

    async def add(self, wish: ReplayWish) -> Replay:
        """Begin one. Raises NotFound where nothing is recorded, BadSetting for a model that can't be had, or
        LimitReached while another is under way."""
        key, asked = self._asked(wish)
        root = self._hub.cameras.data_folder() / FOLDER
        self._check_free()
        look = await asyncio.to_thread(_Look, wish, root)
        self._check_free()
        one = Replay(secrets.token_hex(8), wish, key.name, asked.options.confidence, time.time())
        for old in list(self._known)[: 1 - MOST_KEPT]:
            del self._known[old]
        self._known[one.id] = one
        self._next = _Order(one, look, key, asked)
        self._work.set()
        return one

    def _check_free(self) -> None:
        if any(one.state == "running" for one in self):
            raise LimitReached("a replay is under way: expected one at a time, so try again when that is done")

    def remove(self, replay: Replay) -> None:
        """Forget one, which is looked at no further."""
        self._known.pop(replay.id, None)
        if replay.state == "running":
            replay.state = "cancelled"
            if self._task is not None:
                self._task.cancel()

    async def run(self) -> None:
        """Look at what is asked for, until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            order, self._next = self._next, None
            if order is not None and order.replay.state == "running":
                async with asyncio.TaskGroup() as group:
                    self._task = group.create_task(self._guarded(order))
                self._task = None

    async def close(self) -> None:
        """Let go of the thread."""
        await asyncio.to_thread(self._pool.shutdown)

    def _asked(self, wish: ReplayWish) -> tuple[ModelKey, InferenceOptions]:
        """Return the stream's model and what it asks of it, but for what is wished otherwise. Raises BadSetting."""
        switch = self._hub.model_switch
        key, asked = switch.asked(wish.stream, self._hub.streams.get(wish.stream))
        if wish.model is not None and wish.model != key.name:
            key, asked = switch.offers.key({"model": wish.model}), replace(asked, shown=None)
        if wish.confidence is not None:
            asked = replace(asked, options=replace(asked.options, confidence=wish.confidence))
        return key, asked

    async def _guarded(self, order: _Order) -> None:
        one = order.replay
        try:
            one.outcome = await self._outcome(order)
            one.state, one.progress = "done", 1.0
        except FAULTS as e:
            if cancelled(e):
                raise
            one.state, one.why = "failed", told(e)
            log.warning("the replay of stream %s failed: %s", one.wish.stream, one.why)

    async def _outcome(self, order: _Order) -> ReplayReport:
        stream, look = order.replay.wish.stream, order.look
        in_thread = partial(asyncio.get_running_loop().run_in_executor, self._pool)
        boards = self._boards(stream)
        pipeline = self._pipeline(stream, boards)
        async with self._predictor.following(order.key, order.asked) as follow:
            shot, seq = await in_thread(look.next, None), 0
            while shot is not None:
                at = shot.timestamp if shot.at is None else shot.at
                frame = Frame(f"replay of {stream}", seq, at, time.monotonic(), shot.image, damaged=shot.damaged)
                result = await follow(frame, pipeline)
                order.replay.progress, seq = look.share(at), seq + 1
                shot = await in_thread(look.next, result)
        look.comparison.tell(pipeline.finish("the recording is at its end"))
        return await in_thread(look.report, await self._then(stream, look), boards)

    async def _then(self, stream: str, look: _Look) -> list[EventRecord]:
        journal = self._hub.journal
        if journal is None:
            return []
        wanted = EventFilter(stream=stream)
        found = await journal.search(wanted, MOST_EVENTS, since=look.span.start, until=look.span.end)
        return [one.record for one in found]

    def _boards(self, stream: str) -> Boards:
        """Return new boards with the zones, lines and rules as they are now."""
        own = self._hub.boards.of(stream)
        return Boards.dated(stream, own.zones.zones, own.zones.lines, own.rules.rules)

    def _pipeline(self, stream: str, boards: Boards) -> Pipeline:
        live, given = self._hub.streams.get(stream), self._hub.settings.streams.get(stream)
        tracking = live.tracking if live is not None else given or Tracking()
        names = (*tracking.with_tracks(() if given is None else given.stages), "zones", "rules")
        return Pipeline.of(dict.fromkeys(names), tracking.stage_options(itertools.count(1)) | boards.options)
