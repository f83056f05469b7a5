"""A thread and a process give the same results, to the last bit; and nothing that a process says harms the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import psutil
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from sightline.analytics.base import Pipeline, Stage, Staged
from sightline.core.errors import ModelError
from sightline.core.predictions import Detections, Prediction, Segmentation
from sightline.core.types import Encoded, Frame, FrameResult, Image, ModelCard
from sightline.inference.infer import Inferred, NotInferred
from sightline.inference.outcomes import FEW
from sightline.inference.place import InferenceOptions, NotBegun, Place, Request
from sightline.inference.places.messages import (
    AnswersMessage,
    InferredMessage,
    LoadRequest,
    from_process,
    kind_of,
    packed,
)
from sightline.inference.places.model_process import ModelProcess, answer_of
from sightline.inference.places.process import ProcessPlace
from sightline.inference.places.thread import ThreadPlace
from sightline.inference.static_scene import LastResults
from sightline.media import codecs
from sightline.models.base import Options
from sightline.zoo import loader
from sightline.zoo.options import LoadOptions

OPTIONS = LoadOptions(engine="onnx", threads=1)


@asynccontextmanager
async def both(spec: str) -> AsyncGenerator[tuple[Place, Place]]:
    """The same model in a thread and in a process, loaded."""
    # SINet names no classes, so that its kind is to be said.
    options = replace(OPTIONS, family="semantic" if "SINet" in spec else None)
    first = LoadRequest(spec, Path(spec).stem, options, static_skip=True, memory_bytes=None, log_level=20)
    places: list[Place] = [
        ThreadPlace(lambda: loader.load_model(spec, options), LastResults()),
        ProcessPlace(first, LastResults(), load_s=60),
    ]
    try:
        facts = [await place.load() for place in places]
        assert facts[0] == facts[1], "the server knows the same of it"
        yield places[0], places[1]
    finally:
        for place in places:
            place.close()
        for place in places:
            await place.closed()


async def outcome(place: Place, image: Encoded | Image, seq: int, stages: tuple[str, ...] = ()) -> FrameResult:
    frame = Frame("door", seq, 1.0, time.monotonic(), image)
    (one,) = await place.run([Request(frame, InferenceOptions(Options(0.2)), Pipeline.of(stages))])
    assert isinstance(one, FrameResult), one
    return one


def same(a: FrameResult, b: FrameResult) -> None:
    assert (a.detections, a.segments, a.seen, a.mask_png) == (b.detections, b.segments, b.seen, b.mask_png)
    assert (a.reused is None) == (b.reused is None)
    assert set(a.stages) == set(b.stages)
    assert type(a.prediction) is type(b.prediction)
    assert a.extras == b.extras


@pytest.mark.parametrize("name", ["yolox_nano", "yolov8n-seg_320_int8", "SINet"])
async def test_results_are_the_same(assets: Path, name: str) -> None:
    """JPEGs and pixels of two sizes, one of them twice, as a picture that has not changed."""
    picture = cv2.imread(str(assets / "images" / "bus.jpg"))
    assert picture is not None
    images: list[Image] = [cv2.resize(picture, size).astype(np.uint8) for size in ((640, 360), (320, 480))]
    jpegs = [Encoded(codecs.encode_jpeg(image), image.shape[1], image.shape[0]) for image in images]
    sideways = codecs.encode_jpeg(np.ascontiguousarray(np.rot90(images[1])))  # 6 turns it back
    turned = Encoded(sideways[:-2], images[1].shape[1], images[1].shape[0], orientation=6, damaged=True)
    async with both(str(assets / "models" / f"{name}.onnx")) as (thread, process):
        shown: list[Encoded | Image] = [jpegs[0], jpegs[0], images[0], jpegs[1], turned, images[1], images[1]]
        for seq, image in enumerate(shown):
            found = [await outcome(place, image, seq, ("counts",)) for place in (thread, process)]
            same(*found)
            assert found[0].detections or found[0].segments, "there is something to compare"


async def test_two_batches_under_way_are_answered_in_order() -> None:
    async with both("motion") as (_, process):
        images = [np.full((48 + 8 * i, 64, 3), 40 * i, np.uint8) for i in range(6)]
        for first in range(0, 6, 2):
            found = await asyncio.gather(*(outcome(process, images[i], i) for i in (first, first + 1)))
            assert [one.frame.seq for one in found] == [first, first + 1]


@pytest.mark.parametrize("turns", range(5))
def test_a_batch_for_a_process_that_died_unnoticed_is_not_begun(turns: int) -> None:
    """The loop has not heard of its death: writing fails, and so many turns later another batch comes."""

    async def dies() -> None:
        first = LoadRequest("motion", "motion", OPTIONS, static_skip=False, memory_bytes=None, log_level=20)
        place = ProcessPlace(first, LastResults(), load_s=60)
        await place.load()
        assert place.pid is not None
        os.kill(place.pid, signal.SIGKILL)
        with contextlib.suppress(psutil.NoSuchProcess):
            while psutil.Process(place.pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.001)  # noqa: ASYNC251 - the loop must not hear of it
        jpeg = Encoded(codecs.encode_jpeg(np.zeros((48, 64, 3), np.uint8)), 64, 48)

        async def later() -> FrameResult:
            for _ in range(turns):
                await asyncio.sleep(0)
            try:
                return await outcome(place, jpeg, 1)
            except NotBegun:
                assert place.dead == "the model's process was killed by SIGKILL", "who asks again waits for the next"
                raise

        one, other = await asyncio.gather(outcome(place, jpeg, 0), later(), return_exceptions=True)
        assert type(one) in (ModelError, NotBegun), one
        assert type(other) is NotBegun, other
        place.close()
        await place.closed()

    uvloop.run(dies())


class Where(Stage):
    """Says nothing, and remembers whether the event loop called it."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self.on_loop: list[bool] = []

    def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Staged:
        self.on_loop.append(threading.current_thread() is threading.main_thread())
        return Staged()


