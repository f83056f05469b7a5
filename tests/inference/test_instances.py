"""How many instances a model has: as many as its streams need, and no frame is lost when that changes."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.types import ModelCard
from sightline.engines.base import cores
from sightline.inference import plan
from sightline.inference.place import EngineFacts, ModelFacts
from sightline.settings.settings import Settings
from support.made_graph import MakeGraph
from support.serving import Json, Peer, peer, picture, serving

MB = 1 << 20
CARD = ModelCard("m", "m", "detect", (), (64, 64), "-", "-")


def chosen(**given: Any) -> Settings:
    return Settings.model_validate(given)


def facts(*, device: str = "cpu", remembers: bool = False) -> ModelFacts:
    engine = EngineFacts("onnx", device, "fp32", "")
    return ModelFacts(CARD, engine, (64, 64), None, None, 1, remembers, gpu_available=False)


@given(st.integers(0, 200), st.integers(1, 64), st.integers(0, 64))
def test_one_for_each_stream_as_long_as_there_are_cores_and_memory(streams: int, machine: int, fit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "cores", lambda: machine)
        count = plan.instances(chosen(), facts(), streams, 100 * MB, 100 * MB * fit)
    most = max(1, min(streams, machine, fit))
    assert count <= most < 2 * count, "the largest power of two"


def test_what_a_person_chose_and_what_can_not_be_shared_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "cores", lambda: 8)
    room = 100 * MB, 10_000 * MB
    assert plan.instances(chosen(workers=3), facts(), 8, *room) == 3
    assert plan.instances(chosen(), facts(device="cuda:0"), 8, *room) == 1
    assert plan.instances(chosen(), facts(remembers=True), 8, *room) == 1
    assert plan.instances(chosen(threads=4), facts(), 8, *room) == 2


@pytest.fixture
def graph(make_graph: MakeGraph) -> Path:
    """A detector that finds nothing."""
    rows = np.zeros((6, 84), np.float32)
    return make_graph({"output0": rows}, size=(64, 64), metadata={"names": "{0: 'cat', 1: 'dog'}"})


def model_of(stats: Json) -> Json:
    return next(dict(model) for model in stats["models"])


async def publish(camera: Peer, answers: Counter[str], stop: asyncio.Event) -> None:
    """Send a frame for each answer, until told to stop; then nothing is left without one."""
    for seq in itertools.count():
        await camera.send_frame(seq, picture(seq))
        answer, _ = await camera.next("result", "error", "dropped")
        answers[answer["type"]] += 1
        if stop.is_set():
            return


@pytest.mark.parametrize("place", ["process", "thread"])
async def test_more_streams_have_more_instances_and_no_frame_is_lost(graph: Path, place: str) -> None:
    count = 1 << (min(4, cores()).bit_length() - 1)
    answers: Counter[str] = Counter()
    async with (
        serving("--model", str(graph), "--engine", "onnx", "--place", place) as server,
        AsyncExitStack() as cameras,
    ):
        assert len(model_of(await server.get("/stats"))["processes"]) == (place == "process")
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as publishing:
            for name in "abcd":
                camera = await cameras.enter_async_context(peer(f"{server.ws}/ws/camera/{name}"))
                await camera.next("status")
                publishing.create_task(publish(camera, answers, stop))
            await server.until(lambda s: model_of(s)["instances"] == count)
            seen = sum(answers.values())
            await server.until(lambda _: sum(answers.values()) > seen + 20)
            stop.set()
        stats = await server.get("/stats")
        assert stats["total_frames"] == answers.total()
        assert (stats["processed_frames"], stats["failed_frames"]) == (answers["result"], 0)
        dropped = Counter[str]()
        for stream in stats["streams"].values():
            dropped.update(stream["dropped"])
        assert set(dropped) <= {"rate"}, "each waits for its answer: only those beyond max_fps are dropped"
        assert len(model_of(stats)["processes"]) == (count if place == "process" else 0)


async def test_still_scenes_are_known_to_every_instance(graph: Path) -> None:
    async with (
        serving("--model", str(graph), "--engine", "onnx", "--workers", "2") as server,
        AsyncExitStack() as stack,
    ):
        cameras = [await stack.enter_async_context(peer(f"{server.ws}/ws/camera/{name}")) for name in "abc"]
        for camera in cameras:
            await camera.next("status")
        for seq in range(12):
            for camera in cameras:
                await camera.send_frame(seq, picture(0))
            for camera in cameras:
                await camera.next("result")
        streams = (await server.get("/stats"))["streams"]
        assert all(stream["reused"] >= 10 for stream in streams.values()), "each instance infers it once"
