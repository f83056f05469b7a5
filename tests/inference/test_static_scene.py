"""Static scenes: what counts as still, and what then reaches the camera and its viewers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sightline import AsyncClient
from sightline.analytics.base import Pipeline
from sightline.core.types import Encoded, Frame, FrameResult, Image
from sightline.inference.infer import infer
from sightline.inference.outcomes import Batch
from sightline.inference.place import InferenceOptions, Outcome, Request
from sightline.inference.static_scene import LEVELS, LastResults, StaticScenes, difference, thumbnail
from sightline.media import codecs
from sightline.models.base import Model, Options
from sightline.zoo import loader
from support.made_graph import MakeGraph
from support.serving import Json, Running, peer, picture, serving
from support.tcp_peer import tcp_peer

SIZE = (640, 360)


@pytest.fixture
def scene() -> Image:
    rng = np.random.default_rng(1)
    rough = rng.integers(60, 180, (12, 20, 3)).astype(np.uint8)
    return cv2.resize(rough, SIZE, interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def frame(image: Image, seq: int = 0, *, noise: float = 0, stream: str = "door") -> Frame:
    rng = np.random.default_rng(seq)
    noisy = np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
    return Frame(stream, seq, 0.0, 0.0, Encoded(codecs.encode_jpeg(noisy, 50), image.shape[1], image.shape[0]))


def with_square(image: Image, x: int, side: int = 16, levels: int = 30) -> Image:
    changed = image.astype(np.int16)
    changed[100 : 100 + side, x : x + side] += levels
    return np.clip(changed, 0, 255).astype(np.uint8)


def detector(make_graph: MakeGraph) -> Path:
    """Always finds the same two boxes; the graph takes 64x64 and looks like a YOLOv8's."""
    rows = np.zeros((6, 84), np.float32)
    rows[:4] = np.array([[20], [20], [10], [10]])
    rows[4, :2] = 0.9
    return make_graph({"output0": rows}, size=(64, 64), metadata={"names": "{0: 'cat', 1: 'dog'}"})


class Memory(NamedTuple):
    """What is known of earlier frames: where the model is, and where results are made."""

    scenes: StaticScenes
    last: LastResults


def process(
    model: Model, requests: list[Request], memory: Memory, *, gone: frozenset[str] | set[str] = frozenset()
) -> list[Outcome]:
    batch = Batch(requests, model.card, memory.last, gone)
    return batch.outcomes(infer(model, batch.asks, memory.scenes, gone=gone))


def request(model: Model, of: Frame) -> Request:
    return Request(of, InferenceOptions(model.options), Pipeline())


def results(outcomes: list[Outcome]) -> list[FrameResult]:
    found = [o for o in outcomes if isinstance(o, FrameResult)]
    assert len(found) == len(outcomes), outcomes
    return found


def test_sensor_noise_is_no_movement(scene: Image) -> None:
    first = thumbnail(frame(scene, 0, noise=6))
    worst = max(difference(first, thumbnail(frame(scene, i, noise=6))) for i in range(1, 20))
    assert 0 < worst <= LEVELS


def test_a_small_thing_that_moves_is(scene: Image) -> None:
    first = thumbnail(frame(with_square(scene, 200), 0, noise=4))
    assert difference(first, thumbnail(frame(with_square(scene, 208), 1, noise=4))) > LEVELS


def test_slow_movement_adds_up(make_graph: MakeGraph, scene: Image) -> None:
    model = loader.load_model(str(detector(make_graph)))
    memory = Memory(StaticScenes(), LastResults())
    inferred = []
    for seq in range(24):  # a pixel a frame
        (outcome,) = results(process(model, [request(model, frame(with_square(scene, 200 + seq), seq))], memory))
        if outcome.reused is None:
            inferred.append(seq)
    assert len(inferred) >= 3, "it moved by 24 pixels"
    assert len(inferred) < 24


def test_a_still_frame_gets_the_last_result_as_its_own(make_graph: MakeGraph, scene: Image) -> None:
    model = loader.load_model(str(detector(make_graph)))
    memory = Memory(StaticScenes(), LastResults())
    first, second = frame(scene, 1, noise=3), frame(scene, 2, noise=3)
    (a,) = results(process(model, [request(model, first)], memory))
    (b,) = results(process(model, [request(model, second)], memory))
    assert (a.reused, b.reused) == (None, first)
    assert (b.frame, b.detections) == (second, a.detections)
    assert set(b.stages) == {"queue", "compare"}
    (c,) = results(process(model, [request(model, frame(scene, 2, noise=3, stream="other"))], memory))
    assert c.reused is None, "streams are apart"
    model.options = Options(confidence=0.5)
    (d,) = results(process(model, [request(model, frame(scene, 3, noise=3))], memory))
    assert d.reused is None, "with another threshold it may see something else"
    (e,) = results(process(model, [request(model, frame(scene, 4, noise=3))], memory, gone={"door"}))
    assert e.reused is None, "a camera that comes back starts anew"


