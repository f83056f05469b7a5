"""A replica that is out loses no frame: each waits again once, if no newer one does, and the books are exact."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence, Set
from contextlib import asynccontextmanager

from sightline.core.predictions import Detections
from sightline.core.types import FrameResult, ModelCard
from sightline.inference.place import LostReplica, ModelFacts, Outcome, Request
from sightline.inference.worker import ModelWorker
from sightline.streams.stream import Stream
from support.streams import Recorder, picture_of, until

CARD = ModelCard("made", "made", "detect", ("thing",), None, "-", "-")


class OutPlace:
    """Is out for the first frames, and then answers."""

    dead: str | None = None
    on_death: Callable[[], None] | None = None
    own_bytes = 0
    pid: int | None = None

    def __init__(self, losses: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.losses, self.meanwhile = losses, meanwhile
        self.seen: list[int] = []

    async def load(self, like: ModelFacts | None = None) -> ModelFacts:
        self.dead = None
        return ModelFacts(CARD, None, None, None, None, 1, False, False)

    async def back(self) -> bool:
        return False

    async def run(self, requests: Sequence[Request], *, gone: Set[str] = frozenset()) -> list[Outcome]:
        self.seen += [request.frame.seq for request in requests]
        if self.losses:
            self.losses -= 1
            self.meanwhile()
            self.dead = "it is out"
            raise LostReplica("it is out")
        now = time.monotonic()
        return [FrameResult(r.frame, Detections.empty(), CARD, (), (), None, {}, 0.0, now) for r in requests]

    def close(self) -> None:
        self.dead = "closed"

    async def closed(self) -> None:
        return


@asynccontextmanager
async def stream_on(*places: OutPlace) -> AsyncGenerator[Stream]:
    worker = ModelWorker(places)
    stream = Stream("door", worker)
    stream.start(Recorder())
    await worker.load()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(worker.serve())
        await asyncio.sleep(0)
        yield stream
        serving.cancel()


async def test_a_frame_has_a_second_try_and_no_third() -> None:
    place = OutPlace(3)
    async with stream_on(place) as stream:
        stream.put(picture_of(1, "door"))
        await until(lambda: stream.meters.ledger.failed == 1)
        stream.put(picture_of(2, "door"))
        await until(lambda: stream.meters.ledger.delivered == 1)
        assert place.seen == [1, 1, 2, 2]
        assert (stream.meters.ledger.received, stream.in_flight) == (2, 0)


async def test_a_newer_frame_wins() -> None:
    place = OutPlace(1, lambda: stream.put(picture_of(2, "door")))
    async with stream_on(place) as stream:
        stream.put(picture_of(1, "door"))
        await until(lambda: stream.meters.ledger.delivered == 1)
        assert place.seen == [1, 2]
        assert (stream.meters.ledger.received, stream.meters.ledger.failed, stream.in_flight) == (2, 1, 0)


async def test_a_frame_whose_camera_left_has_no_second_try() -> None:
    place = OutPlace(1, lambda: stream.end())
    async with stream_on(place) as stream:
        stream.put(picture_of(1, "door"))
        await until(lambda: stream.meters.ledger.failed == 1)
        assert place.seen == [1]
        assert stream.in_flight == 0


async def test_replicas_come_and_go_while_frames_are_answered() -> None:
    first, second = OutPlace(0), OutPlace(0)
    async with stream_on(first) as stream:
        worker = stream.model.worker
        await worker.resize([second], [one for one, _ in worker.replicas])
        assert worker.instances == 2
        stream.put(picture_of(1, "door"))
        await until(lambda: stream.meters.ledger.delivered == 1)
        await worker.resize([], [one for one, _ in worker.replicas if one.place is second])
        assert (first.dead, worker.instances) == ("closed", 1)
        await worker.resize([])
        assert worker.unready is None, "it rests"
        stream.put(picture_of(2, "door"))
        await worker.resize([OutPlace(0)])
        await until(lambda: stream.meters.ledger.delivered == 2)
