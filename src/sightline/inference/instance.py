"""One copy of a model in a place of its own: what it has to do, and how it is brought back when the place dies."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass

from sightline.core.backoff import Backoff
from sightline.core.errors import FAULTS, cancelled, told
from sightline.inference.place import ModelFacts, Place

log = logging.getLogger(__name__)

DEATHS, DEATHS_S = 5, 60.0
"""Deaths of a place within so many seconds after which it is not loaded again at once."""
DEAD_S = 3.0
"""Time after which a place that does not live is spoken of."""
SPAN_S = 0.004
"""Time for which a place gets frames in one go where they take less: each hand-over costs some 0.1 ms."""


@dataclass(slots=True)
class Work:
    """Frames, and the seconds that they took."""

    frames: int = 0
    seconds: float = 0.0

    def add(self, frames: int, seconds: float) -> None:
        """Add more of it."""
        self.frames += frames
        self.seconds += seconds


class Instance:
    """One copy of a model."""

    def __init__(self, number: int, place: Place) -> None:
        self.number = number
        self.place = place
        self.batches = 0
        """Batches that the place has."""
        self.busy_since: float | None = None
        """When the place began to work, or last gave a batch back: ``time.monotonic()``."""
        self.full = False
        """Whether the next batch lay ready when the place last gave one back, so that it did not wait."""
        self.gone: set[str] = set()
        """Streams that the model has to forget before its next frame."""
        self.retired = False
        """True once others take over: it gets no more batches."""
        self.restarts = 0
        """Times that its place died and was loaded again."""
        self._frame_s = 1.0
        """Seconds that a frame that was inferred took of late."""
        self._reviving = asyncio.Lock()
        self._dead_since: float | None = None
        self._deaths: deque[float] = deque(maxlen=DEATHS + 1)
        self._dies_often = False
        self._backoff = Backoff(1, 30)

    @property
    def idle(self) -> bool:
        """Whether it could begin a batch at once."""
        return self.batches == 0 and self.place.dead is None

    @property
    def dead(self) -> str | None:
        """Why it does not live, where that has been so for a while or is so again and again; else None."""
        since = self._dead_since
        long = since is not None and (self._dies_often or time.monotonic() - since > DEAD_S)
        return self.place.dead if long else None

    def begin(self) -> None:
        """The place gets a batch."""
        self.batches += 1
        if self.batches == 1:
            self.busy_since = time.monotonic()

    @property
    def in_one_go(self) -> int:
        """Frames that take so little time together that they may be handed over in one go."""
        return int(SPAN_S / self._frame_s)

    def learn(self, worked: float, inferred: int) -> None:
        """A batch took so long. Frames that got an earlier result tell nothing: the next ones may be inferred."""
        if inferred:
            more = worked / inferred - self._frame_s
            # Slowly up: on a busy machine many a batch waits for the processor, which says nothing of the model.
            self._frame_s += more * (0.1 if more > 0 else 0.5)

    def end(self) -> float:
        """The place gave a batch back. Returns the seconds that it worked since it last did, or began to."""
        assert self.busy_since is not None, "a batch has begun"
        now = time.monotonic()
        worked = now - self.busy_since
        self.batches -= 1
        self.busy_since = now if self.batches else None
        self.full = self.batches > 0
        return worked

    async def alive(self, model: ModelFacts) -> bool:
        """Wait until the place lives; whoever comes first has it loaded again. Returns whether it had died."""
        if self.place.dead is None:
            return False
        async with self._reviving:
            if self.place.dead is not None:
                await self._revive(model, self.place.dead)
        return True

    async def _revive(self, model: ModelFacts, why: str) -> None:
        """Have the place again: by itself where it was only late, else loaded anew."""
        self._dead_since = begun = time.monotonic()
        if not await self.place.back():
            await self._load_again(model, why)
        self._dead_since = None
        log.info("model %s is back after %.1f s", model.card.name, time.monotonic() - begun)

    async def _load_again(self, model: ModelFacts, why: str) -> None:
        """Load the model again: at once, and ever later where the place dies again and again."""
        while self.place.dead is not None:
            now = time.monotonic()
            self._deaths.append(now)
            self._dies_often = len(self._deaths) > DEATHS and now - self._deaths[0] < DEATHS_S
            wait_s = self._backoff.wait_s() if self._dies_often else 0
            when = f" in {wait_s:.0f} s" if wait_s else ""
            log.error("model %s: %s; it is started again%s", model.card.name, why, when)
            await asyncio.sleep(wait_s)
            self.restarts += 1
            try:
                await self.place.load(model)
            except FAULTS as e:
                if cancelled(e):
                    raise
                why = told(e)
            if not self._dies_often:
                self._backoff.reset()
