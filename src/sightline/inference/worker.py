"""Runs a model over all streams, in one place or several: at most one frame of each ready stream, round robin.

While the model is busy the streams' slots fill, so batches form by themselves: there is no timer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from zlib import crc32

from sightline.core.errors import FAULTS, ModelError, SightlineError, cancelled, told
from sightline.core.types import Frame, FrameResult
from sightline.inference.feed import Feed
from sightline.inference.instance import Instance, Work
from sightline.inference.place import Failure, LostReplica, ModelFacts, NotBegun, Outcome, Place, Request
from sightline.inference.resting import Rest

log = logging.getLogger(__name__)

STUCK_S = 30.0
"""Time without an answer after which a model counts as dead."""
STARVED_S = 0.5
"""Waiting time after which a stream comes before all priorities."""
AHEAD = 2
"""Batches that a place has at most: one in work, and one that lies ready for it."""
LATELY_S = 5.0
"""Time without a frame after which a stream does not count."""
FAILURES = 5
"""Consecutive frames that fail after which the worker reports unready, until one succeeds."""


class ModelWorker:
    """Loads a model off the serving path, then processes what the feeds have ready.

    All instances take from one set of ready feeds. A feed is with at most one of them at a time, so its results come
    in order; where a model remembers, it is always the same one.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.model: ModelFacts | None = None
        """The model, once all places have loaded it."""
        self.error: SightlineError | None = None
        """Why the model could not be loaded."""
        self.feeds: set[Feed] = set()
        """The streams that have this model."""
        self.left_at = time.monotonic()
        """Time at which the last stream left, or the worker was made: ``time.monotonic()``."""
        self.settled = asyncio.Event()
        """Set once loading has ended, well or not."""
        self.work = Work()
        """All that it has worked; the seconds of several instances are their mean."""
        self.full_work = Work()
        """The part of it in which the next frames lay ready: without the waiting in between."""
        self._instances = [Instance(n, place) for n, place in enumerate(places)]
        self._ready: dict[Feed, float] = {}
        """Feeds that wait, oldest first, each with the time since which it waits."""
        self._in_work: set[Feed] = set()
        self._turn = 0
        self._turns: dict[Feed, int] = {}
        """Number of each feed's last turn."""
        self._took: dict[Feed, Instance] = {}
        """The instance that had each feed's last turn, and so knows what its scene looks like."""
        self._again: dict[Feed, Frame] = {}
        """The last frame of each feed that was tried once more."""
        self._rest = Rest()
        self._lately: dict[Feed, float] = {}
        """When each feed last had a frame."""
        self._past_restarts = 0
        self._lanes: asyncio.TaskGroup | None = None
        self._failures = 0
        self._last_failure = ""

    @property
    def model_name(self) -> str:
        """The model's name; empty until it is loaded."""
        return "" if self.model is None else self.model.card.name

    @property
    def own_bytes(self) -> int:
        """Memory that the places take apart from this process."""
        return sum(instance.place.own_bytes for instance in self._instances)

    @property
    def processes(self) -> list[int]:
        """Numbers of the processes that the model has for itself."""
        return [instance.place.pid for instance in self._instances if instance.place.pid is not None]

    @property
    def failure(self) -> str | None:
        """Why the model could not be loaded, in words."""
        return None if self.error is None else self.error.message

    @property
    def stuck(self) -> bool:
        """True if the model counts as dead."""
        since = time.monotonic() - STUCK_S
        return any(i.busy_since is not None and i.busy_since < since for i in self._instances)

    @property
    def unready(self) -> str | None:
        """Why no results come, or None while all is well."""
        if self.error is not None:
            return f"the model failed to load: {self.failure}"
        if self.model is None:
            return "the model is loading"
        if self.stuck:
            return f"the model has not answered for {STUCK_S:.0f} s"
        dead = [instance.dead for instance in self._instances]
        if dead and all(dead):
            return f"{dead[0]}; it is started again"
        if self._ready and not self._in_work and time.monotonic() - next(iter(self._ready.values())) > STUCK_S:
            return f"frames have waited for {STUCK_S:.0f} s"
        if self._failures >= FAILURES:
            return f"the model failed on the last {self._failures} frames: {self._last_failure}"
        return None

    @property
    def restarts(self) -> int:
        """Times that a place died and was loaded again."""
        return self._past_restarts + sum(instance.restarts for instance in self._instances)

    @property
    def instances(self) -> int:
        """Copies of the model that share its streams."""
        return len(self._instances)

    @property
    def replicas(self) -> list[tuple[Instance, list[str]]]:
        """Those copies, and the streams whose last frame each of them had."""
        return [(one, sorted(f.name for f, had in self._took.items() if had is one)) for one in self._instances]

    def streams(self) -> int:
        """Streams that had frames of late, or have one that waits."""
        now = time.monotonic()
        self._lately = {feed: at for feed, at in self._lately.items() if now - at < LATELY_S or feed in self._ready}
        return len(self._lately)

    # The feeds' side

    def join(self, feed: Feed, since: float | None = None) -> None:
        """A feed has this model from now on. ``since``: when its waiting frame came; None where none waits."""
        self.feeds.add(feed)
        if since is not None:
            self.wake(feed, since)

    def leave(self, feed: Feed) -> float | None:
        """A feed has this model no longer. Returns when its waiting frame came, None where none waits."""
        self.feeds.discard(feed)
        self._lately.pop(feed, None)
        self._turns.pop(feed, None)
        self._took.pop(feed, None)
        self._again.pop(feed, None)
        self.left_at = time.monotonic()
        self.forget(feed.name)
        return self._ready.pop(feed, None)

    def wake(self, feed: Feed, since: float | None = None) -> None:
        """A feed has a frame. ``since``: when it came, if not now."""
        now = time.monotonic()
        self._ready[feed] = since or now
        self._lately[feed] = now
        if self.model is not None and self.model.remembers:  # only one instance may take it
            self._rest.wake_all()
        else:
            self._rest.wake_one(self._took.get(feed))

    def forget(self, name: str) -> None:
        """A stream's publisher left: the model forgets the stream before its next frame."""
        for instance in self._instances:
            instance.gone.add(name)
        self._rest.wake_all()

    # Life

    async def run(self) -> None:
        """Load the model, then work until cancelled."""
        try:
            await self.load()
            if self.error is None:
                await self.serve()
        finally:
            self.close()

    async def load(self) -> None:
        """Load the model; ``error`` says where that failed, and it may be tried again. ``close`` has to follow."""
        begun = time.monotonic()
        try:
            model = await self._instances[0].place.load()
            for instance in self._instances[1:]:  # in turn: each takes all cores
                await instance.place.load(model)
        except SightlineError as e:
            self.error = e
        except FAULTS as e:  # the server says why, whatever an engine raised
            if cancelled(e):
                raise
            self.error = ModelError(f"{type(e).__name__}: {e}")
        else:
            self.model, self.error = model, None
            log.info("model %s is ready after %.1f s", self.model_name, time.monotonic() - begun)
        finally:
            self.settled.set()

    def fail(self, error: SightlineError) -> None:
        """There will be no model."""
        self.error = error
        self.settled.set()

    async def serve(self) -> None:
        """Work until cancelled."""
        assert self.model is not None
        try:
            async with asyncio.TaskGroup() as self._lanes:
                self._begin(self._instances)
                await asyncio.Event().wait()  # also while there are no instances
        finally:
            self._lanes = None

    async def resize(self, places: Sequence[Place], keep: Sequence[Instance] = ()) -> None:
        """Have these places from now on, once they have loaded the model. Those before finish what they have.

        ``keep``: those that stay. Raises what loading raises; then everything stays as it was.
        """
        new = [Instance(number, place) for number, place in enumerate(places, len(keep))]
        try:
            for instance in new:
                await instance.place.load(self.model)
            assert self._lanes is not None, "it is serving"
        except BaseException:
            await _ended(new)
            raise
        old = [instance for instance in self._instances if instance not in keep]
        self._instances = [*keep, *new]
        for number, instance in enumerate(self._instances):
            instance.number = number
        self._took = {feed: had for feed, had in self._took.items() if had in keep}
        self._past_restarts += sum(instance.restarts for instance in old)
        for instance in old:
            instance.retired = True
        self._begin(new)
        try:
            while any(instance.batches for instance in old):  # noqa: ASYNC110 - a batch takes milliseconds
                await asyncio.sleep(0.01)
        finally:
            await _ended(old)

    def _begin(self, instances: Sequence[Instance]) -> None:
        assert self._lanes is not None
        assert self.model is not None
        for instance in instances:
            instance.place.on_death = self._rest.wake_all
            for _ in range(AHEAD):
                self._lanes.create_task(self._serve(instance, self.model))
        self._rest.wake_all()

    def close(self) -> None:
        """Give back what waits, and, in its own time, the model's memory."""
        for feed in self._ready:
            if (request := feed.take()) is not None:
                feed.give_back(request.frame)
        self._ready.clear()
        for instance in self._instances:
            instance.place.close()

    async def gone(self) -> None:
        """Wait, after ``close``, until the model's memory is given back, and let go of it."""
        self.model = None
        await asyncio.gather(*(instance.place.closed() for instance in self._instances))

    # Work

    async def _serve(self, instance: Instance, model: ModelFacts) -> None:
        while not instance.retired:
            if await instance.alive(model):
                self._failures = 0
            batch = self._collect(instance, model)
            gone, instance.gone = instance.gone, set()
            if not batch and not gone:
                await self._rest.woken(instance)
                continue
            if self._ready:  # others may take these
                self._rest.wake_one()
            instance.begin()
            try:
                outcomes = await self._run(instance, model, [request for _, request in batch], gone)
            except asyncio.CancelledError:
                for feed, request in batch:
                    feed.give_back(request.frame)
                raise
            finally:
                worked = self._note(instance, len(batch))
                self._in_work.difference_update(feed for feed, _ in batch)
            if outcomes is None:
                self._try_again(batch, instance.place.dead or "its place is out")
                continue
            instance.learn(worked, sum(isinstance(one, FrameResult) and one.reused is None for one in outcomes))
            for (feed, _), outcome in zip(batch, outcomes, strict=True):
                self._settle(feed, outcome)

    def _try_again(self, batch: Sequence[tuple[Feed, Request]], why: str) -> None:
        """Frames of a replica that is out wait again, each once, where no newer ones do."""
        for feed, request in batch:
            once = self._again.get(feed) is not request.frame
            if once and feed.put_back(request.frame):
                self._again[feed] = request.frame
            else:
                self._settle(feed, Failure(request.frame, why))

    async def _run(
        self, instance: Instance, model: ModelFacts, requests: list[Request], gone: set[str]
    ) -> list[Outcome] | None:
        """Have the place run the batch. Whatever it raises instead fails the batch, and nothing else.

        None where the place is out, and others may have the frames.
        """
        try:
            try:
                outcomes = await instance.place.run(requests, gone=gone)
            except NotBegun:
                await instance.alive(model)
                outcomes = await instance.place.run(requests)
            if len(outcomes) != len(requests):
                raise ModelError(f"{len(outcomes)} outcomes: expected {len(requests)}")
        except LostReplica:
            return None
        except FAULTS as e:
            if cancelled(e):
                raise
            if instance.place.dead is None:
                log.exception("model %s: a batch of %d failed", model.card.name, len(requests))
            return [Failure(request.frame, told(e)) for request in requests]
        return outcomes

    def _collect(self, instance: Instance, model: ModelFacts) -> list[tuple[Feed, Request]]:
        """Take at most one frame of each feed. Who is at work leaves them to those who are not."""
        batch: list[tuple[Feed, Request]] = []
        if instance.batches and not model.remembers and any(other.idle for other in self._instances):
            self._rest.wake_idle()
            return batch
        for feed in self._candidates(instance, model):
            if len(batch) >= max(model.max_batch, instance.in_one_go):
                break
            del self._ready[feed]
            if (request := feed.take()) is not None:
                self._turn += 1
                self._turns[feed] = self._turn
                self._took[feed] = instance
                self._in_work.add(feed)
                batch.append((feed, request))
        return batch

    def _candidates(self, instance: Instance, model: ModelFacts) -> list[Feed]:
        """Feeds that an instance may take: by priority, then by the last turn; but first who waits for long.

        By time of waiting those would come first whose next frame happens to come sooner.
        """
        mine = [feed for feed in self._ready if feed not in self._in_work and self._may_take(instance, model, feed)]
        if len(mine) > 1:
            since = time.monotonic() - STARVED_S
            mine.sort(key=lambda feed: (*self._rank(feed, since), self._turns.get(feed, 0)))
        return mine

    def _rank(self, feed: Feed, since: float) -> tuple[int, int]:
        return (0, 0) if self._ready[feed] < since else (1, -feed.priority)

    def _may_take(self, instance: Instance, model: ModelFacts, feed: Feed) -> bool:
        """A model that remembers must see all of a stream."""
        return not model.remembers or crc32(feed.name.encode()) % len(self._instances) == instance.number

    def _note(self, instance: Instance, frames: int) -> float:
        """Note that an instance gave a batch back. Returns the seconds that it worked."""
        full = instance.full
        worked = instance.end()
        self.work.add(frames, worked / max(1, len(self._instances)))
        if full:
            self.full_work.add(frames, worked / max(1, len(self._instances)))
        return worked

    def _settle(self, feed: Feed, outcome: Outcome) -> None:
        if isinstance(outcome, FrameResult):
            self._failures = 0
            feed.deliver(outcome)
            return
        self._failures += 1
        self._last_failure = outcome.message
        if self._failures in (1, FAILURES):
            log.warning("stream %s: frame %d failed: %s", feed.name, outcome.frame.seq, outcome.message)
        feed.fail(outcome.frame, outcome.message)


async def _ended(instances: Sequence[Instance]) -> None:
    for instance in instances:
        instance.place.close()
    await asyncio.gather(*(instance.place.closed() for instance in instances))
