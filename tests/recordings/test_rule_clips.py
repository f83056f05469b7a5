"""Rules that keep a clip of their moment, also of streams that are not recorded otherwise."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncGenerator

import av
import httpx2
import pytest
import pytest_asyncio

from sightline.core.events import Event
from support.events import event
from support.inside import Inside, inside
from support.serving import Json, peer, publish

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLIP = {"actions": ["clip"], "classes": ["nothing of that name"]}
STREAMS = {
    "gate": {"record": "off", "rules": {"visitor": CLIP}},
    "shed": {"record": "off", "rules": {"visitor": CLIP | {"enabled": False}}},
}


class House:
    def __init__(self, server: Inside, http: httpx2.AsyncClient) -> None:
        self.server, self.http = server, http

    def waits(self, stream: str) -> bool:
        """Whether its pictures may wait in memory."""
        recorder = self.server.hub.streams[stream].recorder
        assert recorder is not None
        return recorder.on

    async def written(self, stream: str, frames: int) -> None:
        async with asyncio.timeout(20):
            while (await self.http.get("/api/recordings")).json()["streams"][stream]["written"] < frames:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def stored(self, id: str) -> Json:
        async with asyncio.timeout(20):
            while (answer := await self.http.get(f"/api/events/{id}")).status_code == 404:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return dict(answer.json())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncGenerator[House]:
    async with (
        inside(streams=STREAMS, model="motion", record_free_gb=0, record_after_s=1, max_fps=240) as server,
        httpx2.AsyncClient(base_url=server.http, timeout=30) as http,
    ):
        yield House(server, http)


def fired(stream: str, *actions: str) -> Event:
    return event(stream=stream, kind="rule", rule="visitor", actions=actions, at=time.time())


async def test_a_rule_keeps_a_clip_of_a_stream_that_is_not_recorded(house: House) -> None:
    told, kept = fired("gate", "notify"), fired("gate", "notify", "clip")
    async with peer(f"{house.server.ws}/ws/camera/gate") as camera, peer(f"{house.server.ws}/ws?events=1") as live:
        await publish(camera, 10)
        house.server.emit(told)
        assert (await house.stored(told.id))["clip"] == "", "a rule without the action keeps none"
        assert (await house.http.get(f"/api/events/{told.id}/clip")).json()["file"] is None
        house.server.emit(kept)
        await publish(camera, 5, start=10)
        await house.written("gate", 15)
        house.server.emit(event(kept.id, "end", "gate", kind="rule", at=kept.at + 1))
        messages: dict[tuple[str, str], Json] = {}
        while len(messages) < 3:
            message, _ = await live.next("event")
            messages[message["id"], message["phase"]] = message
    path = f"/api/events/{kept.id}/clip.mp4"
    assert (await house.stored(kept.id))["clip"] == path
    assert [messages[kept.id, phase]["clip"] for phase in ("start", "end")] == [path, path]
    assert "clip" not in messages[told.id, "start"]
    answer = await house.http.get(path)
    assert answer.status_code == 200, answer.text
    with av.open(io.BytesIO(answer.content), "r") as clip:
        assert len(list(clip.decode(video=0))) >= 10, "also what was before it"
    segments = (await house.http.get("/api/recordings/gate")).json()["segments"]
    assert all(one["event"] for one in segments), "it is kept for longer than the rest"


async def test_nothing_waits_in_memory_where_no_rule_that_is_enabled_wants_it(house: House) -> None:
    async with peer(f"{house.server.ws}/ws/camera/shed") as camera:
        await publish(camera, 5)
        assert not house.waits("shed")
        rule = {"enabled": True, "actions": ["clip"]}
        assert (await house.http.put("/api/streams/shed/rules/visitor", json=rule)).status_code == 200
        assert house.waits("shed")
        await house.http.delete("/api/streams/shed/rules/visitor")
        assert not house.waits("shed")
        house.server.emit(lost := fired("shed", "clip"))
        assert (await house.stored(lost.id))["clip"] == "", "its rule is gone"
    assert (await house.http.get("/api/recordings")).json()["streams"]["shed"]["recorded"] == 0
