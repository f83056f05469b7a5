"""``/ws/playback``: recorded frames come in their time, at any speed, from any place, no faster than they are seen."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from sightline.transports.websocket.playback import MOST_EACH, MOST_PLAYBACKS
from support.clips import number_of
from support.recordings import place_of, record
from support.serving import Json, Peer, Running, peer, pixels, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGAN = 1_796_000_000.0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    data = tmp_path_factory.mktemp("data")
    record(data / "recordings", "door", BEGAN, range(100))
    record(data / "recordings", "door", BEGAN + 3600, range(100, 110))
    record(data / "recordings", "slow", BEGAN, range(4), fps=1 / 6)
    async with serving("--model", "motion", data=data) as running:
        yield running


async def shown(viewer: Peer) -> Json:
    """The next picture, which is acknowledged. It is of the frame that its message is about."""
    message, data = await viewer.next("frame_metadata")
    assert data is not None
    number = number_of(pixels(data[: message["jpeg_bytes"]])[:100])
    assert message["frameNumber"] == number
    assert message["detections"][0]["xyxy"] == list(place_of(number))
    await say(viewer, type="ack", frameNumber=number)
    return message


async def say(viewer: Peer, **message: Any) -> None:
    await viewer.ws.send(json.dumps(message))


def watching(server: Running, query: str, stream: str = "door") -> Any:
    return peer(f"{server.ws}/ws/playback/{stream}?{query}")


async def test_a_slow_camera_plays_at_its_own_pace(server: Running) -> None:
    """Each picture counted as one after a gap: all of them were over at once."""
    async with watching(server, f"from={BEGAN}&speed=16", "slow") as viewer:
        for number in range(4):
            message, _ = await viewer.next("frame_metadata", "playback")
            assert (message["type"], message["frameNumber"]) == ("frame_metadata", number)
            await say(viewer, type="ack", frameNumber=number)


async def test_all_frames_come_in_their_order_and_a_gap_is_told_and_passed_over(server: Running) -> None:
    async with watching(server, f"from={BEGAN + 9.5}") as viewer:
        assert [(await shown(viewer))["frameNumber"] for _ in range(5)] == [95, 96, 97, 98, 99]
        told, _ = await viewer.next("playback")
        assert (told["state"], told["until"]) == ("gap", BEGAN + 3600)
        assert [(await shown(viewer))["frameNumber"] for _ in range(10)] == list(range(100, 110))
        assert (await viewer.next("playback"))[0]["state"] == "end"
        await say(viewer, type="seek", at=BEGAN + 1, id=3)
        message = await shown(viewer)
        assert (message["frameNumber"], message["place"], message["at"]) == (10, 3, BEGAN + 1)


async def test_one_goes_frame_by_frame_and_plays_on_from_there(server: Running) -> None:
    async with watching(server, f"from={BEGAN + 2}&play=0") as viewer:
        seen = [(await shown(viewer))["frameNumber"]]
        for frames in (1, 1, -1, 5, -3):
            await say(viewer, type="step", frames=frames)
            seen.append((await shown(viewer))["frameNumber"])
        assert seen == [20, 21, 22, 21, 26, 23]
        await say(viewer, type="play")
        assert [(await shown(viewer))["frameNumber"] for _ in range(3)] == [24, 25, 26]
        await say(viewer, type="pause")
        while (await viewer.next("playback"))[0]["state"] != "paused":
            pass
        await say(viewer, type="seek", at=0)
        while (message := await shown(viewer))["frameNumber"] > 0:
            assert message["frameNumber"] in (27, 28)


async def test_at_more_than_real_time_pictures_are_left_out_and_all_is_passed(server: Running) -> None:
    async with watching(server, f"from={BEGAN}&speed=16") as viewer:
        seen = [(await shown(viewer))["frameNumber"]]
        while seen[-1] < 99:
            seen.append((await shown(viewer))["frameNumber"])
        assert seen == sorted(set(seen))
        assert len(seen) < 60


async def test_no_more_than_two_pictures_are_under_way(server: Running) -> None:
    async with watching(server, f"from={BEGAN}&play=0") as viewer:
        await shown(viewer)
        for n in range(1, 6):
            await say(viewer, type="seek", at=BEGAN + n, id=n)
        await say(viewer, type="ping", timestamp=1)
        messages: list[Json] = []
        while not messages or messages[-1]["type"] != "pong":
            messages.append((await viewer.receive())[0])
        assert len([one for one in messages if one["type"] == "frame_metadata"]) <= 2
        for one in messages[:-1]:
            await say(viewer, type="ack", frameNumber=one["frameNumber"])
        last = [one for one in messages if one["type"] == "frame_metadata"][-1:]
        while not last or last[-1]["place"] != 5:
            last.append(await shown(viewer))
        assert last[-1]["frameNumber"] == 50


@pytest.mark.parametrize("query", ["from=x", "from=nan", "speed=99", "speed=-1", "play=2"])
async def test_what_makes_no_sense_is_refused(server: Running, query: str) -> None:
    async with watching(server, query) as viewer:
        assert (await viewer.refused())["code"] == "bad_request"


@pytest.mark.parametrize(
    "message", ['{"type":"seek","at":-5}', '{"type":"speed","x":1000}', '{"type":"step","frames":9e9}', "x"]
)
async def test_a_command_that_makes_no_sense_ends_the_session(server: Running, message: str) -> None:
    async with watching(server, f"from={BEGAN}&play=0") as viewer:
        await viewer.ws.send(message)
        assert (await viewer.refused())["code"] == "bad_message"


@pytest.mark.parametrize("stream", ["nobody", "..", "%2e%2e%2fdoor"])
async def test_a_stream_of_which_nothing_is_recorded_has_nothing(server: Running, stream: str) -> None:
    if stream == "nobody":
        async with watching(server, "", stream) as viewer:
            assert (await viewer.next("playback"))[0]["state"] == "empty"
    answer = await server.http.get(f"/api/recordings/{stream}/thumbnail.jpg?at=1")
    assert answer.status_code in (400, 404)


async def test_what_is_refused_takes_no_place_and_nobody_takes_them_all(server: Running) -> None:
    for _ in range(MOST_PLAYBACKS):
        async with watching(server, "", stream="a%20b") as viewer:
            assert (await viewer.refused())["code"] == "bad_request"
    async with AsyncExitStack() as stack:
        for _ in range(MOST_EACH):
            await shown(await stack.enter_async_context(watching(server, f"from={BEGAN}&play=0")))
        async with watching(server, "") as viewer:
            assert (await viewer.refused())["message"] == f"you watch {MOST_EACH} recordings: expected fewer"


async def test_a_thumbnail_is_of_its_moment(server: Running) -> None:
    answer = await server.http.get(f"/api/recordings/door/thumbnail.jpg?at={BEGAN + 4.25}&width=160")
    assert answer.headers["content-type"] == "image/jpeg"
    assert number_of(pixels(answer.content)[:50]) == 42
    for query in ("", "?at=x", f"?at={BEGAN}&width=9999", "?at=nan"):
        assert (await server.http.get(f"/api/recordings/door/thumbnail.jpg{query}")).status_code in (400, 422)
