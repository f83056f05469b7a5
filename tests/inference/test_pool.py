"""Many models in one server: who has which, how they change places, when they go. The real hub, pool and workers."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from sightline import profiles
from sightline.core.errors import BadSetting, LimitReached, ModelError, Superseded
from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Frame, FrameResult, Image, ModelCard
from sightline.engines import onnx
from sightline.inference import worker
from sightline.inference.key import ModelKey
from sightline.inference.pool import ModelPool
from sightline.models.base import Model, Options
from sightline.settings.settings import Settings
from sightline.streams.adaptive.knobs import Knobs
from sightline.streams.adaptive.service import adapt, begin
from sightline.streams.hub import Hub
from sightline.streams.stream import Stream
from sightline.wire.messages import SettingsMessage
from sightline.zoo.loader import load_model
from sightline.zoo.store import Cache
from support.made_graph import MakeGraph
from support.streams import Recorder, picture_of, until
from support.working import MadeModel, working

LABELS = {"a": ("cat", "dog"), "b": ("cat", "cow"), "c": ("car",)}


class Watched(MadeModel):
    """Finds one of each of its classes; where the test says so it waits until it may go on."""

    def __init__(self, name: str, log: Log) -> None:
        self.card = ModelCard(name, name, "detect", LABELS.get(name, ()), None, "-", "-", size_bytes=10 << 20)
        self.log = log

    def found(self, images: Sequence[Image], streams: Sequence[str], options: Sequence[Options]) -> list[Prediction]:
        self.log.asked.extend(options)
        self.log.turns.extend((self.card.name, stream) for stream in streams)
        if self.card.name in self.log.held:
            assert self.log.go.acquire(timeout=30)
        count = len(self.card.labels)
        rows = Detections(
            np.tile(np.array([1, 1, 5, 5], np.float32), (count, 1)),
            np.full(count, 0.5, np.float32),
            np.arange(count, dtype=np.int32),
        )
        return [rows for _ in images]

    def close(self) -> None:
        self.log.closed[self.card.name] += 1


@dataclass
class Log:
    """What the models did, and what the test lets them do."""

    turns: list[tuple[str, str]] = field(default_factory=list)
    asked: list[Options] = field(default_factory=list)
    loads: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    held: set[str] = field(default_factory=set)
    """Models that wait for ``go`` with each picture."""
    sized: bool = False
    """Models take any input size."""
    refused: set[int] = field(default_factory=set)
    """Input sizes that models can't have."""
    tried: Counter[int] = field(default_factory=Counter)
    """How often each input size was asked for."""
    slow: set[str] = field(default_factory=set)
    """Models that wait for ``loaded``."""
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    loaded: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def load(self, key: ModelKey) -> Model:
        self.loads[key.name] += 1
        if key.name in self.slow:
            assert self.loaded.acquire(timeout=30)
        self.tried[key.imgsz or 0] += 1
        if key.imgsz in self.refused:
            raise ModelError(f"{key.spec}: no model of {key.imgsz}")
        if key.name == "broken":
            raise ModelError(f"{key.spec}: no model at all")
        return Sized(key.imgsz or 640, self) if self.sized else Watched(key.name, self)


class Told(Recorder):
    """Keeps the results in order."""

    def __init__(self) -> None:
        super().__init__()
        self.results: list[FrameResult] = []

    def answer(self, result: FrameResult) -> None:
        super().answer(result)
        self.results.append(result)

    @property
    def models(self) -> list[tuple[int, str]]:
        return [(result.frame.seq, result.card.name) for result in self.results]