@pytest.mark.parametrize(
    ("quick", "rows", "on_loop"), [(True, 0, True), (True, FEW, True), (True, FEW + 1, False), (False, 1, False)]
)
async def test_only_what_is_quick_is_done_on_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, quick: bool, rows: int, on_loop: bool
) -> None:
    stage = Where(quick=quick)
    said = Inferred(Detections(np.ones((rows, 4), "f4"), np.ones(rows, "f4"), np.zeros(rows, "i4")), {}, 0.0)

    async def ask(*_: object) -> tuple[list[Inferred], float]:
        return [said], 0.01

    monkeypatch.setattr(ModelProcess, "ask", ask)
    async with both("motion") as (_, process):
        frame = Frame("door", 1, 1.0, time.monotonic(), np.zeros((48, 64, 3), np.uint8))
        await process.run([Request(frame, InferenceOptions(), Pipeline({"where": stage}))])
    assert stage.on_loop == [on_loop]


NUMBERS = arrays.arrays(
    st.sampled_from([np.uint8, np.int32, np.int64, np.float32, np.float64, np.bool_]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)


@given(NUMBERS)
def test_arrays_arrive_as_they_were(values: NDArray[Any]) -> None:
    said = AnswersMessage((InferredMessage("x", {"values": values}, {}, 0.0),), 0)
    back = from_process.decode(packed(said)[4:])
    assert isinstance(back, AnswersMessage)
    (one,) = back.answers
    assert isinstance(one, InferredMessage)
    got = one.fields["values"]
    assert (got.dtype, got.shape) == (values.dtype, values.shape)
    assert got.tobytes() == values.tobytes()
    assert got.flags.writeable


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_bytes_of_a_process_gone_wild_are_an_error_and_no_more(data: bytes, body: bytes) -> None:
    extension = msgspec.msgpack.encode({"type": "answers", "answers": [], "peak_bytes": msgspec.msgpack.Ext(1, body)})
    fields: dict[str, Any] = {"type": "inferred", "kind": "x", "stages": {}, "started": 0.0}
    fields["fields"] = {"values": msgspec.msgpack.Ext(1, body)}
    nested = msgspec.msgpack.encode({"type": "answers", "answers": [fields], "peak_bytes": 0})
    for attempt in (data, extension, nested):
        process = ModelProcess(lambda _: None)
        process.data_received(len(attempt).to_bytes(4, "big") + attempt)  # raises nothing


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("os:system", {"command": "true"}),
        ("builtins:dict", {}),
        (kind_of(Detections), {"xyxy": 1}),
        (kind_of(Detections), {"unknown": 1}),
        (kind_of(Segmentation), {}),
        ("sightline.core.predictions:Prediction", {}),
    ],
)
def test_only_known_predictions_are_made_of_its_words(kind: str, values: dict[str, Any]) -> None:
    assert isinstance(answer_of(InferredMessage(kind, values, {}, 0.0)), NotInferred)


def test_a_prediction_crosses_as_it_is() -> None:
    rows = Detections(np.ones((2, 4), np.float32), np.ones(2, np.float32), np.zeros(2, np.int32), labels=("a", "b"))
    values = {name: getattr(rows, name) for name in ("xyxy", "confidence", "class_id", "tracker_id", "mask", "labels")}
    said = from_process.decode(packed(AnswersMessage((InferredMessage(kind_of(Detections), values, {}, 0.0),), 0))[4:])
    assert isinstance(said, AnswersMessage)
    back = answer_of(said.answers[0])
    assert isinstance(back, Inferred)
    assert isinstance(back.prediction, Detections)
    assert back.prediction.labels == ("a", "b")
    assert np.array_equal(back.prediction.xyxy, rows.xyxy)
