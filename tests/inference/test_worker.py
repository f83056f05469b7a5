"""Who comes first, who waits, and several instances: the real worker with a model that the test holds."""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from msgspec import structs

from sightline.inference.key import ModelKey
from sightline.inference.places.thread import ThreadPlace
from sightline.inference.worker import ModelWorker
from sightline.models.base import Model
from sightline.streams.hub import Hub
from support.serving import peer, serving
from support.streams import Recorder, picture_of, until
from support.working import Held, loading
from support.working import working as started

KEY = ModelKey("held", "held", "auto", None)


@asynccontextmanager
async def working(instances: int = 1) -> AsyncGenerator[tuple[Hub, list[str], threading.Semaphore]]:
    model = Held()
    async with started(loading(model), KEY, workers=instances) as hub:
        try:
            yield hub, model.turns, model.go
        finally:
            model.go.release(1000)


async def test_a_higher_priority_comes_first_and_equals_take_turns() -> None:
    async with working() as (hub, turns, go):
        names = ["first", "low", "also-low", "high"]
        streams = {name: hub.take(name, Recorder()) for name in names}
        streams["high"].limit(priority=5, max_fps=None)
        streams["first"].put(picture_of(0, "first"))
        await until(lambda: len(turns) == 1)
        for name in names[1:]:
            streams[name].put(picture_of(0, name))
        go.release(4)
        await until(lambda: len(turns) == 4)
        assert turns == ["first", "high", "low", "also-low"]


async def test_whose_turn_is_longest_ago_comes_first_whatever_frame_came_sooner() -> None:
    """Fault 69: by time of waiting, those whose next frame happened to come sooner had a third more."""
    async with working() as (hub, turns, go):
        streams = {name: hub.take(name, Recorder()) for name in ("late", "soon", "other")}
        streams["late"].put(picture_of(0, "late"))
        await until(lambda: turns == ["late"])
        streams["soon"].put(picture_of(0, "soon"))
        go.release()
        await until(lambda: turns == ["late", "soon"])
        streams["other"].put(picture_of(0, "other"))  # lies ready in the place
        await until(lambda: not streams["other"].waiting)
        streams["soon"].put(picture_of(1, "soon"))
        streams["late"].put(picture_of(1, "late"))
        go.release(4)
        await until(lambda: len(turns) == 5)
        assert turns == ["late", "soon", "other", "late", "soon"]


async def test_a_low_priority_is_not_starved() -> None:
    async with working() as (hub, turns, go):
        high, low = hub.take("high", Recorder()), hub.take("low", Recorder())
        high.limit(priority=100, max_fps=None)
        high.put(picture_of(0, "high"))
        await until(lambda: len(turns) == 1)
        low.put(picture_of(0, "low"))
        async with asyncio.timeout(30):
            seq = 1
            while "low" not in turns:
                high.put(picture_of(seq, "high"))
                go.release()
                await asyncio.sleep(0.02)
                seq += 1


async def test_instances_work_at_once_but_never_two_on_a_stream() -> None:
    async with working(instances=2) as (hub, turns, go):
        publishers = {name: Recorder() for name in ("a", "b")}
        streams = {name: hub.take(name, publisher) for name, publisher in publishers.items()}
        streams["a"].put(picture_of(0, "a"))
        await until(lambda: len(turns) == 1)
        streams["a"].put(picture_of(1, "a"))  # its instance is busy: the other must leave it alone
        streams["b"].put(picture_of(0, "b"))
        await until(lambda: len(turns) == 2)
        assert turns == ["a", "b"]
        go.release(3)
        await until(lambda: len(turns) == 3)
        assert turns == ["a", "b", "a"]
        await until(lambda: not any(stream.in_flight for stream in streams.values()))
        assert publishers["a"].answers == {0: 1, 1: 1}


async def test_a_still_scene_is_inferred_once_however_many_instances_there_are() -> None:
    """Each instance knows its own scenes: in turns, each would infer it, and viewers would get each picture."""
    model = Held()
    model.go.release(1000)
    async with started(loading(model), KEY, workers=2, static_skip=True) as hub:
        publisher = Recorder()
        stream = hub.take("still", publisher)
        for seq in range(20):
            stream.put(structs.replace(picture_of(0, "still"), seq=seq))
            await until(lambda: not stream.in_flight)
        assert publisher.answers == dict.fromkeys(range(20), 1)
        assert model.turns == ["still"]


async def test_a_streams_cap_drops_what_is_more() -> None:
    async with working() as (hub, _turns, _go):
        publisher = Recorder()
        stream = hub.take("capped", publisher)
        stream.limit(priority=0, max_fps=1)
        for seq in range(10):
            stream.put(picture_of(seq, "capped"))
        assert publisher.reasons["rate"] == 8, "a burst of two passes"
        assert stream.meters.ledger.received == stream.meters.ledger.settled + stream.in_flight


async def test_a_model_that_is_gone_is_held_by_nobody(request: pytest.FixtureRequest) -> None:
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-6)
    for _ in range(200):  # its thread must never be a moment late
        made: list[weakref.ref[Held]] = []

        def load(made: list[weakref.ref[Held]] = made) -> Model:
            model = Held()
            made.append(weakref.ref(model))
            return model

        worker = ModelWorker([ThreadPlace(load, None)])
        await worker.load()
        worker.close()
        await worker.gone()
        assert made[0]() is None


async def test_settings_and_the_api_set_both(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "sightline.toml").write_text("[streams.door]\npriority = 3\nmax_fps = 12\n")
    async with (
        serving("--model", "motion", "--adaptive", "off", "--workers", "2", cwd=folder) as server,
        peer(f"{server.ws}/ws/camera/door") as camera,
    ):
        hello, _ = await camera.next("hello")
        assert hello["fps"] == 12, "no more is asked for than is taken"
        stream = await server.stream("door")
        assert (stream["priority"], stream["max_fps"]) == (3, 12)
        for seq in range(12):  # with two instances, motion still sees all of a stream
            await camera.send_frame(seq)
            await camera.next("result", "dropped")
            await asyncio.sleep(0.05)
        assert (await server.stream("door"))["failed"] == 0
        answer = await server.http.patch("/api/streams/door", json={"priority": -2, "max_fps": 7})
        assert (answer.json()["priority"], answer.json()["max_fps"]) == (-2, 7)
        adapt, _ = await camera.next("adapt")
        assert adapt["fps"] == 7
        refused = await server.http.patch("/api/streams/door", json={"max_fps": 0})
        assert refused.status_code == 422