@asynccontextmanager
async def serving(
    tmp_path_factory: pytest.TempPathFactory, *, sized: bool = False, **given: Any
) -> AsyncGenerator[tuple[Hub, Log]]:
    """A hub whose own model is ``a``; ``b``, ``c``, ``d`` and ``broken`` may be chosen, files of 1 MB each."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("a", "b", "c", "d", "broken"):
        (folder / f"{name}.onnx").write_bytes(bytes(1 << 20))
    models = {name: str(folder / f"{name}.onnx") for name in ("b", "c", "d", "broken")}
    log = Log(sized=sized)
    own = ModelKey("a", str(folder / "a.onnx"), "onnx", None)
    async with working(log.load, own, engine="onnx", models=models, **given) as hub:
        hub.model_switch.offers.own = own
        try:
            yield hub, log
        finally:
            log.go.release(1000)
            log.loaded.release(1000)


def taken(hub: Hub, name: str) -> tuple[Stream, Told]:
    publisher = Told()
    return hub.take(name, publisher), publisher


def balanced(stream: Stream) -> bool:
    return stream.meters.ledger.received == stream.meters.ledger.settled + stream.in_flight


async def test_models_change_places_between_two_frames(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with serving(tmp_path_factory) as (hub, log):
        stream, publisher = taken(hub, "door")
        log.held.add("a")
        stream.put(picture_of(0, "door"))
        await until(lambda: len(log.turns) == 1)
        await hub.change(stream, {"model": "b"})
        stream.put(picture_of(1, "door"))  # while the old model still has the one before
        assert stream.model.worker.model_name == "a"
        assert hub.model_switch.in_force(stream).model == "b"
        log.go.release()
        await until(lambda: stream.meters.ledger.delivered == 2)
        assert publisher.models == [(0, "a"), (1, "b")]
        assert publisher.answers == {0: 1, 1: 1}
        assert balanced(stream)


async def test_a_stream_without_a_frame_changes_at_once_and_others_stay(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with serving(tmp_path_factory) as (hub, log):
        (one, _), (other, told) = taken(hub, "one"), taken(hub, "other")
        await hub.change(one, {"model": "b"})
        assert (one.model.worker.model_name, other.model.worker.model_name) == ("b", "a")
        other.put(picture_of(0, "other"))
        await until(lambda: other.meters.ledger.delivered == 1)
        assert told.models == [(0, "a")]
        await hub.change(other, {"model": "b"})
        assert other.model.worker is one.model.worker, "one instance serves all"
        assert log.loads == {"a": 1, "b": 1}


async def test_where_loading_fails_the_old_model_stays_and_who_asked_is_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with serving(tmp_path_factory) as (hub, _):
        stream, publisher = taken(hub, "door")
        with pytest.raises(ModelError, match=r"^broken: no model at all$"):
            await hub.change(stream, {"model": "broken", "confidence": 0.7})
        assert stream.model.failed is not None
        assert stream.model.failed.message == "broken: no model at all", "without the folder"
        assert hub.model_switch.in_force(stream).confidence == 0.25, "all or nothing"
        stream.put(picture_of(0, "door"))
        await until(lambda: stream.meters.ledger.delivered == 1)
        assert publisher.models == [(0, "a")]
        await hub.change(stream, {"model": "c"})
        assert stream.model.failed is None
        assert [one.key.name for one in hub.pool.models] == ["a", "c"]


async def test_a_newer_change_wins(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with serving(tmp_path_factory) as (hub, log):
        stream, _ = taken(hub, "door")
        log.slow.add("b")
        first = asyncio.create_task(hub.change(stream, {"model": "b"}))
        await until(lambda: log.loads["b"] == 1)
        assert stream.model.pending is not None
        assert stream.model.pending.key.name == "b"
        other, _ = taken(hub, "other")
        stream.put(picture_of(0, "door"))
        other.put(picture_of(0, "other"))
        await until(lambda: stream.meters.ledger.delivered == other.meters.ledger.delivered == 1)
        await hub.change(stream, {"confidence": 0.6})  # which needs no model and does not wait for one
        assert not first.done()
        second = asyncio.create_task(hub.change(stream, {"model": "c"}))
        with pytest.raises(Superseded):
            await first
        log.loaded.release()
        await second
        now = hub.model_switch.in_force(stream)
        assert (now.model, now.confidence) == ("c", 0.6)
        assert (stream.model.pending or stream.model.failed) is None


async def test_what_nobody_waits_for_any_more_is_let_go(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with serving(tmp_path_factory) as (hub, log):
        stream, _ = taken(hub, "door")
        log.slow.add("b")
        waiting = [asyncio.create_task(hub.change(stream, {"model": "b"}))]
        await until(lambda: log.loads["b"] == 1)
        waiting.append(asyncio.create_task(hub.change(stream, {"model": "c"})))
        await asyncio.sleep(0)
        await hub.change(stream, {"model": None})
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in told] == [Superseded, Superseded]
        log.loaded.release()
        await until(lambda: len(hub.pool.models) == 1)


async def test_a_model_that_hangs_is_not_waited_for(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path_factory) as (hub, log):
        stream, publisher = taken(hub, "door")
        log.held.add("a")
        stream.put(picture_of(0, "door"))
        await until(lambda: len(log.turns) == 1)
        await hub.change(stream, {"model": "b"})
        monkeypatch.setattr(worker, "STUCK_S", 0.01)
        await until(lambda: stream.model.worker.model_name == "b")
        stream.put(picture_of(1, "door"))
        await until(lambda: stream.meters.ledger.delivered == 1)
        log.go.release()
        await until(lambda: stream.meters.ledger.delivered == 2)
        assert publisher.models == [(1, "b"), (0, "a")]
        assert balanced(stream)


async def test_streams_that_share_a_model_are_asked_for_apart(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with serving(tmp_path_factory, conf=0.3) as (hub, log):
        (one, first), (other, second) = taken(hub, "one"), taken(hub, "other")
        await hub.change(one, {"confidence": 0.6, "iou": 0.7, "max_detections": 5, "classes": ["dog"]})
        for stream in (one, other):
            stream.put(picture_of(0, stream.name))
            await until(lambda: stream.meters.ledger.delivered == 1)  # noqa: B023
        assert log.asked == [Options(0.6, 0.7, 5), Options(0.3, 0.45, 100)]
        names = [[row.class_name for row in told.results[0].detections] for told in (first, second)]
        assert names == [["dog"], ["cat", "dog"]]
        assert [len(told.results[0].prediction.objects) for told in (first, second)] == [1, 2]
        assert one.meters.seen() == {0: 1.0, 1: 1.0}, "what is not shown is counted all the same"


async def test_classes_go_along_by_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with serving(tmp_path_factory) as (hub, _):
        stream, _ = taken(hub, "door")
        await hub.change(stream, {"classes": [0, "dog"]})
        assert hub.model_switch.in_force(stream).classes == ["cat", "dog"]
        await hub.change(stream, {"model": "b"})
        assert hub.model_switch.in_force(stream).classes == ["cat"]
        await hub.change(stream, {"model": "c"})
        assert hub.model_switch.in_force(stream).classes is None, "none of them is left"
        await hub.change(stream, {"classes": []})
        await hub.change(stream, {"model": "a"})
        assert hub.model_switch.in_force(stream).classes == []
        with pytest.raises(BadSetting, match="classes: got 'dragon'; expected labels or ids of the model b: cat, cow"):
            await hub.change(stream, {"model": "b", "classes": ["dragon"]})
        assert hub.model_switch.in_force(stream).model == "a"


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


def calls(monkeypatch: pytest.MonkeyPatch, name: str) -> list[float]:
    """A list that grows whenever a pool's method is called."""
    method = getattr(ModelPool, name)
    times: list[float] = []

    def counted(pool: ModelPool, *given: Any) -> Any:
        times.append(time.monotonic())
        return method(pool, *given)

    monkeypatch.setattr(ModelPool, name, counted)
    return times


