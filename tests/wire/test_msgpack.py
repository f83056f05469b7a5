from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sightline.core.errors import ProtocolError, TooLarge
from sightline.core.events import Event
from sightline.core.records import Detection, Segment
from sightline.wire import msgpack as frames
from sightline.wire.messages import (
    Adapt,
    DroppedMessage,
    ErrorMessage,
    Hello,
    Pong,
    ResultMessage,
    SettingsMessage,
    SettingsRefused,
    Status,
)
from sightline.wire.requests import (
    Auth,
    Close,
    FrameHead,
    FrameMessage,
    Ping,
    StreamSettingsWish,
    Subscribe,
    Unsubscribe,
)
from support.hostile import HOSTILE

GOLDEN = Path(__file__).parents[1] / "golden" / "tcp.json"
JPEG = b"\xff\xd8\xff\xe0jpeg"


def result(*, reused: bool = False) -> ResultMessage:
    return ResultMessage(
        stream="door",
        seq=7,
        timestamp=1700000000250.0,
        width=640,
        height=360,
        model="nets",
        detections=(Detection(1, "bus", 0.875, (1.0, 2.0, 30.5, 40.0)), Detection(0, "person", 0.5, (0, 0, 1, 1), 12)),
        processing_time_ms=9.5,
        stages={"decode": 1.5, "infer": 8.0},
        captured_at=1700000000237.5,
        received_at=1700000000251.25,
        processed_at=1700000000261.0,
        reused=reused,
    )


def messages() -> dict[str, list[frames.Bytes]]:
    """One of every message, as parts without the length."""
    masked = result()
    masked.mask_kind = "instances"
    segmented = result()
    segmented.detections, segmented.mask_kind = (), "classes"
    segmented.segments = (Segment(1, "bus", 0.25),)
    head = FrameHead("door", 7, 1700000000250.0)
    told = FrameHead("door", 8, 1700000000283.5, results=False, clock_offset=-12.5)
    small: dict[str, frames.PeerMessage | frames.ServerMessage] = {
        "auth": Auth("slt_secret"),
        "close": Close("door"),
        "subscribe": Subscribe("door", pictures=True),
        "subscribe_to_events": Subscribe("door", events=True),
        "result_with_extras": structs.replace(result(), extras={"counts": {"now": {"bus": 1}}}),
        "event": Event(id="7", stream="door", phase="start", kind="object", at=1700000000.5, seq=7, track=3),
        "unsubscribe": Unsubscribe("door"),
        "ping": Ping(1000.0),
        "hello": Hello(model="motion", max_pending=2, max_fps=60.0, max_message_bytes=4194304, max_pixels=16777216),
        "adapt": Adapt(
            stream="door",
            fps=12.5,
            quality=0.4,
            width=480,
            reason="pictures wait 60 ms for the model",
            preset="default",
            max_pending=2,
        ),
        "status": Status(state="waiting", message="Waiting for the camera.").of("door"),
        "result": result(),
        "result_reused": result(reused=True),
        "dropped": DroppedMessage(stream="door", seq=7, reason="replaced"),
        "failed": DroppedMessage(stream="door", seq=7, reason="failed", message="BadImage: no picture"),
        "error": ErrorMessage("too_large", "message of 9 bytes: expected at most 4"),
        "error_of_a_stream": ErrorMessage("stream_busy", "stream 'door' has a camera already", "door", 7),
        "pong": Pong(1000.0, 1001.5),
        "wish": StreamSettingsWish(stream="door", model="fast", imgsz=None, classes=["person", 7]),
        "settings": SettingsMessage("door", "fast", "openvino", "cpu", 512, 0.25, 0.45, 100, ["person"]),
        "settings_refused": SettingsRefused("door", "model_failed", "fast: OpenVINO can't read it", ""),
    }
    return {
        "frame": frames.with_binaries(frames.encode(head), data=JPEG),
        "frame_with_clock": frames.with_binaries(frames.encode(told), data=JPEG),
        **{name: [frames.encode(message)] for name, message in small.items()},
        "result_with_mask": frames.with_binaries(frames.encode(masked), mask=b"png!", data=None),
        "result_with_picture": frames.with_binaries(frames.encode(segmented), mask=b"png!", data=JPEG),
    }


def readable(data: bytes) -> Any:
    """A message as JSON can have it: binaries as hex."""
    found = msgspec.msgpack.decode(data)
    return {key: {"hex": value.hex()} if isinstance(value, bytes) else value for key, value in found.items()}


def test_every_message_is_what_the_golden_file_says() -> None:
    golden = json.loads(GOLDEN.read_text())
    made = {name: b"".join(frames.for_tcp(parts)) for name, parts in messages().items()}
    shown = {name: {"hex": data.hex(), "map": readable(data[4:])} for name, data in made.items()}
    assert shown == golden, "the wire changed: see tests/golden/tcp.json"
    assert all(int.from_bytes(data[:4], "big") == len(data) - 4 for data in made.values())


