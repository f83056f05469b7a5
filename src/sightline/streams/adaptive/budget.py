"""Shares out what a model gets done, max-min fair: who wants less leaves the rest to the others. No clock in here.

All streams of a model have one rate in common, so equal streams are asked for equally much, whoever came first.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from sightline.inference.instance import Work

SHARED_OUT = 0.9
"""Share of what the model gets done that is shared out. Pictures of several streams that come at once need the rest."""
SLACK = 0.08
"""Change of what the model gets done, in shares of it, from which the rate follows."""
CALM_S = 1.0
"""Seconds for which there has to be more before the rate goes up."""
WINDOW_S = 3.0
"""Seconds over which it is measured what the model gets done, longer where it had less than ``ENOUGH`` results."""
ENOUGH = 5
"""Results from which on that is known."""


@dataclass(frozen=True, slots=True)
class Want:
    """A stream that wants results."""

    fps: float
    """As many results a second as it can use."""
    weight: float = 1.0
    """Its share, measured in others'."""


def fair_rate(wants: Sequence[Want], capacity: float) -> float:
    """Return the results a second, for each unit of weight, that each may have at most; infinity where all get all.

    ``capacity``: results a second of all together.
    """
    ordered = sorted(wants, key=lambda want: want.fps / want.weight)
    weights = [0.0]
    for want in reversed(ordered):
        weights.append(weights[-1] + want.weight)
    for want in ordered:
        rate = capacity / weights.pop()
        if want.fps / want.weight > rate:
            return rate
        capacity -= want.fps
    return math.inf


class _Pace:
    """Frames in a second of work: of late, or when there was work last."""

    def __init__(self) -> None:
        self.value = 0.0
        self._seen: deque[tuple[float, int, float]] = deque(maxlen=256)
        """At some times: the frames and the seconds of work until then."""

    def note(self, now: float, work: Work) -> None:
        seen = self._seen
        seen.append((now, work.frames, work.seconds))
        while len(seen) > 2 and now - seen[1][0] >= WINDOW_S and work.frames - seen[1][1] >= ENOUGH:
            seen.popleft()
        frames, seconds = work.frames - seen[0][1], work.seconds - seen[0][2]
        if frames >= ENOUGH and seconds > 0:
            self.value = frames / seconds


class Budget:
    """The budget of one model. ``rate`` is what each of its streams may have for each unit of weight."""

    def __init__(self) -> None:
        self.rate = math.inf
        """Results a second; infinity where there is enough for all."""
        self.reason = ""
        """Why it is not infinity, in words."""
        self.since = 0.0
        """When the rate last changed."""
        self._pace, self._full_pace = _Pace(), _Pace()
        self._instances = 0
        self._more_since: float | None = None

    @property
    def capacity(self) -> float:
        """Results a second that the model can give; 0 until known.

        A model that waits for each frame seems slower than it is, the more so on a busy machine.
        """
        return max(self._pace.value, self._full_pace.value)

    def worked(self, now: float, work: Work, full_work: Work, instances: int = 1) -> None:
        """Note how much the model has worked so far, and how much of that without waiting for a frame.

        What was measured with another number of instances is forgotten: until more is known there is enough for all.
        """
        if instances != self._instances:
            self._instances, self._more_since = instances, None
            self._pace, self._full_pace, self.rate = _Pace(), _Pace(), math.inf
        self._pace.note(now, work)
        self._full_pace.note(now, full_work)

    def share(self, now: float, wants: Sequence[Want]) -> None:
        """Set the rate by what is wanted: down at once, up once there has been more for a while."""
        if self.capacity == 0:
            return
        full = SHARED_OUT * self.capacity
        if fair_rate(wants, full / (1 + SLACK)) <= self.rate:
            self._more_since = None
        elif self._more_since is None:
            self._more_since = now
        less = fair_rate(wants, full * (1 + SLACK)) < self.rate
        more = self._more_since is not None and now - self._more_since >= CALM_S
        if less or more:
            self.rate, self.since, self._more_since = fair_rate(wants, full), now, None
            pictures = f"{self.capacity:.0f} pictures a second"
            shared = f"{len(wants)} streams share the model, which does {pictures}"
            self.reason = shared if len(wants) > 1 else f"the model does {pictures}"
