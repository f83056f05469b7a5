"""Nothing that foreign code raises ends more than what it concerns."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest

from sightline.analytics.base import Pipeline, Stage, Staged
from sightline.core import registry, supervisor
from sightline.core.errors import RenderError, told
from sightline.core.predictions import Detections, Prediction
from sightline.core.supervisor import Supervisor
from sightline.core.types import Frame, FrameResult, Image, ModelCard
from sightline.security.tokens import Store
from sightline.server.state import ServerState
from sightline.streams.hub import Hub
from sightline.streams.rendering import Drawing, Look
from support.faults import FAULTS
from support.inside import inside
from support.streams import CARD, Recorder, balanced, frame, picture_of, result, until
from support.waiting import within
from support.working import RIGHT, Scripted, loading, working


def raising(fault: Callable[[], Any]) -> Callable[[Sequence[str]], Any]:
    """An answer that is as the fault says for the stream ``bad``, and right for all others."""

    def answer(streams: Sequence[str]) -> Any:
        made = fault() if "bad" in streams else RIGHT
        if isinstance(made, BaseException):
            raise made
        return made

    return answer


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
    async with working(loading(Scripted(raising((FAULTS | GARBAGE)[kind])))) as hub:
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

    async with working(loading(Scripted(lambda _: RIGHT))) as hub:
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
        task = keeper.start("work", work)
        await within(going.wait(), 30)
    assert (runs, keeper.restarts) == (4, {"work": 3})
    assert list(keeper.troubles) == ["work"]
    assert len([record for record in caplog.records if "work failed" in record.message]) == 1
    await keeper.close()
    assert task.cancelled()


async def test_a_task_that_can_not_be_mended_ends_the_server_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_S", 0.0)

    async def broken(_: object) -> None:
        raise ValueError("the disk is gone")

    monkeypatch.setattr("sightline.server.app.adapt", broken)
    async with inside() as server, asyncio.timeout(60):
        reason = await asyncio.to_thread(server.join)
    assert reason == f"adaptation failed {supervisor.TOO_MANY} times within 60 s: ValueError: the disk is gone"


async def test_only_who_manages_the_server_is_told_what_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ServerState, "troubles", {"output somewhere": "no\nway", "access": "x"})
    store = Store(tmp_path)
    async with inside(tokens=True, data=tmp_path) as server:
        shown = {}
        for role, stream in (("admin", "*"), ("view", "*"), ("admin", "door")):
            token, _ = store.create(role, stream, lifetime=None)
            asked = Request(server.http + "/api/streams", headers={"Authorization": f"Bearer {token}"})
            shown[role, stream] = json.loads(await asyncio.to_thread(_read, asked))["trouble"]
    line = "output somewhere failed: no way (1 more)"
    assert shown == {("admin", "*"): line, ("view", "*"): "", ("admin", "door"): ""}


def _read(request: Request) -> bytes:
    with urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("count", [1, 2])
def test_a_group_of_one_is_told_by_its_member(count: int) -> None:
    said = told(ExceptionGroup("a group", [ExceptionGroup("inner", [ValueError("no good")])] * count))
    assert said == ("ValueError: no good" if count == 1 else "ExceptionGroup: a group (2 sub-exceptions)")


async def test_a_task_that_ends_by_itself_is_started_again_until_all_ends() -> None:
    keeper, runs, end = Supervisor(), 0, asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs > 1:
            await end.wait()

    task = keeper.start("work", work)
    await until(lambda: runs == 2)
    assert keeper.troubles == {"work": "it ended by itself"}
    keeper.closing = True
    end.set()
    await within(task, 30)
    assert (runs, keeper.restarts) == (2, {"work": 1})
    keeper.spawn("late", work())
    assert runs == 2, "nothing begins any more"


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
