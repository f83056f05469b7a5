"""When models go, and what they take with them."""

from __future__ import annotations

import asyncio
import gc
import os
from pathlib import Path

import numpy as np
import psutil
import pytest

from sightline import profiles
from sightline.core.errors import LimitReached
from sightline.engines import onnx
from sightline.inference.key import ModelKey
from sightline.inference.pool import ModelPool
from sightline.models.base import Model
from sightline.settings.settings import Settings
from sightline.zoo.loader import load_model
from sightline.zoo.store import Cache
from support.made_graph import MakeGraph
from support.streams import until
from support.watched_models import serving, taken


async def test_models_that_nobody_uses_go_after_a_while(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with serving(tmp_path_factory, model_grace=0) as (hub, log):
        stream, _ = taken(hub, "door")
        await hub.change(stream, {"model": "b"})
        await hub.change(stream, {"model": None})
        await until(lambda: log.closed["b"] == 1)
        assert [one.key.name for one in hub.pool.models] == ["a"], "the server's own stays"
        await hub.change(stream, {"model": "b"})
        assert log.loads["b"] == 2


async def test_memory_is_made_by_who_was_used_longest_ago(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with serving(tmp_path_factory, model_memory_mb=64) as (hub, log):  # each counts 10 MB or a little more
        stream, _ = taken(hub, "door")
        hub.pool.budget = hub.pool.own.bytes + (25 << 20)
        for name in ("b", "c"):
            await hub.change(stream, {"model": name})
        hub.pool.models[1].bytes = hub.pool.models[2].bytes = 12 << 20
        assert log.closed == {}, "there is room for both"
        await hub.change(stream, {"model": "d"})
        await until(lambda: log.closed == {"b": 1})
        hub.pool.budget = hub.pool.own.bytes + hub.pool.of(stream.model.worker).bytes
        with pytest.raises(LimitReached, match=r"those in use take .*setting model_memory_mb"):
            await hub.change(stream, {"model": "b"})
        assert hub.model_switch.in_force(stream).model == "d"


async def test_a_profile_for_which_there_is_no_memory_is_not_even_loaded(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cache = Cache(tmp_path_factory.mktemp("cache"))
    file = cache.export(profiles.load("fast"))
    file.parent.mkdir(parents=True)
    file.touch()
    os.truncate(file, 100 << 20)
    async with serving(tmp_path_factory, model_memory_mb=128, cache=cache.root) as (hub, log):
        stream, _ = taken(hub, "door")
        with pytest.raises(LimitReached, match="needs about 200 MB"):
            await hub.change(stream, {"model": "fast"})
        assert log.loads["fast"] == 0


async def test_memory_comes_back(make_graph: MakeGraph) -> None:
    """A model of 40 MB, in and out: were it kept, there would be 480 MB more."""
    rows = np.zeros((6 + 120_000, 84), np.float32)
    file = make_graph({"output0": rows}, metadata={"names": str(dict.fromkeys(range(2), "thing"))})
    settings = Settings.model_validate({"model": "motion", "model_grace": 0})
    pool = ModelPool(settings, ModelKey("motion", "motion", "auto", None), load_heavy)
    running = asyncio.create_task(pool.run())
    await pool.own.worker.settled.wait()
    process = psutil.Process()
    seen: list[int] = []
    for _ in range(12):
        async with pool.holding(ModelKey("big", str(file), "onnx", None), asyncio.Event()) as one:
            assert one.worker.error is None
        released = one
        await until(lambda: released.task is None)  # noqa: B023
        gc.collect()
        seen.append(process.memory_info().rss)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert seen[-1] < seen[1] + (100 << 20), [round(rss / 2**20) for rss in seen]


def load_heavy(key: ModelKey) -> Model:
    """The graph is of no family: it is opened, and the model that it belongs to finds what moves."""
    model = load_model("motion")
    if key.name == "big":
        model.engine = onnx.open(Path(key.spec), threads=1)
    return model
