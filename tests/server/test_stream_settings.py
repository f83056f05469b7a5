"""What is chosen for a stream, through each of its doors: a real server with models made for the test."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import BadSetting
from sightline.settings import stream as choices
from sightline.wire.json import decode_camera
from sightline.wire.requests import SettingsWish
from support.made_graph import MakeGraph
from support.serving import Json, Peer, Running, peer, picture, pixels, serving
from support.streams import until
from support.tcp_peer import frame, tcp_peer

CATS = str({0: "cat", 1: "dog"})
LAND = str({0: "background", 1: "sky", 2: "road", 3: "tree"})


def detector(make_graph: MakeGraph) -> Path:
    """A cat on the left, at 0.9, and a dog on the right, at 0.6."""
    rows = np.zeros((6, 84), np.float32)
    rows[:4] = np.array([[20], [20], [10], [10]])
    rows[0, 1] = 44
    rows[4, 0], rows[5, 1] = 0.9, 0.6
    return make_graph({"output0": rows}, metadata={"names": CATS}, name="pets.onnx")


def segmenter(make_graph: MakeGraph) -> Path:
    """A class in every quarter of the picture; takes any size."""
    logits = np.zeros((4, 16, 16), np.float32)
    for class_id, (down, across) in enumerate(((0, 0), (0, 8), (8, 0), (8, 8))):
        logits[class_id, down : down + 8, across : across + 8] = 9
    metadata = {"names": LAND, "imgsz": "64", "license": "MIT"}
    return make_graph({"logits": logits}, size=(None, None), metadata=metadata, name="land.onnx")


@pytest_asyncio.fixture
async def server(make_graph: MakeGraph, tmp_path: Path) -> AsyncIterator[Running]:
    (tmp_path / "broken.onnx").write_bytes(b"no graph at all" * 100)
    models = {"pets": detector(make_graph), "land": segmenter(make_graph), "broken": tmp_path / "broken.onnx"}
    table = "\n".join(f"{name} = {json.dumps(str(path))}" for name, path in models.items())
    streams = '[streams.yard]\nmodel = "pets"\nclasses = ["dog"]\nconfidence = 0.5\n'
    (tmp_path / "sightline.toml").write_text(f"static_skip = false\nmax_fps = 240\n[models]\n{table}\n{streams}")
    async with serving("--tcp-port", "0", "--engine", "onnx", "--adaptive", "off", cwd=tmp_path) as running:
        yield running


async def change(server: Running, **given: Any) -> Json:
    answer = await server.http.patch("/api/streams/door", json=given)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def refused(server: Running, status: int, **given: Any) -> Json:
    answer = await server.http.patch("/api/streams/door", json=given)
    assert answer.status_code == status, answer.text
    return dict(answer.json()["error"])


async def found(camera: Peer, seq: int) -> tuple[Json, bytes | None]:
    await camera.send_frame(seq)
    return await camera.next("result")


async def test_the_api(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/door") as camera, peer(f"{server.ws}/ws/view/door") as viewer:
        hello, _ = await camera.next("hello")
        assert hello["model"] == "motion"

        wrong = await refused(server, 422, confidence=2)
        assert (wrong["code"], wrong["key"], wrong["got"]) == ("bad_setting", "confidence", "2")
        assert wrong["expected"] == "a number above 0 and below 1"
        assert wrong["message"] == "confidence: got 2; expected a number above 0 and below 1"
        for key, value in (
            ("iou", 0), ("max_detections", 0.5), ("imgsz", 10_000), ("classes", "cat"), ("engine", "nothing"),
            ("model", "/etc/passwd"), ("priority", 1000), ("confidence", True), ("confidence", "0.5"),
        ):  # fmt: skip
            assert (await refused(server, 422, **{key: value}))["key"] == key
        unknown = await refused(server, 422, colour="red")
        assert (unknown["key"], unknown["expected"][:31]) == ("colour", "one of the keys model, engine, ")
        lacking = await refused(server, 422, model="fast")
        assert "sightline models pull fast" in lacking["message"], "nothing is fetched because a peer said so"
        failed = await refused(server, 503, model="broken", confidence=0.9)
        assert failed["message"].startswith("broken: ONNX Runtime can't read it")
        stream = await server.get("/api/streams/door")
        assert stream["switch_failed"]["model"] == "broken"
        assert (stream["settings"]["model"], stream["settings"]["confidence"]) == ("motion", 0.25), "nothing changed"

        stream = await change(server, model="pets", max_detections=7)
        assert stream["settings"] == {
            "model": "pets", "engine": "onnx", "device": "cpu", "imgsz": 64, "confidence": 0.25, "iou": 0.45,
            "max_detections": 7, "classes": None, "track": True, "track_lost_s": 2.0, "track_confirm": 2,
            "object_events": False,
        }  # fmt: skip
        assert (stream["labels"], stream["task"], stream["imgsz_changeable"]) == (["cat", "dog"], "detect", False)
        assert (stream["pending"], stream["switch_failed"]) == (None, None)
        answer, _ = await found(camera, 0)
        assert answer["model"] == "pets"
        assert [row["class_name"] for row in answer["detections"]] == ["cat", "dog"]

        assert (await refused(server, 422, imgsz=128))["expected"].startswith("null, as the model pets has 64x64")
        assert (await refused(server, 422, engine="torch"))["expected"].startswith("auto or onnx"), "it runs no graphs"
        assert "labels or ids of the model pets: cat, dog" in (await refused(server, 422, classes=["cow"]))["message"]
        await change(server, classes=["dog"])
        answer, _ = await found(camera, 1)
        assert [(row["class_id"], row["class_name"]) for row in answer["detections"]] == [(1, "dog")]
        seen = (await server.get("/api/streams/door"))["seen"]
        assert [(row["class_name"], row["count"], row["share"]) for row in seen] == [("cat", 1, None), ("dog", 1, None)]
        await change(server, confidence=0.7)
        answer, _ = await found(camera, 2)
        assert answer["detections"] == []
        stream = await change(server, classes=None, confidence=None, max_detections=1)
        assert stream["settings"]["confidence"] == 0.25
        answer, _ = await found(camera, 3)
        assert [row["class_name"] for row in answer["detections"]] == ["cat"]

        # A segmentation's classes go from words and pixels alike
        stream = await change(server, model="land", classes=["sky", 2])
        assert stream["settings"]["classes"] == ["sky", "road"]
        assert (stream["imgsz_changeable"], stream["stride"]) == (True, 32)
        answer, mask = await found(camera, 4)
        shares = {segment["class_name"]: segment["share"] for segment in answer["segments"]}
        assert shares == {"sky": pytest.approx(0.25, abs=0.02), "road": pytest.approx(0.25, abs=0.02)}
        assert mask is not None
        values = pixels(mask, grey=True)
        assert np.unique(values).tolist() == [1, 2, 255]
        while True:
            told, data = await viewer.next("frame_metadata")
            if told["frameNumber"] == 4:
                break
        assert data is not None
        assert np.array_equal(pixels(data[told["jpeg_bytes"] :], grey=True), values)
        shown = pixels(
            (await server.http.get("/snapshot/door.jpg", params={"mode": "filled", "opacity": "100"})).content
        )
        plain = pixels(picture(4))
        height, width = plain.shape[:2]
        changed = np.abs(shown.astype(int) - plain).max(axis=2) > 40
        quarters = [
            changed[20:60, 20:140],
            changed[20:60, 180:300],
            changed[110:170, 20:140],
            changed[110:170, 180:300],
        ]
        assert (height, width) == (180, 320)
        assert [bool(q.mean() > 0.9) for q in quarters] == [False, True, True, False]
        seen = (await server.get("/api/streams/door"))["seen"]
        assert {row["class_name"] for row in seen} == {"background", "sky", "road", "tree"}
        assert sum(row["share"] for row in seen) == pytest.approx(1, abs=0.01)

        assert (await refused(server, 422, imgsz=100))["expected"] == "a multiple of 32 from 64 to 2048"
        assert (await change(server, imgsz=128))["settings"]["imgsz"] == 128
        answer, _ = await found(camera, 5)
        assert answer["segments"]
        stats = await server.get("/stats")
        assert {(m["name"], m["imgsz"]) for m in stats["models"]} >= {("motion", None), ("land", 64), ("land", 128)}
        assert (await server.http.get("/metrics")).text.count(
            'sightline_stream_model{model="land",stream="door"} 1'
        ) == 1
        stream = await change(server, model=None)
        assert (stream["model"], stream["settings"]["imgsz"]) == ("motion", None)
        assert stream["received"] == stream["delivered"] == 6


async def test_detection_is_switched_off_and_on(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/door") as camera, peer(f"{server.ws}/ws/view/door") as viewer:
        await camera.send_frame(0)
        await camera.next("result")
        assert (await change(server, detect=False))["detect"] is False
        await camera.send_frame(1)
        answer, _ = await camera.next("result", "dropped")
        assert (answer["type"], answer["reason"]) == ("dropped", "unwatched")
        while (told := (await viewer.next("status"))[0]).get("reason") != "detection is switched off":
            assert told["state"] in ("live", "waiting", "ready")
        assert (await refused(server, 422, detect="off"))["expected"] == "true or false"
        assert (await change(server, detect=None))["detect"] is True
        await camera.send_frame(2)
        await camera.next("result")


async def test_models_that_may_be_chosen(server: Running) -> None:
    await server.until(lambda stats: {m["name"]: m["state"] for m in stats["models"]}.get("pets") == "ready")
    answer = await server.get("/api/models")
    models = {m["name"]: m for m in answer["models"]}
    assert "onnx" in answer["engines"]
    assert [name for name, m in models.items() if m["active"]] == ["motion"]
    assert (models["pets"]["usable"], models["pets"]["labels"]) == (True, ["cat", "dog"]), "the yard has loaded it"
    assert (models["land"]["usable"], models["land"]["task"]) == (True, ""), "never loaded"
    assert not models["fast"]["usable"]
    assert "sightline models pull fast" in models["fast"]["reason"]
    assert models["accurate"]["licence_note"], "non-commercial"
    assert "/" not in models["pets"]["source"], "the operator's folders concern nobody"


async def test_a_cameras_message(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/door") as camera:

        async def say(**given: Any) -> Json:
            await camera.ws.send(json.dumps({"type": "settings"} | given))
            message, _ = await camera.next("settings", "settings_refused", "error")
            return message

        now = await say()
        assert (now["type"], now["stream"], now["model"], now["classes"]) == ("settings", "door", "motion", None)
        for given, key in (
            ({"confidence": "high"}, "confidence"), ({"imgsz": {}}, "imgsz"), ({"model": ["pets"]}, "model"),
            ({"model": "../pets.onnx"}, "model"), ({"classes": [True]}, "classes"), ({"classes": ["cow"]}, "classes"),
        ):  # fmt: skip
            wrong = await say(**given)
            assert (wrong["type"], wrong["code"], wrong["key"]) == ("settings_refused", "bad_setting", key)
        assert (await say(model="broken"))["code"] == "model_failed"
        now = await say(model="pets", classes=["cat"])
        assert (now["type"], now["model"], now["classes"]) == ("settings", "pets", ["cat"])
        answer, _ = await found(camera, 0)
        assert [row["class_name"] for row in answer["detections"]] == ["cat"]
        await change(server, confidence=0.5)
        told, _ = await camera.next("settings")
        assert told["confidence"] == 0.5, "a camera hears of what others change"
        wrong = await say(confidence=0.6, track_lost_s=0)
        assert (wrong["key"], (await say())["confidence"]) == ("track_lost_s", 0.5), "all of it or nothing"
        now = await say(confidence=0.6, track_lost_s=5, object_events=True)
        assert (now["confidence"], now["track"], now["track_lost_s"], now["object_events"]) == (0.6, True, 5.0, True)
        assert (await say(track_lost_s=None))["track_lost_s"] == 2.0
        await change(server, track=False)
        told, _ = await camera.next("settings")
        assert told["track"] is False
    async with peer(f"{server.ws}/ws/camera/yard") as camera:
        hello, _ = await camera.next("hello")
        assert hello["model"] == "pets", "as the operator's file says"
        answer, _ = await found(camera, 0)
        assert [row["class_name"] for row in answer["detections"]] == ["dog"]

    async with tcp_peer(server.tcp) as program:
        await program.send({"type": "settings", "stream": "shop", "model": "pets"})
        wrong = await program.next("settings_refused")
        assert wrong["stream"] == "shop"
        assert "does not publish" in wrong["message"]
        await program.publish("shop", 1)
        await program.send({"type": "settings", "stream": "shop", "confidence": None, "iou": "much"})
        assert (await program.next("settings_refused"))["key"] == "iou"
        await program.send({"type": "settings", "stream": "shop", "model": "pets", "classes": [1]})
        assert (await program.next("settings"))["classes"] == ["dog"]
        await program.send(frame("shop", 1))
        assert [row["class_name"] for row in (await program.next("result"))["detections"]] == ["dog"]


async def test_many_changes_under_load_lose_nothing(server: Running) -> None:
    """Four cameras paced by their answers; one stream changes its model 20 times, 5 times to a file that is none."""
    count = 0
    answers: dict[str, list[tuple[int, str]]] = {f"s{i}": [] for i in range(4)}
    done = asyncio.Event()

    async def camera(name: str) -> None:
        nonlocal count
        async with peer(f"{server.ws}/ws/camera/{name}") as one:
            seq = 0
            while not done.is_set():
                await one.send_frame(seq)
                message, _ = await one.next("result", "dropped")
                answers[name].append((message["frameNumber"], str(message.get("model"))))
                count += 1
                seq += 1
                await asyncio.sleep(0.01)  # at most 100 frames a second

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        stack.callback(done.set)
        for name in answers:
            tasks.create_task(camera(name))
        await server.until(lambda stats: stats["processed_frames"] > 20)
        try:
            for name in ("pets", "broken", "land", "motion") * 5:
                before = count
                answer = await server.http.patch("/api/streams/s0", json={"model": name})
                assert answer.status_code == (503 if name == "broken" else 200), answer.text
                await until(lambda: count >= before + 8)  # noqa: B023 - frames go on between one change and the next
        finally:
            done.set()
    stats = await server.until(lambda stats: not any(s["in_flight"] for s in stats["streams"].values()))
    for name, told in answers.items():
        stream = stats["streams"][name]
        assert [seq for seq, _ in told] == list(range(len(told))), "each has one answer, in order"
        assert stream["received"] == len(told)
        assert stream["received"] == stream["delivered"] + sum(stream["dropped"].values()) + stream["failed"]
        assert stream["failed"] == 0
        assert {what for _, what in told} == ({"pets", "land", "motion"} if name == "s0" else {"motion"})
        assert not stream["dropped"], "who waits for answers loses nothing, whatever goes on"


async def test_an_answer_is_of_the_model_in_force_whatever_is_under_way(server: Running) -> None:
    """Fault 23: three of ten answers had the new settings with the task and labels of the model before."""
    tasks = {"pets": "detect", "land": "segment", "motion": "detect"}
    labels = {"pets": ["cat", "dog"], "land": ["background", "sky", "road", "tree"], "motion": ["motion"]}
    done = asyncio.Event()

    async def camera() -> None:
        async with peer(f"{server.ws}/ws/camera/door") as one:
            for seq in itertools.count():
                if done.is_set():
                    return
                await one.send_frame(seq)
                await one.next("result", "dropped")

    async with asyncio.TaskGroup() as group:
        group.create_task(camera())
        try:
            await server.until(lambda stats: stats["processed_frames"] > 20)
            for name in itertools.islice(itertools.cycle(tasks), 50):
                answer = await change(server, model=name)
                shown = {row["class_name"] for row in answer["seen"]}
                told = answer["settings"]["model"], answer["model"], answer["task"], answer["labels"]
                assert told == (name, name, tasks[name], labels[name])
                assert shown <= set(labels[name])
        finally:
            done.set()


def test_another_model_brings_its_own_size_and_engine() -> None:
    old = {"model": "pets", "imgsz": 320, "engine": "onnx", "iou": 0.5}
    assert choices.merged(old, {"model": "land"}) == {"model": "land", "iou": 0.5}
    assert choices.merged(old, {"model": "land", "engine": "openvino"}) == {
        "model": "land", "engine": "openvino", "iou": 0.5,
    }  # fmt: skip
    assert choices.merged(old, {"model": "pets", "iou": None}) == {"model": "pets", "imgsz": 320, "engine": "onnx"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([
    *("model", "engine", "imgsz", "confidence", "iou", "max_detections", "classes", "type", "more"),
    *("track", "track_lost_s", "track_confirm", "object_events"),
])  # fmt: skip


@given(st.dictionaries(KEYS, json_values, max_size=8))
def test_any_message_is_taken_or_refused_in_words(given_values: dict[str, Any]) -> None:
    message = decode_camera(json.dumps(given_values | {"type": "settings"}))
    assert isinstance(message, SettingsWish)
    said = message.given()
    assert said.keys() == given_values.keys() - {"type", "more"}
    wrong = None
    try:
        wish = choices.check(said)
        taken = wish.given() | wish.tracking()
    except BadSetting as e:
        wrong, taken = e, {}
    if wrong is None:
        assert taken.keys() == said.keys()
    else:
        assert wrong.message.startswith(f"{wrong.key}: got ")
        assert wrong.expected == choices.EXPECTED[wrong.key]
    for key, low, high in (("confidence", 1e-300, 1 - 1e-16), ("iou", 0.05, 0.95), ("max_detections", 1, 300)):
        if taken.get(key) is not None:
            assert low <= taken[key] <= high


async def test_a_camera_s_figures_are_numbers_of_what_is_in_force(server: Running) -> None:
    """Fault 63: the input's longer side, and the target instead of the limit."""

    async def figures() -> tuple[str, int | None, float]:
        told = (await server.get("/api/camera/door/stats"))["processor_stats"]
        return told["model"], told["inference_size"], told["target_fps"]

    async with peer(f"{server.ws}/ws/camera/door?preset=tunnel") as camera:
        await camera.next("hello")
        assert await figures() == ("motion", None, 15)
        await change(server, max_fps=7, model="land", imgsz=96)
        assert await figures() == ("land", 96, 7)
