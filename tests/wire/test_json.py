from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from sightline.core.errors import ProtocolError, StreamBusy, TooLarge
from sightline.core.events import Event
from sightline.core.predictions import Detections, Segmentation
from sightline.core.types import Detection, Encoded, Frame, FrameResult, ModelCard, Segment
from sightline.transports._viewer import read
from sightline.wire import json as protocol
from sightline.wire.messages import (
    Adapt,
    ErrorMessage,
    Hello,
    JsonDropped,
    Pong,
    SettingsMessage,
    SettingsRefused,
    Status,
    Tile,
    Tiles,
)
from sightline.wire.requests import (
    Ack,
    FrameMetadata,
    LookWish,
    PageDetection,
    PageResults,
    PageStages,
    PerformanceStats,
    Ping,
    SettingsWish,
    TilesWish,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "wire.json"
CARD = ModelCard("nets", "yolox", "detect", ("person", "bus"), (416, 416), "Apache-2.0", "a test")


class Counts(Struct):
    """What a stage might say."""

    now: dict[str, int]


EXTRAS = {"counts": Counts({"bus": 1})}
EVENT = Event(
    id="7",
    stream="door",
    phase="start",
    kind="object",
    at=1700000000.5,
    seq=7,
    class_name="bus",
    box=(1.0, 2.0, 30.5, 40.0),
)


def result(*, mask: bytes | None = None, segmentation: bool = False) -> FrameResult:
    frame = Frame("door", 7, 1700000000.25, 50.0, Encoded(b"j" * 9, 640, 360), 1700000000.5)
    one = Detection(1, "bus", 0.875, (1.0, 2.0, 30.5, 40.0))
    return FrameResult(
        frame=frame,
        prediction=Segmentation(np.zeros((2, 2), np.uint8)) if segmentation else Detections.empty(),
        card=CARD,
        detections=() if segmentation else (one,),
        segments=(Segment(1, "bus", 0.25),) if segmentation else (),
        mask_png=mask,
        mask_kind="classes" if segmentation else "instances",
        stages={"decode": 1.5, "infer": 8.0},
        processing_time_ms=9.5,
        finished_at=50.0095,
    )


def messages() -> dict[str, Any]:
    """One of every message, by name."""
    server = {
        "hello": Hello(
            stream="door", model="motion", max_pending=2, max_fps=60.0, max_message_bytes=4194304, max_pixels=16777216
        ),
        "adapt": Adapt(
            fps=12.5,
            quality=0.4,
            width=480,
            reason="pictures wait 60 ms for the model",
            preset="default",
            max_pending=2,
        ),
        "status": Status(state="waiting", message="Waiting for the camera."),
        "pong": Pong(1000.0, 1001.5),
        "dropped": JsonDropped(seq=7, reason="replaced"),
        "failed": JsonDropped(seq=7, reason="failed", message="BadImage: no picture"),
        "result": protocol.result_message(result(), mask_follows=True),
        "result_with_mask": protocol.result_message(result(mask=b"png!"), mask_follows=True),
        "result_on_ws": protocol.result_message(result(mask=b"png!"), mask_follows=False),
        "viewer_frame": protocol.viewer_frame(result(), epoch=1700000000.0, jpeg_bytes=9),
        "viewer_frame_with_mask": protocol.viewer_frame(result(mask=b"png!"), epoch=1700000000.0, jpeg_bytes=9),
        "viewer_frame_segmented": protocol.viewer_frame(
            result(mask=b"png!", segmentation=True), epoch=1700000000.0, jpeg_bytes=9
        ),
        "viewer_frame_reused": protocol.viewer_frame(
            result().changed(reused=result().frame), epoch=1700000000.0, jpeg_bytes=9
        ),
        "result_reused": protocol.result_message(result().changed(reused=result().frame), mask_follows=True),
        "result_of_browser": protocol.result_message(result().changed(browser="wasm, 2 threads"), mask_follows=True),
        "viewer_frame_of_browser": protocol.viewer_frame(
            result().changed(browser="wasm, 2 threads"), epoch=1700000000.0, jpeg_bytes=9
        ),
        "settings": SettingsMessage("door", "fast", "openvino", "cpu", 512, 0.25, 0.45, 100, ["person"]),
        "settings_refused": SettingsRefused(
            *("door", "bad_setting", "confidence: got 2; expected a number from 0.05 to 0.95", "confidence")
        ),
        "result_with_extras": protocol.result_message(result().changed(extras=EXTRAS), mask_follows=True),
        "viewer_frame_with_extras": protocol.viewer_frame(
            result().changed(extras=EXTRAS), epoch=1700000000.0, jpeg_bytes=9
        ),
        "still_with_extras": protocol.still(result().changed(reused=result().frame, extras=EXTRAS), epoch=1700000000.0),
        "event": EVENT,
        "refused_of_a_viewer": ErrorMessage(
            "bad_request", "opacity=101: expected a number from 0 to 100, percent", of="look"
        ),
        "still": protocol.still(result().changed(reused=result().frame), epoch=1700000000.0),
        "tiles": Tiles(3, (Tile("door", 7, 9), Tile("yard", 40, 11))),
        "viewer_frame_rendered": protocol.viewer_frame(
            result(mask=b"png!"), epoch=1700000000.0, jpeg_bytes=11, rendered="boxes"
        ),
    }
    texts = {name: protocol.encode(message) for name, message in server.items()}
    texts["error"] = protocol.error_message(StreamBusy("stream 'door' has a camera already"))
    peers = {
        "camera_frame_metadata": FrameMetadata(7, 1700000000250.0, 640, 360, "jpeg", -12.5),
        "camera_frame_with_results": FrameMetadata(
            7,
            1700000000250.0,
            640,
            360,
            "jpeg",
            -12.5,
            PageResults(
                *("nets", "wasm", 2, 9.5),
                detections=(PageDetection(1, 0.875, (1.0, 2.0, 30.5, 40.0)),),
                stages=PageStages(1.5, 8.0),
            ),
        ),
        "camera_frame_with_mask": FrameMetadata(
            *(7, 1700000000250.0, 640, 360),
            results=PageResults("nets", "webgpu", 1, 9.5, mask_bytes=70),
        ),
        "camera_ping": Ping(1000.0),
        "camera_settings": SettingsWish(model="fast", imgsz=None, classes=["person", 7]),
        "viewer_ack": Ack(7),
        "viewer_look": LookWish("contours", 60),
        "viewer_tiles": TilesWish(("door", "yard"), 480),
        "viewer_performance_stats": PerformanceStats(29.5, 41.0, 1),
    }
    return texts | {name: protocol.encode(message) for name, message in peers.items()}


def with_results(**changed: Any) -> str:
    """A camera's announcement with results, one of which is changed."""
    results = {"model": "nets", "backend": "wasm", "threads": 2, "processing_time_ms": 9.5} | changed
    return json.dumps(
        {"type": "frame_metadata", "timestamp": 1, "frameNumber": 7, "width": 4, "height": 4, "results": results}
    )


def test_every_message_is_what_the_golden_file_says() -> None:
    assert messages() == json.loads(GOLDEN.read_text()), "the wire changed: see tests/golden/wire.json"


@pytest.mark.parametrize(
    "name",
    ["camera_frame_metadata", "camera_frame_with_results", "camera_frame_with_mask", "camera_ping", "camera_settings"],
)
def test_golden_camera_messages_are_read_back(name: str) -> None:
    text = json.loads(GOLDEN.read_text())[name]
    assert protocol.encode(protocol.decode_camera(text)) == text


@pytest.mark.parametrize("name", ["viewer_ack", "viewer_look", "viewer_performance_stats"])
def test_golden_viewer_messages_are_read_back(name: str) -> None:
    text = json.loads(GOLDEN.read_text())[name]
    assert protocol.encode(read(text)) == text


def test_the_simplest_camera_is_understood() -> None:
    text = '{"type":"frame_metadata","timestamp":1,"frameNumber":0,"width":640,"height":480,"format":"jpeg","more":[1]}'
    message = protocol.decode_camera(text)
    assert isinstance(message, FrameMetadata)
    assert (message.seq, message.clock_offset) == (0, None)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "frame_metadata"),
        ("[]", "expected one of"),
        ('{"type":"shutdown"}', "shutdown"),
        ('{"type":"frame_metadata","timestamp":1,"frameNumber":-1,"width":1,"height":1}', ">= 0"),
        ('{"type":"frame_metadata","timestamp":1,"frameNumber":"7","width":1,"height":1}', "frameNumber"),
        ('{"type":"frame_metadata","timestamp":1,"frameNumber":7,"width":0,"height":1}', "width"),
        ('{"type":"frame_metadata","timestamp":1,"frameNumber":7,"width":1,"height":1,"format":"png"}', "png"),
        ("[" * 4000, "expected one of"),
        (with_results(model=7), "model"),
        (with_results(backend="cuda"), "cuda"),
        (with_results(threads=0), "threads"),
        (with_results(detections=[{"class_id": -1, "confidence": 0.5, "xyxy": [0, 0, 1, 1]}]), "class_id"),
        (with_results(detections=[{"class_id": 1, "confidence": 1.5, "xyxy": [0, 0, 1, 1]}]), "confidence"),
        (with_results(detections=[{"class_id": 1, "confidence": 0.5, "xyxy": [0, 0, 1]}]), "xyxy"),
        (with_results(detections=[{"class_id": 1, "confidence": 0.5, "xyxy": [0, -1, 1, 1]}]), "xyxy"),
        (with_results(detections=[{"class_id": 1, "confidence": 0.5, "xyxy": [0, 0, 1, 1]}] * 301), "detections"),
        (with_results(mask_bytes=0), "mask_bytes"),
        (with_results(mask_bytes=1 << 30), "mask_bytes"),
    ],
)
def test_what_is_wrong_is_told(text: str, part: str) -> None:
    with pytest.raises(ProtocolError, match=part):
        protocol.decode_camera(text)


def test_long_text_is_refused_unread() -> None:
    with pytest.raises(TooLarge, match="5000 bytes: expected at most 4096"):
        read(" " * 5000)


@given(st.one_of(st.text(), st.binary()))
def test_any_text_is_a_message_or_a_reasoned_error(data: str | bytes) -> None:
    for decode in (protocol.decode_camera, read):
        with suppress(ProtocolError):
            assert isinstance(decode(data), Struct)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_keys = st.sampled_from(["frameNumber", "timestamp", "width", "height", "format", "clockOffset", "results", "fps", "x"])


@given(
    st.sampled_from(["frame_metadata", "ping", "ack", "performance_stats", "?"]),
    st.dictionaries(_keys, _json, max_size=8),
)
def test_any_typed_map_is_a_message_or_a_reasoned_error(kind: str, fields: dict[str, Any]) -> None:
    text = json.dumps({"type": kind} | fields)
    for decode in (protocol.decode_camera, read):
        try:
            message = decode(text)
        except ProtocolError as e:
            assert e.message  # noqa: PT017
        else:
            assert json.loads(protocol.encode(message))["type"] == kind
