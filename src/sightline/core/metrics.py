"""Counters: the ledger of a stream, and meters whose memory does not grow."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

WINDOW_S = 3.0


@dataclass(slots=True)
class Ledger:
    """Frame counts of a stream: received = delivered + dropped + failed + in flight, always, exactly.

    ``in_flight`` is not stored here. It is counted where the frames are, so that the equation is a check.
    """

    received: int = 0
    delivered: int = 0
    failed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, other: Ledger) -> None:
        """Count another ledger's frames here too."""
        self.received += other.received
        self.delivered += other.delivered
        self.failed += other.failed
        self.dropped.update(other.dropped)

    @property
    def settled(self) -> int:
        """Number of frames that have had their answer."""
        return self.delivered + self.failed + self.dropped.total()


class Rate:
    """Events per second over the last three seconds, or between the newest two where those are further apart."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=1024)

    def tick(self, now: float | None = None) -> None:
        """Count one event, now. ``now``: ``time.monotonic()``, where that is known already."""
        self._times.append(time.monotonic() if now is None else now)

    def value(self) -> float:
        """Return events a second; 0 when nothing came for the window's length, or three times as long as usual."""
        now = time.monotonic()
        while len(self._times) > 2 and now - self._times[0] > WINDOW_S:
            self._times.popleft()
        if len(self._times) < 2:
            return 0.0
        usual, quiet = self._times[-1] - self._times[-2], now - self._times[-1]
        if quiet > max(WINDOW_S, 3 * usual):
            return 0.0
        if now - self._times[0] > WINDOW_S:
            return 1 / max(usual, quiet)
        return (len(self._times) - 1) / max(now - self._times[0], 1e-3)


class Spread:
    """Distribution of the last 512 values, in milliseconds."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=512)

    def add(self, value: float) -> None:
        """Add a value."""
        self._values.append(value)

    @property
    def last(self) -> float:
        """The newest value; 0 before the first."""
        return self._values[-1] if self._values else 0.0

    def percentiles(self) -> dict[str, float]:
        """Return p50, p95 and p99, rounded to 0.01; zeros before the first value."""
        if not self._values:
            return {"p50": 0.0, "p95": 0.0, "p99": 0.0}
        p50, p95, p99 = np.percentile(np.fromiter(self._values, float), (50, 95, 99))
        return {"p50": round(float(p50), 2), "p95": round(float(p95), 2), "p99": round(float(p99), 2)}


class Smoothed:
    """Exponential moving average of each stage's milliseconds."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}

    def add(self, stages: Mapping[str, float]) -> None:
        """Add one frame's stage times."""
        means = self._means
        for name, ms in stages.items():
            old = means.get(name)
            means[name] = ms if old is None else old + 0.1 * (ms - old)

    def values(self) -> dict[str, float]:
        """Return the means, rounded to 0.01."""
        return {name: round(ms, 2) for name, ms in self._means.items()}


class TokenBucket:
    """Rate limit of ``rate`` events a second, with a burst of ``burst_s`` seconds (at least 2 events)."""

    def __init__(self, rate: float, *, burst_s: float = 0.25) -> None:
        self._rate = rate
        self._burst = max(2.0, rate * burst_s)
        self._tokens = self._burst
        self._at = time.monotonic()

    def take(self, cost: float = 1.0) -> bool:
        """Let one more event pass if it may, and return whether it may. ``cost``: events that it counts as."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True
