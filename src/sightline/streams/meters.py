"""The figures of one stream."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Mapping

from sightline.core.metrics import Ledger, Rate, Smoothed, Spread
from sightline.core.types import Frame, FrameResult
from sightline.streams.minute import Minute

log = logging.getLogger(__name__)

SEEN = 30
"""Newest results that tell what is seen of late."""
SEEN_S = 5.0
"""Age in seconds after which a result no longer tells what is seen of late."""
UNWANTED = frozenset({"unwatched", "adapted"})
"""Reasons of dropped frames whose results nobody wanted."""


class Meters:
    """Ledger, rate, latency and stage times of a stream, its newest frame and result, and a log of its drops."""

    def __init__(self, name: str) -> None:
        self.ledger = Ledger()
        self.reused = 0
        """Delivered frames in which nothing moved: they got an earlier frame's result."""
        self.damaged = 0
        """Received frames of which a part was missing."""
        self.rate = Rate()
        """Results a second."""
        self.arriving = Rate()
        """Frames a second that come."""
        self.latency = Spread()
        """Milliseconds from a frame's arrival to its result's delivery."""
        self.stages = Smoothed()
        """Mean milliseconds of each stage."""
        self.latest: Frame | None = None
        """The newest frame that came, whatever became of it."""
        self.last_result: FrameResult | None = None
        self._part = Minute()
        self._part_since: float | None = None
        self._name = name
        self._seen: deque[tuple[float, Mapping[int, float]]] = deque(maxlen=SEEN)
        self._unlogged: Counter[str] = Counter()
        self._logged_at = time.monotonic()

    @property
    def inferred_by_camera(self) -> bool:
        """Whether the camera's own browser runs the model."""
        return self.last_result is not None and bool(self.last_result.browser)

    def received(self, frame: Frame) -> None:
        """A frame came."""
        self.ledger.received += 1
        self.damaged += frame.damaged
        self.arriving.tick(frame.received_at)
        self.latest = frame
        if self._part_since is None:
            self._part_since = time.monotonic()

    def delivered(self, result: FrameResult) -> None:
        """A frame's result is given out."""
        self.ledger.delivered += 1
        self.reused += result.reused is not None
        now = time.monotonic()
        self.rate.tick(now)
        latency_ms = (now - result.frame.received_at) * 1000
        self.latency.add(latency_ms)
        self._part.see(result, latency_ms)
        self.stages.add(result.stages)
        self.last_result = result
        self._seen.append((result.finished_at, result.seen))

    def dropped(self, reason: str, count: int = 1) -> None:
        """Frames were dropped. What waits for nobody is not worth a line in the log."""
        self.ledger.dropped[reason] += count
        if reason not in UNWANTED:
            self._part.lost += count
        if reason != "unwatched":
            self._unlogged[reason] += count
            self.log_drops()

    def failed(self) -> None:
        """No result could be made of a frame."""
        self.ledger.failed += 1
        self._part.lost += 1

    def lost(self, reason: str, count: int = 1) -> None:
        """Pictures came that never became frames."""
        self.ledger.received += count
        self.dropped(reason, count)

    def take(self) -> Minute:
        """Return what was counted since the last call, and begin anew: where that was nothing, with the next frame."""
        part, now = self._part, time.monotonic()
        part.seconds = 0.0 if self._part_since is None else now - self._part_since
        self._part, self._part_since = Minute(), now if part.counted else None
        return part

    def log_drops(self, *, now: bool = False) -> None:
        """Log what was dropped, at most once a second unless ``now``."""
        at = time.monotonic()
        if self._unlogged and (now or at - self._logged_at >= 1):
            told = ", ".join(f"{n} {reason}" for reason, n in self._unlogged.items())
            log.info("stream %s: dropped %s in %.1f s", self._name, told, at - self._logged_at)
            self._unlogged.clear()
        if not self._unlogged:
            self._logged_at = at

    def seen(self) -> dict[int, float]:
        """Return what was found of late by class id, largest first: mean rows, or mean share of the frame."""
        fresh = [found for at, found in self._seen if time.monotonic() - at < SEEN_S]
        total: dict[int, float] = {}
        for found in fresh:
            for class_id, amount in found.items():
                total[class_id] = total.get(class_id, 0.0) + amount
        most_first = sorted(total, key=lambda class_id: -total[class_id])
        return {class_id: total[class_id] / len(fresh) for class_id in most_first}

    def forget_seen(self) -> None:
        """Another model's classes are not comparable."""
        self._seen.clear()
