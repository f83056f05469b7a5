"""Single pictures beside live streams: real pool and worker, with a model that the test holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest

from sightline.core.errors import BadImage, ModelError
from sightline.core.predictions import Prediction
from sightline.core.types import Image, ModelCard
from sightline.inference.key import ModelKey
from sightline.inference.pool import ModelPool
from sightline.models.base import Options
from sightline.settings.settings import Settings
from sightline.streams.hub import Hub
from sightline.streams.predictor import Predictor
from support.serving import picture
from support.streams import Recorder, picture_of, until
from support.working import Held

KEY = ModelKey("nano", "nano", "auto", None)


class Unlucky(Held):
    """Fails on pictures 13 pixels wide."""

    card = ModelCard("nano", "nano", "detect", (), None, "-", "-")

    def found(self, images: Sequence[Image], streams: Sequence[str], options: Sequence[Options]) -> list[Prediction]:
        none = super().found(images, streams, options)
        if any(image.shape[1] == 13 for image in images):
            raise ModelError("unlucky")
        return none


class House:
    """A hub and a predictor that share a model."""

    def __init__(self) -> None:
        settings = Settings.model_validate({"model": "nano", "max_pixels": 4096})
        self.model = Unlucky()
        self.pool = ModelPool(settings, KEY, lambda _: self.model)
        self.hub = Hub(settings, self.pool)
        self.predictor = Predictor(settings, self.pool, self.hub.model_switch)

    async def ask(self, data: bytes) -> tuple[int, int]:
        """The size of the picture that the result is of."""
        async with self.predictor.asking(None, None, None) as ask:
            return (await ask(data)).frame.size

    def balanced(self) -> bool:
        ledger = self.predictor.ledger
        return ledger.received == ledger.settled + self.predictor.in_flight


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with running() as house:
        yield house


@asynccontextmanager
async def running() -> AsyncGenerator[House]:
    house = House()
    task = asyncio.create_task(house.pool.run())
    try:
        yield house
    finally:
        house.model.go.release(1000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_live_streams_come_first_and_pictures_one_at_a_time(house: House) -> None:
    await house.hub.worker.settled.wait()
    streams = {name: house.hub.take(name, Recorder()) for name in ("a", "b", "c")}
    streams["a"].put(picture_of(0, "a"))
    await until(lambda: len(house.model.turns) == 1)
    streams["b"].put(picture_of(0, "b"))  # may lie ready while the model is busy
    await until(lambda: not streams["b"].waiting)
    asking = [asyncio.create_task(house.ask(picture(n, 64, 64))) for n in range(3)]
    await until(lambda: house.predictor.in_flight == 3)
    streams["c"].put(picture_of(0, "c"))
    house.model.go.release(2)
    await until(lambda: len(house.model.turns) == 3)
    assert house.model.turns == ["a", "b", "c"], "the pictures came before c's frame, and wait all the same"
    assert house.balanced()
    house.model.go.release(100)
    assert await asyncio.gather(*asking) == [(64, 64)] * 3
    assert house.predictor.ledger.delivered == 3
    assert len(set(house.model.turns[3:])) == 3, "no picture is taken for the next one of another's stream"


async def test_the_same_picture_is_looked_at_again(house: House) -> None:
    house.model.go.release(100)
    for _ in range(3):
        await house.ask(picture(0, 64, 64))
    assert len(house.model.turns) == 3


async def test_every_picture_is_counted_once_whatever_becomes_of_it(house: House) -> None:
    with pytest.raises(BadImage):
        await house.ask(b"\xff\xd8\xff no picture")
    with pytest.raises(BadImage, match="expected a JPEG, PNG or WebP"):
        await house.ask(b"BM no picture")
    held = asyncio.create_task(house.ask(picture(0, 64, 64)))
    await until(lambda: len(house.model.turns) == 1)
    leaves = asyncio.create_task(house.ask(picture(0, 64, 64)))
    await until(lambda: house.predictor.in_flight == 2)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    house.model.go.release(2)
    await held
    with pytest.raises(ModelError, match="unlucky"):
        await house.ask(picture(0, 13, 64))
    ledger = house.predictor.ledger
    assert (ledger.received, ledger.delivered, ledger.failed) == (5, 1, 1)
    assert ledger.dropped == {"bad_image": 2, "closed": 1}
    assert house.balanced()
    assert not house.hub.worker.feeds, "a model that nobody uses can be released"


async def test_who_waits_is_told_when_the_server_ends() -> None:
    async with running() as house:
        asking = [asyncio.create_task(house.ask(picture(n, 64, 64))) for n in range(3)]
        await until(lambda: len(house.model.turns) == 1 and house.predictor.in_flight == 3)
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(answer) for answer in answers} == {ModelError}
    assert house.predictor.ledger.dropped == {"closed": 3}
    assert house.balanced()
