"""Frames that a camera's own browser has inferred: what the server makes of them, and which models pages may have."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import httpx2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.analytics.base import Pipeline
from sightline.core.errors import ProtocolError
from sightline.core.predictions import Detections, Segmentation
from sightline.core.types import Encoded, Frame, ModelCard
from sightline.inference.client_results import result_of
from sightline.media import codecs
from sightline.wire.requests import PageDetection, PageResults
from support.serving import Json, peer, picture, serving

ROOT = Path(__file__).resolve().parents[2]
CARD = ModelCard("painter", "semantic", "segment", ("background", "person"), (64, 64), "MIT", "here")
FRAME = Frame("hall", 3, 0.0, 0.0, Encoded(b"", 64, 48))
ROW = {"class_id": 0, "confidence": 0.9, "xyxy": [20, 60, 70.5, 120]}


def said(**more: Any) -> PageResults:
    return PageResults("painter", "wasm", 2, 9.5, **more)


def test_boxes_become_what_the_model_would_have_said() -> None:
    made = result_of(FRAME, said(detections=(PageDetection(1, 0.5, (1, 2, 70, 40)),)), None, CARD, Pipeline())
    assert isinstance(made.prediction, Detections)
    assert made.prediction.xyxy.tolist() == [[1, 2, 64, 40]], "clipped to the picture"
    assert [(row.class_name, row.confidence) for row in made.detections] == [("person", 0.5)]
    assert (made.browser, made.processing_time_ms, made.mask_png) == ("wasm, 2 threads", 9.5, None)


def test_a_map_of_classes_is_counted_here_whatever_the_page_says_of_it() -> None:
    ids = np.zeros((12, 16), np.uint8)
    ids[:3] = 1
    made = result_of(FRAME, said(mask_bytes=1), codecs.encode_mask(ids), CARD, Pipeline())
    assert isinstance(made.prediction, Segmentation)
    assert [(s.class_name, s.share) for s in made.segments] == [("background", 0.75), ("person", 0.25)]
    assert made.mask_png is not None
    assert (codecs.decode_mask(made.mask_png) == ids).all()


def test_an_alpha_comes_with_the_map_and_goes_on() -> None:
    """Fault 28, for what a camera's page has found."""
    ids, alpha = np.array([[0, 1]], np.uint8), np.array([[0, 85, 170, 255]], np.uint8)
    made = result_of(FRAME, said(mask_bytes=1), codecs.encode_mask(ids, alpha), CARD, Pipeline())
    assert isinstance(made.prediction, Segmentation)
    assert made.mask_png is not None
    for found in (made.prediction.alpha, codecs.decode_alpha(made.mask_png)):
        assert found is not None
        np.testing.assert_array_equal(found, alpha)
    more = replace(CARD, labels=("background", "person", "cat"))
    with pytest.raises(ProtocolError, match="an alpha of 3 classes: expected one only for a model with two"):
        result_of(FRAME, said(mask_bytes=1), codecs.encode_mask(ids, alpha), more, Pipeline())


PNG = codecs.encode_mask(np.full((4, 4), 2, np.uint8))
COLOURED = bytes(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1])
BIG = np.zeros((2048, 2048), np.uint8)
LARGE = codecs.encode_mask(BIG)


