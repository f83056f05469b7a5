"""A figure that a peer does not know, null or NaN, costs it nothing but that figure (fault 60)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec
import pytest

from sightline.core.errors import ProtocolError
from sightline.transports._viewer import HANDLERS
from sightline.transports.webrtc import publishing
from sightline.wire import msgpack
from sightline.wire.json import Reader, decode_camera
from sightline.wire.requests import Ack, FrameMetadata, PerformanceStats, Ping

read_viewer: Reader[Any] = Reader(*HANDLERS)
Read: TypeAlias = Callable[[Any], object]
RESULTS = {
    "model": "nets",
    "backend": "wasm",
    "threads": 2,
    "processing_time_ms": 9.5,
    "stages": {"preprocess": 1.0, "infer": 2.0, "postprocess": 3.0, "encode": 4.0},
    "mask_bytes": 5,
}
FRAME = {"type": "frame_metadata", "frameNumber": 7, "timestamp": 1.0, "width": 4, "height": 4, "clockOffset": 2.0}
TCP_FRAME = {"type": "frame", "stream": "a", "seq": 1, "timestamp": 1.0, "clock_offset": 2.0, "data": b"x"}
BY_TEXT: list[tuple[Read, dict[str, Any]]] = [
    (read_viewer, {"type": "performance_stats", "fps": 29.5, "latency": 41.0, "queueSize": 1}),
    (read_viewer, {"type": "ack", "frameNumber": 7}),
    (read_viewer, {"type": "ping", "timestamp": 1.0}),
    (read_viewer, {"type": "look", "mode": "boxes", "opacity": 50}),
    (decode_camera, {"type": "ping", "timestamp": 1.0}),
    (decode_camera, {"type": "performance_stats", "fps": 29.5, "latency": 41.0, "queueSize": 1}),
    (decode_camera, {"type": "settings", "confidence": 0.5, "imgsz": 320}),
    (decode_camera, FRAME),
    (decode_camera, FRAME | {"results": RESULTS}),
    (publishing.decode, {"type": "clock", "offset": 1.0}),
    (publishing.decode, {"type": "ping", "timestamp": 1.0}),
]
BY_MSGPACK: list[tuple[Read, dict[str, Any]]] = [
    (msgpack.decode_peer, TCP_FRAME),
    (msgpack.decode_frame, TCP_FRAME),
    (msgpack.decode_peer, {"type": "ping", "timestamp": 1.0}),
    (msgpack.decode_peer, {"type": "settings", "stream": "a", "confidence": 0.5}),
]
NEEDED = {"frameNumber", "seq", "processing_time_ms", "threads"}
"""Figures without which there is no sense in a message; an ``ack`` alone does without."""


def changed(message: dict[str, Any], value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The message with each of its figures replaced in turn, and that figure's name."""
    for key, old in message.items():
        if isinstance(old, dict):
            yield from ((name, message | {key: new}) for name, new in changed(old, value))
        elif isinstance(old, (int, float)):
            yield key, message | {key: value}


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_every_figure_may_be_unknown(value: float | None) -> None:
    tried = 0
    texts: list[tuple[Read, Read, dict[str, Any]]] = [(read, json.dumps, message) for read, message in BY_TEXT]
    packed: list[tuple[Read, Read, dict[str, Any]]] = [(read, msgspec.msgpack.encode, m) for read, m in BY_MSGPACK]
    for read, write, message in texts + packed:
        for name, odd in changed(message, value):
            tried += 1
            if name in NEEDED and message["type"] != "ack":
                with pytest.raises(ProtocolError):
                    read(write(odd))
            else:
                read(write(odd))
    assert tried > 30


def test_an_unknown_figure_is_as_if_it_were_not_said() -> None:
    assert read_viewer('{"type":"performance_stats","fps":NaN,"latency":41,"queueSize":null}') == PerformanceStats(
        None, 41.0, None
    )
    assert read_viewer('{"type":"ack","frameNumber":null}') == Ack(None)
    assert decode_camera('{"type":"ping","timestamp":Infinity}') == Ping(0.0)
    frame = decode_camera(json.dumps(FRAME | {"width": None, "results": RESULTS | {"stages": {"infer": None}}}))
    assert isinstance(frame, FrameMetadata)
    assert not isinstance(frame.results, msgspec.UnsetType)
    assert (frame.width, frame.results.stages.infer) == (None, 0.0)


@pytest.mark.parametrize("text", ['{"type":"ping","timestamp":"1"}', '{"type":null}', "NaN", "[NaN]", "{" * 3000])
def test_what_is_wrong_otherwise_is_refused_as_before(text: str) -> None:
    with pytest.raises(ProtocolError):
        decode_camera(text)