def test_another_size_is_another_picture(make_graph: MakeGraph, scene: Image) -> None:
    model = loader.load_model(str(detector(make_graph)))
    memory = Memory(StaticScenes(), LastResults())
    half = cv2.resize(scene, (SIZE[0] // 2, SIZE[1] // 2)).astype(np.uint8)
    found = [
        results(process(model, [request(model, frame(i, n))], memory))[0]
        for n, i in enumerate((scene, half, half, scene))
    ]
    assert [r.reused is not None for r in found] == [False, False, True, False]


def test_a_broken_picture_fails_alone_and_is_not_remembered(make_graph: MakeGraph, scene: Image) -> None:
    model = loader.load_model(str(detector(make_graph)))
    memory = Memory(StaticScenes(), LastResults())
    broken = Frame("door", 1, 0.0, 0.0, Encoded(b"\xff\xd8\xff no", *SIZE))
    assert not isinstance(process(model, [request(model, broken)], memory)[0], FrameResult)
    (good,) = results(process(model, [request(model, frame(scene, 2))], memory))
    assert good.reused is None


def test_motion_sees_every_frame(scene: Image) -> None:
    model, memory = loader.load_model("motion"), Memory(StaticScenes(), LastResults())
    for seq in range(4):
        (outcome,) = results(process(model, [request(model, frame(scene, seq))], memory))
        assert outcome.reused is None


@given(st.integers(1, 64), st.integers(1, 64), st.integers(0, 255))
def test_thumbnails_of_any_size_are_of_one_kind(width: int, height: int, level: int) -> None:
    image: NDArray[np.uint8] = np.full((height, width, 3), level, np.uint8)
    encoded = thumbnail(Frame("a", 0, 0.0, 0.0, Encoded(codecs.encode_jpeg(image), width, height)))
    raw = thumbnail(Frame("a", 0, 0.0, 0.0, image))
    assert encoded.shape == raw.shape == (-(-height // 8), -(-width // 8))
    assert difference(encoded, raw) <= 3


# A real server


@pytest_asyncio.fixture
async def server(make_graph: MakeGraph) -> AsyncIterator[Running]:
    async with serving("--model", str(detector(make_graph)), "--engine", "onnx", "--tcp-port", "0") as s:
        yield s


def exact(stream: Json) -> bool:
    return bool(stream["received"] == stream["delivered"] and not stream["dropped"] and not stream["in_flight"])


async def test_viewers_hear_of_a_still_picture_but_get_it_once(server: Running) -> None:
    view = f"{server.ws}/ws/view/door"
    async with peer(f"{server.ws}/ws/camera/door") as camera, peer(f"{view}?still=1") as page, peer(view) as simple:
        await page.next("status")
        await simple.next("status")
        for seq in range(5):
            await camera.send_frame(seq, picture(0))
            answer, _ = await camera.next("result")
            assert answer.get("reused", False) == (seq > 0)
            assert answer["detections"]
            told, data = await page.next("frame_metadata", "still")
            assert (told["type"], told["frameNumber"]) == ("frame_metadata" if seq == 0 else "still", seq)
            assert (data is None) == (seq > 0)
            plain, data = await simple.next("frame_metadata", "still")
            assert (plain["type"], plain.get("reused", False)) == ("frame_metadata", seq > 0)
            assert data, "who didn't ask for less gets every picture"
        async with peer(f"{view}?still=1") as late:
            await late.next("status")
            await camera.send_frame(5, picture(0))
            _, data = await late.next("frame_metadata")
            assert data == picture(0), "who comes while nothing moves sees the picture, too"
        await camera.next("result")
        await camera.send_frame(6, picture(1))
        answer, _ = await camera.next("result")
        assert "reused" not in answer
        await page.next("frame_metadata")
        assert exact(await server.stream("door")), "a reused frame is a delivered one"


async def test_subscribers_have_a_still_picture_though_it_is_sent_once(server: Running) -> None:
    async with (
        peer(f"{server.ws}/ws/camera/door") as camera,
        tcp_peer(server.tcp) as plain,
        AsyncClient(server.tcp) as over_tcp,
        AsyncClient(server.ws) as over_ws,
    ):
        await plain.send({"type": "subscribe", "stream": "door", "pictures": True, "still": True})
        feeds = [client.subscribe("door", pictures=True) for client in (over_tcp, over_ws)]
        waiting = [asyncio.create_task(anext(feed)) for feed in feeds]
        await server.until(lambda s: s["streams"].get("door", {}).get("viewers") == 3)
        for seq, seed in enumerate((0, 0, 0, 1)):
            still = seq in (1, 2)
            await camera.send_frame(seq, picture(seed))
            for shown in await asyncio.gather(*waiting):
                assert (shown.seq, shown.picture, shown.reused) == (seq, picture(seed), still)
                assert len(shown.detections) == 1
            told = await plain.next("result")
            assert (told["seq"], "data" in told, told.get("reused", False)) == (seq, not still, still)
            await camera.next("result")
            waiting = [asyncio.create_task(anext(feed)) for feed in feeds]
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


async def test_it_can_be_turned_off(make_graph: MakeGraph) -> None:
    async with (
        serving("--model", str(detector(make_graph)), "--engine", "onnx", "--no-static-skip") as server,
        peer(f"{server.ws}/ws/camera/door") as camera,
    ):
        for seq in range(3):
            await camera.send_frame(seq, picture(0))
            answer, _ = await camera.next("result")
            assert "reused" not in answer


async def test_a_bad_wish_is_told(server: Running) -> None:
    async with peer(f"{server.ws}/ws/view/door?still=maybe") as viewer:
        assert "still=maybe" in (await viewer.refused())["message"]
