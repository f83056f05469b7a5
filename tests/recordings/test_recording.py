"""What a server records: every frame with its result, in files that anybody can read, and it counts each once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from support.events import event
from support.inside import Inside, inside
from support.recorded import pieces
from support.serving import peer, publish

pytestmark = pytest.mark.asyncio(loop_scope="module")
Json = dict[str, Any]
STREAMS = {"door": {"record": "always"}, "yard": {"record": "events"}, "shed": {"record": "off"}}


class House:
    """A server that records, and what asks it."""

    def __init__(self, server: Inside, http: httpx2.AsyncClient, data: Path) -> None:
        self.server, self.http, self.data = server, http, data

    @property
    def folder(self) -> Path:
        return self.data / "recordings"

    async def figures(self, stream: str) -> Json:
        answer = await self.http.get("/api/recordings")
        return dict(answer.json()["streams"][stream])

    async def settled(self, stream: str, recorded: int) -> Json:
        """Wait until so many frames are recorded and none waits."""
        async with asyncio.timeout(20):
            while True:
                found = await self.figures(stream)
                assert found["recorded"] == found["written"] + sum(found["lost"].values()) + found["waiting"]
                if found["recorded"] >= recorded and not found["waiting"]:
                    return found
                await asyncio.sleep(0.02)

    async def listed(self, stream: str, frames: int) -> Json:
        """Wait until so many frames are listed."""
        async with asyncio.timeout(20):
            while True:
                found = (await self.http.get(f"/api/recordings/{stream}")).json()
                if sum(one["frames"] for one in found["segments"]) >= frames:
                    return dict(found)
                await asyncio.sleep(0.05)

    async def closed(self, stream: str) -> Json:
        """Wait until its first segment is whole."""
        async with asyncio.timeout(20):
            while True:
                segment = (await self.listed(stream, 1))["segments"][0]
                if not segment["open"]:
                    return dict(segment)
                await asyncio.sleep(0.1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[House]:
    data = tmp_path_factory.mktemp("data")
    async with (
        inside(data=data, streams=STREAMS, model="motion", record_free_gb=0, record_after_s=1, max_fps=240) as server,
        httpx2.AsyncClient(base_url=server.http, timeout=30) as http,
    ):
        yield House(server, http, data)


async def test_all_frames_of_a_stream_are_recorded_with_their_results(house: House) -> None:
    async with peer(f"{house.server.ws}/ws/camera/door") as camera:
        answers = await publish(camera, 40)
    assert answers["result"] == 40, "a stream that is recorded is inferred, though nobody looks"
    found = await house.settled("door", 40)
    assert (found["recorded"], found["written"], found["lost"]) == (40, 40, {})
    stats = await house.server.figures()
    assert stats["recordings"]["door"] == {"recorded": 40, "written": 40, "lost": {}, "waiting": 0}
    listed = await house.listed("door", 40)
    (segment,) = listed["segments"]
    (piece,) = pieces(house.folder, "door")
    assert piece.header["stream"] == "door"
    assert [line["seq"] for line in piece.lines] == list(range(40))
    assert all(line["result"]["frameNumber"] == line["seq"] for line in piece.lines)
    assert (segment["width"], segment["height"], segment["codec"]) == (320, 180, "h264")
    assert segment["started_at"] <= piece.lines[0]["at"] <= segment["ended_at"]


async def test_files_come_in_parts(house: House) -> None:
    listed = await house.listed("door", 40)
    at = f"/api/recordings/door/segments/{listed['segments'][0]['id']}"
    whole = await house.http.get(f"{at}.mp4")
    part = await house.http.get(f"{at}.mp4", headers={"range": "bytes=4-11"})
    assert part.status_code == 206
    assert part.content == whole.content[4:12]
    assert (await house.http.head(f"{at}.mp4")).status_code == 200
    rows = (await house.http.get(f"{at}.jsonl")).text.splitlines()
    assert json.loads(rows[0])["sightline"] == 1
    assert (await house.http.get("/api/recordings/door/segments/999999.mp4")).status_code == 404
    assert (await house.http.get("/api/recordings/yard/segments/1.mp4")).status_code == 404, "of another stream"


async def test_marks_and_search_find_what_was_seen(house: House) -> None:
    listed = await house.listed("door", 40)
    start, end = listed["segments"][0]["started_at"], listed["segments"][0]["ended_at"]
    query = {"from": start - 60, "to": end + 60, "bucket_s": 10}
    async with asyncio.timeout(10):
        while True:
            marks = (await house.http.get("/api/recordings/door/marks", params=query)).json()
            if marks["classes"]:
                break
            await asyncio.sleep(0.05)
    assert marks["motion"][0] is None, "nothing was recorded then"
    assert max(one for one in marks["motion"] if one is not None) > 0
    ((name, counts),) = marks["classes"].items()
    assert max(counts) >= 1
    found = (await house.http.get("/api/search", params={"class": name})).json()
    assert [one["stream"] for one in found["found"]] == ["door"]
    assert start <= found["found"][0]["at"] <= end
    assert found["next"] is None


async def test_what_happened_in_a_zone_or_by_a_rule_is_found(house: House) -> None:
    listed = await house.listed("door", 40)
    at = listed["segments"][0]["started_at"] + 0.01
    for id, stream, more in (
        ("s1", "door", {"at": at, "zone": "lawn", "class_name": "dog"}),
        ("s2", "shed", {"at": at + 1, "zone": "lawn", "class_name": "cat"}),
        ("s3", "door", {"at": at + 2, "rule": "night", "kind": "rule"}),
    ):
        house.server.emit(event(id, "start", stream=stream, **more))

    async def search(**query: Any) -> Json:
        answer = await house.http.get("/api/search", params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async with asyncio.timeout(10):
        while not (await search(rule="night"))["found"]:  # noqa: ASYNC110 - until the last of them is stored
            await asyncio.sleep(0.02)
    assert [(one["event"], one["recorded"]) for one in (await search(zone="lawn"))["found"]] == [
        ("s2", False),
        ("s1", True),
    ]
    assert [one["event"] for one in (await search(zone="lawn", **{"class": "dog"}))["found"]] == ["s1"]
    assert [one["event"] for one in (await search(zone="lawn", stream="shed"))["found"]] == ["s2"]
    assert [one["event"] for one in (await search(zone="lawn", to=at + 0.5))["found"]] == ["s1"]
    first = await search(zone="lawn", limit=1)
    assert [one["event"] for one in (await search(zone="lawn", limit=1, before=first["next"]))["found"]] == ["s1"]
    for query in ({}, {"zone": "lawn", "before": "1.0~door"}, {"class": "dog", "before": "7"}):
        assert (await house.http.get("/api/search", params=query)).status_code == 400, query


async def test_an_event_is_recorded_with_what_was_before_and_after(house: House) -> None:
    async with peer(f"{house.server.ws}/ws/camera/yard") as camera:
        await publish(camera, 10)
        assert (await house.figures("yard"))["recorded"] == 0
        assert not pieces(house.folder, "yard")
        house.server.emit(event("e1", "start", stream="yard"))
        await publish(camera, 5, start=10)
        found = await house.settled("yard", 15)
    assert found["written"] == 15
    listed = await house.listed("yard", 15)
    assert listed["segments"][0]["event"]
    (piece,) = pieces(house.folder, "yard")
    assert [line["seq"] for line in piece.lines] == list(range(15))


async def test_by_hand(house: House) -> None:
    async with peer(f"{house.server.ws}/ws/camera/shed") as camera:
        await publish(camera, 5)
        assert (await house.figures("shed"))["recorded"] == 0
        answer = await house.http.post("/api/recordings/shed/record", json={"on": True, "seconds": None})
        assert answer.status_code == 200, answer.text
        assert answer.json()["recording"]
        await publish(camera, 7, start=5)
        await house.settled("shed", 7)
        await house.http.post("/api/recordings/shed/record", json={"on": False})
        await publish(camera, 3, start=12)
        found = await house.settled("shed", 7)
    assert found["written"] == 7
    assert not found["recording"]
    await house.closed("shed")


async def test_what_is_protected_is_not_deleted(house: House) -> None:
    segment = await house.closed("door")
    span = {"from": segment["started_at"] - 1, "to": segment["ended_at"] + 1}
    protected = await house.http.put("/api/recordings/door/protected", json=span | {"on": True})
    assert protected.json() == {"segments": 1}
    assert (await house.http.delete("/api/recordings/door", params=span)).json() == {"segments": 0}
    await house.http.put("/api/recordings/door/protected", json=span | {"on": False})
    assert (await house.http.delete("/api/recordings/door", params=span)).json() == {"segments": 1}
    assert (await house.http.get("/api/recordings/door")).json()["segments"] == []
    assert not pieces(house.folder, "door")


async def test_a_stream_is_set_to_be_recorded_while_it_runs(house: House) -> None:
    async with peer(f"{house.server.ws}/ws/camera/lane") as camera:
        await publish(camera, 1)
        answer = await house.http.patch("/api/streams/lane", json={"record": "always"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["record"] == "always"
        await publish(camera, 5, start=1)
        assert (await house.settled("lane", 5))["written"] == 5
        assert (await house.http.patch("/api/streams/lane", json={"record": None})).json()["record"] == "off"
    assert (await house.http.patch("/api/streams/lane", json={"record": "sometimes"})).status_code == 422
