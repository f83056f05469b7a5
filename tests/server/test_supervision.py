"""Nothing that foreign code raises ends more than what it concerns."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from sightline.analytics.base import Pipeline, Stage, Staged
from sightline.core import registry
from sightline.core.errors import RenderError
from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Frame, FrameResult, Image, ModelCard
from sightline.inference.key import ModelKey
from sightline.inference.pool import ModelPool
from sightline.models.base import Model, Options
from sightline.server import supervisor
from sightline.server.supervisor import Supervisor
from sightline.settings.settings import Settings
from sightline.streams.hub import Hub
from sightline.streams.rendering import Drawing, Look
from support.faults import FAULTS
from support.inside import inside
from support.streams import Recorder, balanced, frame, picture_of, result, until

CARD = ModelCard("m", "m", "detect", (), None, "-", "-")


class Faulty(Model):
    """Answers for the streams that are not named ``bad``; of ``bad`` it does as it is told."""

    card = CARD

    def __init__(self, fault: Callable[[], Any]) -> None:
        self.fault = fault

    @property
    def wanted_side(self) -> int:
        return 64

    def predict(
        self,
        images: Sequence[Image],
        *,
        options: Sequence[Options] | None = None,
        streams: Sequence[str] | None = None,
        stages: dict[str, float] | None = None,
    ) -> list[Prediction]:
        if streams is not None and "bad" in streams:
            made = self.fault()
            if isinstance(made, BaseException):
                raise made
            return made  # type: ignore[no-any-return]
        return [Detections.empty() for _ in images]


@asynccontextmanager
async def working(model: Model) -> AsyncGenerator[Hub]:
    settings = Settings.model_validate({"static_skip": False})
    pool = ModelPool(settings, ModelKey("m", "m", "auto", None), lambda _: model)
    hub = Hub(settings, pool)
    running = asyncio.create_task(pool.run())
    await pool.own.worker.settled.wait()
    yield hub
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


GARBAGE: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "too few": lambda: [],
    "too many": lambda: [Detections.empty()] * 3,
    "no predictions": lambda: ["boxes"],
    "a number": lambda: 7,
    "broken columns": lambda: [
        Detections(np.zeros((2, 4), np.float32), np.zeros(1, np.float32), np.zeros(3, np.int32))
    ],
}


@pytest.mark.parametrize("kind", [*FAULTS, *GARBAGE])
async def test_a_model_that_raises_or_gives_garbage_fails_that_frame_alone(kind: str) -> None:
    async with working(Faulty((FAULTS | GARBAGE)[kind])) as hub:
        bad, good = Recorder(), Recorder()
        streams = {"bad": hub.take("bad", bad), "good": hub.take("good", good)}
        for seq in range(3):
            for name, stream in streams.items():
                stream.put(picture_of(seq, name))
            await until(lambda: not streams["bad"].in_flight and not streams["good"].in_flight)
        assert bad.reasons == {"failed": 3}
        assert good.reasons == {"result": 3}
        assert all(map(balanced, streams.values()))
        assert hub.worker.unready is None


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_stage_a_renderer_and_a_publisher_that_raise_cost_themselves_alone(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Stage):
        def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Staged:
            raise FAULTS[kind]()

    pixels = Frame("door", 0, 0.0, 0.0, np.zeros((8, 8, 3), np.uint8))
    assert Pipeline({"broken": Broken()}).apply(pixels, Detections.empty(), CARD).extras == {}

    def render(*_: object, **__: object) -> Image:
        raise FAULTS[kind]()

    monkeypatch.setattr(registry.load("renderers", "boxes"), "render", render)
    drawing = Drawing(80)
    seen = FrameResult(pixels, Detections.empty(), CARD, (), (), None, {}, 1.0, 0.0)
    with pytest.raises(RenderError, match="mode boxes can't be drawn"):
        await drawing.jpeg(seen, Look("boxes", 50))
    drawing.close()

    class Unhappy(Recorder):
        def answer(self, result: FrameResult) -> None:
            raise FAULTS[kind]()

        def close(self, reason: str) -> None:
            super().close(reason)
            raise FAULTS[kind]()

    async with working(Faulty(list)) as hub:
        unhappy = Unhappy()
        stream = hub.take("door", unhappy)
        taken = frame(0)
        assert stream.begin(taken)
        stream.deliver(result(taken))
        assert unhappy.ended is not None
        assert balanced(stream)
        hub.close("over")


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_task_that_fails_is_started_again_counted_and_said_once(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    runs, going, keeper = 0, asyncio.Event(), Supervisor()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs <= 3:
            raise FAULTS[kind]()
        going.set()
        await asyncio.Event().wait()

    with caplog.at_level(logging.ERROR):
        task = asyncio.create_task(keeper.keep("work", work))
        await asyncio.wait_for(going.wait(), 30)
    assert (runs, keeper.restarts) == (4, {"work": 3})
    assert keeper.failing is not None
    assert len([record for record in caplog.records if "work failed" in record.message]) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_a_task_that_can_not_be_mended_ends_the_server_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_S", 0.0)

    async def broken(_: object) -> None:
        raise ValueError("the disk is gone")

    monkeypatch.setattr("sightline.server.app.adapt", broken)
    async with inside() as server, asyncio.timeout(60):
        reason = await asyncio.to_thread(server.join)
    assert reason == f"adaptation failed {supervisor.TOO_MANY} times within 60 s: ValueError: the disk is gone"


async def test_what_was_restarted_is_in_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    from sightline.streams.adaptive.service import adapt

    times = 0

    async def once_broken(hub: Hub) -> None:
        nonlocal times
        times += 1
        if times == 1:
            raise SystemExit(9)
        await adapt(hub)

    monkeypatch.setattr("sightline.server.app.adapt", once_broken)
    async with inside() as server:
        async with asyncio.timeout(30):
            while times < 2:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        stats = json.loads(await asyncio.to_thread(server.get, "/stats"))
        assert stats["restarts"] == {"adaptation": 1}
        metrics = (await asyncio.to_thread(server.get, "/metrics")).decode()
        assert 'sightline_restarts_total{task="adaptation"} 1.0' in metrics