@pytest.mark.parametrize(
    ("results", "mask", "why"),
    [
        (said(detections=(PageDetection(2, 0.5, (1, 2, 3, 4)),)), None, "class 2: expected one of the 2"),
        (said(detections=(PageDetection(1, 0.5, (3, 2, 1, 4)),)), None, "ends before it begins"),
        (said(), PNG, "class 2: expected one of the 2"),
        (said(mask_kind="instances"), PNG, "instance 2 of 0 detections"),
        (
            said(detections=(PageDetection(1, 0.5, (1, 2, 3, 4)),)),
            PNG[:-20] + bytes(20),
            "can't be decoded|class 2|detections",
        ),
        (said(), b"x", "not a PNG"),
        (said(), COLOURED, "greyscale"),
        (said(), LARGE, "2048x2048 pixels: expected 1 to"),
        (said(), codecs.encode_mask(np.zeros((4, 4), np.uint8), BIG), "2048x2048 pixels: expected 1 to"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(results: PageResults, mask: bytes | None, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        result_of(FRAME, results, mask, CARD, Pipeline())


@given(st.binary(max_size=200), st.integers(0, len(PNG)), st.sampled_from(["classes", "instances"]))
def test_any_mask_is_a_result_or_a_reasoned_error(noise: bytes, at: int, kind: str) -> None:
    try:
        made = result_of(FRAME, said(mask_kind=kind), PNG[:at] + noise + PNG[at + len(noise) :], CARD, Pipeline())
    except ProtocolError:
        return
    assert made.mask_png is not None


def announced(seq: int, jpeg: bytes, **results: Any) -> str:
    told = {"model": "motion", "backend": "wasm", "threads": 2, "processing_time_ms": 9.5, "stages": {"infer": 8}}
    meta = {"type": "frame_metadata", "timestamp": 1000.0 + seq, "frameNumber": seq, "width": 320, "height": 180}
    return json.dumps(meta | {"results": told | results})


async def test_a_stream_that_is_inferred_in_the_browser_is_a_stream_like_any_other() -> None:
    jpeg = picture(1)
    async with (
        serving() as server,
        peer(f"{server.ws}/ws/view/door") as viewer,
        peer(f"{server.ws}/ws?stream=door") as listener,
        peer(f"{server.ws}/ws/camera/door") as camera,
    ):
        await camera.send_frame(1, jpeg)
        plain, _ = await camera.next("result")
        assert "browser" not in plain
        await camera.ws.send(announced(2, jpeg, detections=[ROW]))
        await camera.ws.send(jpeg)
        answer, _ = await camera.next("result")
        assert (answer["frameNumber"], answer["browser"]) == (2, "wasm, 2 threads")
        assert answer["detections"] == [ROW | {"class_name": "motion", "xyxy": [20.0, 60.0, 70.5, 120.0]}]
        assert (answer["stages"]["infer"], answer["processing_time_ms"]) == (8.0, 9.5)
        frame: Json = {}
        while frame.get("frameNumber") != 2:
            frame, data = await viewer.next("frame_metadata")
        assert (frame["browser"], frame["detections"], data) == ("wasm, 2 threads", answer["detections"], jpeg)
        told: Json = {}
        while told.get("frameNumber") != 2:
            told, _ = await listener.next("result")
        assert told == answer

        png = codecs.encode_mask(np.array([[0, 1], [0, 0]], np.uint8))
        await camera.ws.send(announced(3, jpeg, detections=[ROW], mask_bytes=len(png), mask_kind="instances"))
        await camera.ws.send(jpeg + png)
        masked, mask = await camera.next("result")
        assert (masked["mask_kind"], masked["mask_bytes"]) == ("instances", len(mask or b""))

        # of another model: it was switched meanwhile
        await camera.ws.send(announced(4, jpeg, model="nano"))
        await camera.ws.send(jpeg)
        dropped, _ = await camera.next("dropped")
        assert (dropped["reason"], "expected 'motion'" in dropped["message"]) == ("failed", True)

        stats = await server.stream("door")
        assert (stats["received"], stats["delivered"], stats["failed"]) == (4, 3, 1)
        assert (stats["in_flight"], stats["browser"]) == (0, "wasm, 2 threads")

        # and back
        await camera.send_frame(5, picture(5))
        await camera.next("result")
        assert (await server.stream("door"))["browser"] == ""

        await camera.ws.send(announced(6, jpeg, detections=[ROW | {"class_id": 9}]))
        await camera.ws.send(jpeg)
        assert "class 9: expected one of the 1" in (await camera.refused())["message"]
        await server.until(lambda s: s["streams"]["door"]["failed"] == 2)

        answer = await server.get("/api/streams/door/in-browser")
        assert answer["model"] is None
        assert answer["reason"]
        assert (await server.http.get("/api/models/motion/file")).status_code == 403


async def test_pages_get_the_model_that_runs_and_no_other() -> None:
    async with serving("--model", "nano", "--engine", "onnx") as server, peer(f"{server.ws}/ws/camera/door") as camera:
        await camera.next("hello")
        answer = await server.get("/api/streams/door/in-browser")
        if not answer["runtime"]:
            pytest.skip("ONNX Runtime Web is not in this build: python packaging/npm/vendor.py gets it")
        model = answer["model"]
        assert (model["name"], model["decode"], model["width"], model["dtype"]) == ("nano", "detector", 416, "uint8")
        file = await server.http.get(model["file"])
        own = (ROOT / "src" / "sightline" / "weights" / "nano.onnx").read_bytes()
        assert hashlib.sha256(file.content).digest() == hashlib.sha256(own).digest()
        again = await server.http.get(model["file"], headers={"If-None-Match": file.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        others = ["/api/models/motion/file", "/api/models/..%2Fnano.json/file", "/api/models/nano.md/file"]
        refused: list[httpx2.Response] = list(await asyncio.gather(*map(server.http.get, others)))
        assert [r.status_code in (400, 404) for r in refused] == [True] * 3


@pytest.mark.parametrize(
    ("options", "part"), [(("free",), "licence (unknown)"), (("off",), "switched in-browser mode off")]
)
async def test_a_model_whose_licence_is_not_known_stays_here(options: tuple[str], part: str, make_graph: Any) -> None:
    rows = np.zeros((7, 84), np.float32)
    path = make_graph({"output": rows}, size=(64, 64), metadata={"names": "['a', 'b', 'c']"})
    async with serving("--model", str(path), "--engine", "onnx", "--browser-models", *options) as server:
        assert (await server.http.get(f"/api/models/{path.stem}/file")).status_code == 403
        async with peer(f"{server.ws}/ws/camera/door") as camera:
            await camera.next("hello")
            answer = await server.get("/api/streams/door/in-browser")
            assert part in answer["reason"] or not answer["runtime"]
