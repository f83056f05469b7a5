"""How many replicas a model has in a cluster: by the share of the time in which they are busy."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sightline.inference.instance import Instance
from sightline.inference.places.ray import RayPlace
from sightline.inference.places.ray_messages import Machine
from sightline.inference.worker import ModelWorker
from sightline.settings.settings import Settings

LOOK_S = 2.0
"""Time over which it is measured how busy they are."""
BUSY = 0.85
"""Share of the time that replicas work, above which there is one more."""
ENOUGH = 0.6
"""Share of the time that one fewer would work, below which there is one fewer after a while."""
FEWER_S = 30.0


class Scale:
    """The replicas of one model. Asked again and again."""

    def __init__(self, settings: Settings) -> None:
        cluster = settings.cluster
        self.least = settings.workers or cluster.replicas_min
        """Replicas at least; 0 lets it go where no stream has frames."""
        self.most = settings.workers or max(cluster.replicas_max, self.least)
        """Replicas at most."""
        self.share = 0.0
        """Share of the time that they worked of late."""
        self._grace_s = settings.model_grace
        self._looked: tuple[float, float] | None = None
        self._fewer_since: float | None = None
        self._needed_at = time.monotonic()

    def wanted(self, worker: ModelWorker, machines: Sequence[Machine]) -> tuple[list[Instance], int]:
        """Return the replicas that stay, and how many are to come. Those on a machine that is drained go."""
        now = time.monotonic()
        leaving = {one.node for one in machines if one.leaving}
        all_of_them = [one for one, _ in worker.replicas]
        stay = [one for one in all_of_them if not (isinstance(one.place, RayPlace) and one.place.node in leaving)]
        count = self._count(worker, now)
        if len(stay) < len(all_of_them):  # first another one is there, then that one goes
            return stay, max(0, count - len(stay))
        stay.sort(key=lambda one: one.place.dead is not None)
        return stay[:count], max(0, count - len(all_of_them))

    def _count(self, worker: ModelWorker, now: float) -> int:
        streams, have = worker.streams(), worker.instances
        if streams:
            self._needed_at = now
        if not have:
            self._looked = None
            return max(self.least, 1) if streams else 0
        if self.least == 0 and now - self._needed_at > self._grace_s:
            return 0
        self._look(worker, now)
        most = min(self.most, max(streams, 1, self.least))  # a stream has one frame under way
        if self.share > BUSY and have < most:
            self.share, self._looked = 0.0, None  # measured anew with one more
            return have + 1
        if have > max(1, self.least) and (have > self.most or have * self.share < ENOUGH * (have - 1)):
            self._fewer_since = self._fewer_since or now
            if now - self._fewer_since > FEWER_S:
                self._fewer_since = None
                return have - 1
        else:
            self._fewer_since = None
        return max(have, self.least)

    def _look(self, worker: ModelWorker, now: float) -> None:
        at, worked = self._looked or (now, worker.work.seconds)
        if now - at >= LOOK_S:
            self.share = (worker.work.seconds - worked) / (now - at)
        if self._looked is None or now - at >= LOOK_S:
            self._looked = now, worker.work.seconds
