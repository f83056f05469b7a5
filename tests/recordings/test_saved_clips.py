"""A clip in one click: what was just recorded and what follows stays for good, whatever the stream is set to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import httpx2
import pytest
import pytest_asyncio

from sightline.recordings import recordings, saved
from support.inside import Inside, inside
from support.serving import peer, publish

pytestmark = pytest.mark.asyncio(loop_scope="module")
STREAMS = {"door": {"record": "always"}, "shed": {"record": "off"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncGenerator[tuple[Inside, httpx2.AsyncClient]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recordings, "AFTER_S", 1.0)
        patch.setattr(recordings, "ALONE_S", 1.5)
        async with (
            inside(streams=STREAMS, model="motion", record_free_gb=0, max_fps=240) as server,
            httpx2.AsyncClient(base_url=server.http, timeout=30) as http,
        ):
            yield server, http


async def protected(http: httpx2.AsyncClient, stream: str, frames: int) -> list[dict[str, object]]:
    """Wait until so many frames lie in segments that are protected."""
    async with asyncio.timeout(20):
        while True:
            segments = (await http.get(f"/api/recordings/{stream}")).json()["segments"]
            if sum(one["frames"] for one in segments if one["protected"]) >= frames:
                return list(segments)
            await asyncio.sleep(0.05)


async def test_what_is_recorded_and_what_follows_is_kept(house: tuple[Inside, httpx2.AsyncClient]) -> None:
    server, http = house
    async with peer(f"{server.ws}/ws/camera/door") as camera:
        await publish(camera, 5)
        async with asyncio.timeout(20):
            while not (await http.get("/api/recordings/door")).json()["segments"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        answer = await http.post("/api/recordings/door/clips")
        assert answer.status_code == 201, answer.text
        clip = answer.json()
        assert 0 < clip["before_s"] <= saved.BEFORE_S
        assert clip["page"] == f"/timeline?stream=door&at={clip['from']:.1f}"
        await publish(camera, 5, start=5)
        await protected(http, "door", 10)
    gone = await http.delete("/api/recordings/door", params={"from": clip["from"], "to": clip["to"]})
    assert gone.json() == {"segments": 0}


async def test_of_a_stream_that_is_not_recorded_the_next_seconds_are(house: tuple[Inside, httpx2.AsyncClient]) -> None:
    server, http = house
    async with peer(f"{server.ws}/ws/camera/shed") as camera:
        await publish(camera, 5)
        clip = (await http.post("/api/recordings/shed/clips")).json()
        assert (clip["before_s"], clip["to"] - clip["from"]) == (0.0, pytest.approx(1.5))
        await publish(camera, 5, start=5)
        await protected(http, "shed", 5)
        async with asyncio.timeout(20):
            while (await http.get("/api/recordings")).json()["streams"]["shed"]["recording"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_recording_by_hand_goes_on_after_a_clip(house: tuple[Inside, httpx2.AsyncClient]) -> None:
    server, http = house
    async with peer(f"{server.ws}/ws/camera/lane") as camera:
        await publish(camera, 1)
        await http.post("/api/recordings/lane/record", json={"on": True})
        await http.post("/api/recordings/lane/clips")
        recorder = server.hub.streams["lane"].recorder
        assert recorder is not None
        recorder.hold(0.0)
        assert recorder.by_hand
