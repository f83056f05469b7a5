"""From the event loop to a model's thread and back: each job once, in order, whatever becomes of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Frame, Image
from sightline.inference import instance
from sightline.inference.infer import Ask, Inferred, infer
from sightline.inference.instance import Instance
from sightline.inference.places.thread import ThreadPlace
from sightline.inference.places.work_thread import WorkThread
from sightline.models.base import Model, Options
from support.streams import CARD, Recorder, balanced, picture_of, until
from support.working import RIGHT, Scripted, loading, working


@asynccontextmanager
async def thread() -> AsyncGenerator[WorkThread]:
    one = WorkThread("tried")
    try:
        yield one
    finally:
        one.close()
        await one.closed()


class Broken(BaseException):
    pass


@given(st.lists(st.sampled_from(["said", "raised", "stopped", "given up"]), max_size=30), st.integers(1, 7))
def test_each_job_is_done_once_and_in_order(fates: list[str], turn: int) -> None:
    asyncio.run(_each_job_is_done_once_and_in_order(fates, turn))


async def _each_job_is_done_once_and_in_order(fates: list[str], turn: int) -> None:
    did: list[int] = []
    go = threading.Event()

    def job(number: int, fate: str) -> int:
        did.append(number)
        if fate == "raised":
            raise Broken(number)
        if fate == "stopped":
            raise StopIteration(number)
        return number

    async with thread() as one:
        holds = one.submit(partial(go.wait, 30))
        answers = []
        for number, fate in enumerate(fates):
            answers.append(one.submit(partial(job, number, fate)))
            if number % turn == 0:
                await asyncio.sleep(0)
        for answer, fate in zip(answers, fates, strict=True):
            if fate == "given up":
                answer.cancel()
        go.set()
        assert await holds
        said = await asyncio.gather(*answers, return_exceptions=True)
    assert did == [number for number, fate in enumerate(fates) if fate != "given up"]
    expected = {"said": int, "raised": Broken, "stopped": RuntimeError, "given up": asyncio.CancelledError}
    assert [type(one) for one in said] == [expected[fate] for fate in fates]


async def test_nothing_is_taken_once_it_is_closed() -> None:
    async with thread() as one:
        last = one.submit(lambda: 7)
        one.close()
        with pytest.raises(RuntimeError, match="closed"):
            one.submit(lambda: 8)
        assert await last == 7


class Sized(Model):
    """Notes how many pictures it gets at once."""

    card = CARD
    max_batch = 2
    wanted_side = 64

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def predict(
        self,
        images: Sequence[Image],
        *,
        options: Sequence[Options] | None = None,
        streams: Sequence[str] | None = None,
        stages: dict[str, float] | None = None,
    ) -> list[Prediction]:
        self.sizes.append(len(images))
        return [Detections.empty(image[..., 0]) for image in images]


def test_a_model_gets_no_more_at_once_than_it_can_use() -> None:
    model = Sized()
    frames: list[Frame] = [picture_of(seq, f"s{seq}") for seq in range(5)]
    answers = infer(model, [Ask(frame, Options()) for frame in frames], None)
    assert model.sizes == [2, 2, 1]
    assert all(isinstance(answer, Inferred) for answer in answers)


@pytest.mark.parametrize(("takes_s", "span_s"), [(0.0, 0.2), (0.02, 0.002)])
async def test_quick_frames_are_handed_over_together_and_slow_ones_alone(
    takes_s: float, span_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each hand-over costs the loop 0.1 ms. What takes less goes together; what takes longer is as new as can be."""
    monkeypatch.setattr(instance, "SPAN_S", span_s)

    def answer(_: Sequence[str]) -> object:
        time.sleep(takes_s)
        return RIGHT

    together = 0
    async with working(loading(Scripted(answer))) as hub:
        publishers = [Recorder() for _ in range(12)]
        streams = [hub.take(f"s{n}", publisher) for n, publisher in enumerate(publishers)]
        for seq in range(60 if not takes_s else 3):
            for stream in streams:
                stream.put(picture_of(seq, stream.name))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            together = max(together, sum(not stream.waiting for stream in streams))
            await until(lambda: not any(stream.in_flight for stream in streams))
        for publisher, stream in zip(publishers, streams, strict=True):
            ledger = stream.meters.ledger
            assert ledger.received == ledger.delivered == len(publisher.answers)
    assert together > 2 if not takes_s else together <= 2


def test_frames_in_which_nothing_moved_do_not_make_a_model_seem_quick() -> None:
    """Where all cameras begin to move at once, a slow model must not have got a second's work in one go."""
    one = Instance(0, ThreadPlace(lambda: Sized(), None))
    for _ in range(200):
        one.learn(0.01, 0)
    assert one.in_one_go == 0
    for _ in range(200):
        one.learn(0.0001, 1)
    assert one.in_one_go > 10
    one.learn(0.5, 5)
    assert one.in_one_go == 0


@settings(max_examples=15)
@given(
    instances=st.integers(1, 3),
    batch=st.integers(1, 3),
    puts=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=60),
)
def test_whatever_comes_when_every_frame_is_answered_once(
    instances: int, batch: int, puts: list[tuple[int, int]]
) -> None:
    """No frame is left lying because the wrong task was woken."""
    asyncio.run(_whatever_comes_when(instances, batch, puts))


async def _whatever_comes_when(instances: int, batch: int, puts: list[tuple[int, int]]) -> None:
    model = Scripted(lambda _: RIGHT)
    model.max_batch = batch
    async with working(loading(model), workers=instances) as hub:
        publishers = [Recorder() for _ in range(5)]
        streams = [hub.take(f"s{n}", publisher) for n, publisher in enumerate(publishers)]
        for seq, (number, turns) in enumerate(puts):
            streams[number].put(picture_of(seq, streams[number].name))
            for _ in range(turns):
                await asyncio.sleep(0)
        await until(lambda: not any(stream.in_flight for stream in streams))
        assert all(balanced(stream) for stream in streams)
        answered = [seq for publisher in publishers for seq in publisher.answers.elements()]
        assert sorted(answered) == list(range(len(puts)))