@pytest.mark.parametrize(
    "name",
    ["frame", "frame_with_clock", "auth", "close", "subscribe", "subscribe_to_events", "unsubscribe", "ping", "wish"],
)
def test_golden_peer_messages_are_read_back(name: str) -> None:
    data = bytes.fromhex(json.loads(GOLDEN.read_text())[name]["hex"])[4:]
    message = frames.decode_peer(data)
    if isinstance(message, FrameMessage):
        assert (message.stream, bytes(message.data)) == ("door", JPEG)
        assert frames.decode_frame(data).seq == message.seq
    else:
        assert frames.encode(message) == data


def test_the_simplest_frame_is_understood() -> None:
    data = msgspec.msgpack.encode({"type": "frame", "stream": "a", "seq": 0, "timestamp": 1, "data": b"x", "more": [1]})
    message = frames.decode_frame(data)
    assert (message.format, message.results, message.clock_offset) == ("jpeg", True, msgspec.UNSET)


def test_pictures_are_passed_on_without_a_copy() -> None:
    jpeg = bytes(5000)
    parts = frames.for_tcp(frames.with_binaries(frames.encode(FrameHead("a", 1, 1.0)), data=jpeg))
    assert any(part is jpeg for part in parts)
    message = frames.decode_frame(memoryview(b"".join(parts))[4:])
    assert message.data.nbytes == 5000
    assert isinstance(message.data, memoryview)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=5), max_size=20), st.integers(0, 18))
def test_binaries_are_added_to_maps_of_any_size(binaries: dict[str, bytes], keys: int) -> None:
    body = {f"key{i}": i for i in range(keys)}
    made = b"".join(frames.with_binaries(msgspec.msgpack.encode(body), **binaries))
    assert msgspec.msgpack.decode(made) == body | binaries


# Cutting a stream of bytes into messages


def split(splitter: frames.Splitter, data: bytes, cuts: list[int]) -> list[bytes]:
    """Feed the data in pieces; each as large as there is room for, at most."""
    found: list[bytes] = []
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in itertools.pairwise(edges):
        while begin < end:
            room = splitter.room()
            assert len(room), "there is always room"
            took = min(len(room), end - begin)
            room[:took] = data[begin : begin + took]
            found += [bytes(message) for message in splitter.received(took)]
            begin += took
    return found


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.integers(0, 200_000).map(bytes)), max_size=12),
    st.lists(st.integers(0, 400_000), max_size=30),
)
def test_messages_come_out_as_they_went_in_however_they_are_cut(bodies: list[bytes], cuts: list[int]) -> None:
    splitter = frames.Splitter(200_000)
    assert split(splitter, b"".join(map(frames.prefixed, bodies)), cuts) == bodies


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_are_messages_or_too_large_and_never_take_more_memory_than_allowed(data: bytes, limit: int) -> None:
    splitter = frames.Splitter(limit)
    try:
        found = split(splitter, data, [])
    except TooLarge as e:
        assert str(limit) in e.message  # noqa: PT017
    else:
        assert all(len(message) <= limit for message in found)
    assert len(splitter.room()) <= limit + frames.PREFIX


def test_a_declared_length_takes_no_memory_before_its_bytes_come() -> None:
    splitter = frames.Splitter(64 << 20)
    split(splitter, (64 << 20).to_bytes(4, "big") + bytes(100), [])
    assert len(splitter.room()) <= 1 << 16


def test_a_length_over_the_limit_is_refused_at_once() -> None:
    with pytest.raises(TooLarge, match="message of 101 bytes: expected at most 100"):
        split(frames.Splitter(100), (101).to_bytes(4, "big"), [])


# What is hostile


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_messages_are_refused_with_a_reason(name: str) -> None:
    with pytest.raises(ProtocolError, match="expected"):
        frames.decode_peer(HOSTILE[name])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_reasoned_error(data: bytes) -> None:
    for decode in (frames.decode_peer, frames.decode_frame):
        try:
            decode(data)
        except ProtocolError as e:
            assert e.message  # noqa: PT017


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_keys = st.sampled_from(["stream", "seq", "timestamp", "format", "data", "results", "clock_offset", "pictures", "x"])
_types = st.sampled_from(["frame", "close", "subscribe", "unsubscribe", "ping", "result", "hello", ""])


@given(_types, st.dictionaries(_keys, _values, max_size=8))
def test_any_typed_map_is_a_message_or_a_reasoned_error(kind: str, fields: dict[str, Any]) -> None:
    data = msgspec.msgpack.encode({"type": kind} | fields)
    try:
        message = frames.decode_peer(data)
    except ProtocolError as e:
        assert e.message  # noqa: PT017
    else:
        assert type(message).__struct_config__.tag == kind
