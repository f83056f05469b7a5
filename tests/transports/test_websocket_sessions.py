"""WebSocket sessions: who reads slowly gets the newest, what is said comes in order, masks are read one by one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import cv2
import numpy as np
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from sightline.core.errors import LimitReached
from sightline.media import codecs
from sightline.transports.websocket.session import ANSWERS, WHOLE_BINARY, WHOLE_TEXT, WebSocketSession, framed
from support.raw_websocket import BINARY, TEXT, RawWebSocket, Said, frame, raw_websocket
from support.serving import Json, Running, balanced, metadata, peer, picture, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = 400, 300
PICTURES = 30


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--model", "motion", "--no-static-skip", env={"SIGHTLINE_MAX_FPS": "240"}) as running:
        yield running


def noise(seed: int) -> bytes:
    """A JPEG of about 100 KB."""
    image = np.random.default_rng(seed).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    return bytes(cv2.imencode(".jpg", image)[1])


def place(server: Running) -> tuple[str, int]:
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)


def ack(seq: int) -> bytes:
    return frame(TEXT, json.dumps({"type": "ack", "frameNumber": seq}).encode())


async def shown(viewer: RawWebSocket) -> int:
    """Number of the next picture, all of which has come."""
    while (said := await viewer.receive()) is not None:
        if said.opcode == TEXT and (told := json.loads(said.payload))["type"] == "frame_metadata":
            jpeg = await viewer.receive()
            assert isinstance(jpeg, Said)
            assert (jpeg.opcode, len(jpeg.payload)) == (BINARY, told["jpeg_bytes"] + told.get("mask_bytes", 0))
            return int(told["frameNumber"])
    raise AssertionError("the server has left")


@pytest.mark.parametrize("query", ["", "?render=server"])
async def test_who_does_not_read_then_gets_the_newest_and_no_backlog(server: Running, query: str) -> None:
    name = f"slow{len(query)}"
    async with (
        peer(f"{server.ws}/ws/camera/{name}") as camera,
        raw_websocket(place(server), f"/ws/view/{name}{query}", buffer=16 * 1024) as slow,
    ):
        await server.until(lambda s: s["streams"][name]["viewers"] == 1)
        for seq in range(PICTURES):
            await camera.send_frame(seq, noise(seq))
            await camera.next("result")
        seen = [await shown(slow)]
        while seen[-1] != PICTURES - 1:
            seen.append(await shown(slow))
        assert len(seen) < PICTURES / 2, "what the buffers hold, and the newest"
        assert seen == sorted(set(seen))
        told = (await server.stream(name))["viewer_stats"][0]
        assert told["sent"] == len(seen)
        assert told["sent"] + told["dropped"] == PICTURES


async def test_who_acknowledges_has_two_under_way_and_then_the_newest(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/acks") as camera, raw_websocket(place(server), "/ws/view/acks") as viewer:
        await server.until(lambda s: s["streams"]["acks"]["viewers"] == 1)

        async def show(first: int, last: int) -> None:
            for seq in range(first, last):
                await camera.send_frame(seq)
                await camera.next("result")

        await show(0, 1)
        assert await shown(viewer) == 0
        await viewer.send(ack(0))
        await viewer.send(frame(TEXT, b'{"type":"ping","timestamp":1}'))
        said = await viewer.receive()
        assert said is not None
        assert json.loads(said.payload)["type"] == "pong", "the ack was heard"
        await show(1, 9)
        assert [await shown(viewer), await shown(viewer)] == [1, 2]
        for seq, then in ((1, 8), (8, 9)):  # all that came meanwhile were replaced by the eighth
            await viewer.send(ack(seq))
            if then == 9:
                await show(9, 10)
            assert await shown(viewer) == then


async def test_messages_wait_for_the_mask_that_came_before_them(server: Running) -> None:
    """A mask is decoded in a thread. What was read meanwhile is heard afterwards, in its order."""
    jpeg = picture(1)
    png = codecs.encode_mask(np.zeros((256, 256), np.uint8))
    told = {"model": "motion", "backend": "wasm", "threads": 1, "processing_time_ms": 1, "stages": {"infer": 1}}
    results = told | {"detections": [], "mask_bytes": len(png), "mask_kind": "instances"}
    sent = b""
    for seq in range(20):
        meta = json.loads(metadata(seq)) | {"results": results}
        sent += frame(TEXT, json.dumps(meta).encode()) + frame(BINARY, jpeg + png)
        sent += frame(TEXT, b'{"type":"ping","timestamp":%d}' % seq)
    async with raw_websocket(place(server), "/ws/camera/masks") as camera:
        await camera.send(sent)
        answers: list[tuple[str, int]] = []
        while len(answers) < 40:
            said = await camera.receive()
            assert said is not None
            message: Json = json.loads(said.payload) if said.opcode == TEXT else {"type": "mask"}
            if message["type"] in ("result", "dropped", "error", "pong"):
                answers.append(
                    (message["type"], int(message["timestamp" if message["type"] == "pong" else "frameNumber"]))
                )
        assert answers == [(kind, seq) for seq in range(20) for kind in ("result", "pong")]
        stream = await server.stream("masks")
        assert (stream["received"], stream["delivered"]) == (20, 20)
        await camera.send(sent)  # and it leaves in the middle of them
    await server.until(lambda s: balanced(s["streams"]["masks"]) and not s["streams"]["masks"]["in_flight"])
    assert "Traceback" not in "".join(server.log)


class Pipe:
    """A socket whose room the test decides."""

    def __init__(self) -> None:
        self.full = False
        self.written: list[bytes] = []

    def attach(self, session: WebSocketSession) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def write(self, frames: bytes) -> None:
        assert not self.full, "more than the transport has room for"
        self.written.append(frames)
        self.full = len(self.written) % 3 == 0


@given(st.lists(st.sampled_from(["say", "room"]), max_size=200))
async def test_what_is_said_is_written_once_in_order_or_the_session_ends(steps: list[str]) -> None:
    pipe = Pipe()
    session = WebSocketSession(pipe)
    said: list[bytes] = []
    for step in steps:
        if step == "say":
            said.append(str(len(said)).encode())
            session.say(said[-1])
        else:
            pipe.full = False
            session.changed()
    assert pipe.written == said[: len(pipe.written)]
    if session.ended.done():
        assert isinstance(session.ended.exception(), LimitReached)
    else:
        assert len(said) - len(pipe.written) <= ANSWERS


async def test_a_listener_can_ask_for_the_clock_and_its_other_words_mean_nothing(server: Running) -> None:
    async with peer(f"{server.ws}/ws?events=1") as listener:
        await listener.ws.send("nonsense")
        await listener.ws.send('{"type":"ack","frameNumber":1}')
        await listener.ws.send('{"type":"ping","timestamp":17.5}')
        pong, _ = await listener.next("pong")
        assert pong["timestamp"] == 17.5
        assert pong["server_time"] > 1e12


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70000])
async def test_a_frame_is_the_one_that_the_library_makes(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    for first, kind in ((WHOLE_TEXT, Opcode.TEXT), (WHOLE_BINARY, Opcode.BINARY)):
        assert framed(first, data[:size]) == Frame(kind, data[:size]).serialize(mask=False)
