"""How many replicas a model has in a cluster: by the share of the time in which they are busy."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from sightline.core.backoff import Backoff
from sightline.core.errors import FAULTS, cancelled, told
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
AGAIN_S = 5.0, 60.0
"""Time after which replicas that could not be had are tried again: at first, and at most."""
SETTLE_S = 2.0
"""Time in which the cluster tells of the room that a replica left which could not be had."""


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
        self.coming = 0
        """Replicas that are being started."""
        self.trouble = ""
        """Why no more could be had; empty while nobody needs more."""
        self._backoff = Backoff(*AGAIN_S)
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
        if count <= len(all_of_them):
            self.trouble = ""
        if len(stay) < len(all_of_them):  # first another one is there, then that one goes
            return stay, max(0, count - len(stay))
        stay.sort(key=lambda one: one.place.dead is not None)
        return stay[:count], max(0, count - len(all_of_them))

    @contextlib.contextmanager
    def starting(self, count: int) -> Iterator[None]:
        """So many replicas are being started meanwhile. What goes wrong becomes ``trouble``."""
        self.coming = count
        try:
            yield
        except FAULTS as e:
            if not cancelled(e):
                self.trouble = told(e)
            raise
        else:
            self.trouble = ""
            self._backoff.reset()
        finally:
            self.coming = 0

    async def until_again(self, machines: Callable[[], Sequence[Machine]]) -> None:
        """Wait before the next try: ever longer, and no longer than until a machine has more room or is drained."""
        await asyncio.sleep(SETTLE_S)
        before = {one.node: one for one in machines()}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._backoff.wait_s()):
                while not any(_differs(one, before.get(one.node)) for one in machines()):  # noqa: ASYNC110 - told
                    await asyncio.sleep(LOOK_S / 4)

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


def _differs(now: Machine, before: Machine | None) -> bool:
    """Whether a machine came, has more room than before, or is to leave."""
    if before is None:
        return True
    more = now.cpus_free > before.cpus_free or now.gpus_free > before.gpus_free
    return more or (now.leaving and not before.leaving)