async def more(times: list[float], count: int) -> None:
    """Wait until a list has grown by so many."""
    before = len(times)
    await until(lambda: len(times) >= before + count)


async def test_what_the_operator_chose_for_a_stream(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = calls(monkeypatch, "_tidy")
    chosen = {"door": {"model": "b", "classes": ["cow"], "confidence": 0.4}}
    async with serving(tmp_path_factory, streams=chosen, model_grace=0) as (hub, log):
        await until(lambda: log.loads["b"] == 1 and hub.pool.models[1].worker.model is not None)
        stream, publisher = taken(hub, "door")
        assert hub.model_switch.in_force(stream).model == "b", "from its first frame on"
        stream.put(picture_of(0, "door"))
        await until(lambda: stream.meters.ledger.delivered == 1)
        assert [row.class_name for row in publisher.results[0].detections] == ["cow"]
        await hub.change(stream, {"model": "a"})
        await more(rounds, 2)
        assert log.closed == {}, "it is kept for the next camera"


class Sized(Watched):
    """Takes any input size; its time grows with it."""

    def __init__(self, side: int, log: Log) -> None:
        super().__init__("a", log)
        self.side = side

    @property
    def input_size(self) -> tuple[int, int]:
        return self.side, self.side

    @property
    def stride(self) -> int:
        return 32

    def found(self, images: Sequence[Image], streams: Sequence[str], options: Sequence[Options]) -> list[Prediction]:
        time.sleep(0.1 * (self.side / 640) ** 2)
        return super().found(images, streams, options)


async def test_a_slow_model_gets_a_smaller_input_but_a_person_has_the_last_word(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = calls(monkeypatch, "busy_s")  # asked for by the controller
    given = {"target_latency_ms": 60, "adaptive_imgsz": 416, "model_grace": 0}
    async with serving(tmp_path_factory, sized=True, **given) as (hub, _):
        stream, publisher = taken(hub, "door")
        begin(stream, hub.settings, sends=Knobs(5, 0.5, 640))
        adapting = asyncio.create_task(adapt(hub))
        seq = 0

        async def until_side(side: int) -> None:
            nonlocal seq
            async with asyncio.timeout(30):
                while stream.model.worker.model is None or stream.model.worker.model.input_size != (side, side):
                    now = time.monotonic()
                    stream.put(Frame("door", seq, now, now, np.zeros((8, 8, 3), np.uint8)))
                    seq += 1
                    await asyncio.sleep(0.2)

        await until_side(512)
        assert stream.adaptive.controller is not None
        controller = stream.adaptive.controller
        assert (controller.knobs.imgsz, controller.reason[:15]) == (512, "the model takes")
        await until_side(416)
        informed = publisher.informed[-1]
        assert isinstance(informed, SettingsMessage)
        assert informed.imgsz == 416, "the camera hears of it"
        assert publisher.asked == [], "the camera itself has nothing to change"
        await hub.change(stream, {"imgsz": 640})
        assert hub.model_switch.in_force(stream).imgsz == 640
        await until(lambda: stream.model.adapted.get("imgsz") is None)
        await more(rounds, 3)
        assert hub.model_switch.in_force(stream).imgsz == 640
        await until(lambda: stream.in_flight == 0)
        assert balanced(stream)
        assert all(count == 1 for count in publisher.answers.values())
        hub.release(stream, publisher)
        await until(lambda: len(hub.pool.models) == 1)
        adapting.cancel()
        await asyncio.gather(adapting, return_exceptions=True)


async def test_a_size_that_a_model_can_not_have_is_tried_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fault 22: it was tried again and again, and held up everything else meanwhile."""
    given = {"target_latency_ms": 60, "adaptive_imgsz": 416, "model_grace": 0}
    async with serving(tmp_path_factory, sized=True, **given) as (hub, log):
        log.refused.add(512)
        stream, _ = taken(hub, "door")
        begin(stream, hub.settings, sends=Knobs(5, 0.5, 640))
        adapting = asyncio.create_task(adapt(hub))
        seq = 0
        async with asyncio.timeout(30):
            while hub.model_switch.in_force(stream).imgsz != 416:
                now = time.monotonic()
                stream.put(Frame("door", seq, now, now, np.zeros((8, 8, 3), np.uint8)))
                seq += 1
                await asyncio.sleep(0.1)
        assert log.tried[512] == 1
        assert hub.model_switch.refused_sides(stream) == {512}
        adapting.cancel()
        await asyncio.gather(adapting, return_exceptions=True)


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
    assert seen[-1] < seen[1] * 1.05, [round(rss / 2**20) for rss in seen]


def load_heavy(key: ModelKey) -> Model:
    """The graph is of no family: it is opened, and the model that it belongs to finds what moves."""
    model = load_model("motion")
    if key.name == "big":
        model.engine = onnx.open(Path(key.spec), threads=1)
    return model
