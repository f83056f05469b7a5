"""Many models in one server: who has which, and how they change places. The real hub, pool and workers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest

from sightline.core.errors import BadSetting, ModelError, Superseded
from sightline.core.types import Frame
from sightline.inference import worker
from sightline.inference.pool import ModelPool
from sightline.models.base import Options
from sightline.streams.adaptive.knobs import Knobs
from sightline.streams.adaptive.service import adapt, begin
from sightline.wire.messages import SettingsMessage
from support.streams import balanced, picture_of, until
from support.watched_models import serving, taken


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
