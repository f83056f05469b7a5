"""Streams that are recorded at given times of the week: the schedule is obeyed, told, and its gaps say why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.schedule import DAYS
from sightline.recordings.index import Gap, VideoSegment
from sightline.recordings.keeper import GAP_S
from sightline.recordings.unscheduled import NOTED_S, UNSCHEDULED, Unscheduled, merged
from sightline.settings.settings import load_settings
from support.inside import Inside, inside
from support.serving import Json, peer, publish


def never() -> str:
    """Times of the week that this test does not see: those of the day after tomorrow."""
    return DAYS[(datetime.now().weekday() + 2) % 7]


class House:
    def __init__(self, server: Inside, http: httpx2.AsyncClient) -> None:
        self.server, self.http = server, http

    async def figures(self, stream: str) -> Json:
        return dict((await self.http.get("/api/recordings")).json()["streams"][stream])

    async def written(self, stream: str, frames: int) -> Json:
        async with asyncio.timeout(20):
            while (found := await self.figures(stream))["written"] < frames:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncGenerator[House]:
    streams = {"door": {"record": "always", "record_schedule": never()}}
    async with (
        inside(streams=streams, model="motion", record_free_gb=0, max_fps=240) as server,
        httpx2.AsyncClient(base_url=server.http, timeout=30) as http,
    ):
        yield House(server, http)


@pytest.mark.asyncio(loop_scope="module")
async def test_nothing_is_recorded_at_other_times_and_it_says_why(house: House) -> None:
    async with peer(f"{house.server.ws}/ws/camera/door") as camera:
        await publish(camera, 1)
        found = await house.figures("door")
        assert (found["mode"], found["recording"], found["why"]) == ("always", False, UNSCHEDULED)
        assert found["schedule"] == never()
        answer = await house.http.patch("/api/streams/door", json={"record_schedule": "mon-sun, 00:00-24:00"})
        assert answer.json()["record_schedule"] == "mon-sun"
        await publish(camera, 5, start=1)
        await house.written("door", 5)
        assert (await house.figures("door"))["recorded"] == 5, "the frame before it is not"
        cleared = await house.http.patch("/api/streams/door", json={"record_schedule": ""})
        assert cleared.json()["record_schedule"] == ""
        assert (await house.figures("door"))["recording"]
        await house.http.patch("/api/streams/door", json={"record_schedule": None})
        assert not (await house.figures("door"))["recording"], "as the settings say"
        await house.http.post("/api/recordings/door/record", json={"on": True})
        assert (await house.figures("door"))["recording"], "by hand it is"


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_no_schedule_is_refused_in_words(house: House) -> None:
    answer = await house.http.patch("/api/streams/door", json={"record_schedule": "at night"})
    assert answer.status_code == 422
    assert "mon-fri 22:00-06:00; sat-sun" in answer.json()["error"]["message"]
    with pytest.raises(Exception, match="record_schedule"):
        load_settings(streams={"door": {"record_schedule": "25:00-26:00"}})


def test_a_gap_is_noted_while_it_lasts_and_when_it_ends() -> None:
    told = Unscheduled()
    assert told.look(["door"], 1000.0) == []
    assert told.look(["door"], 1001.0) == []
    assert told.look(["door", "yard"], 1000.0 + NOTED_S) == [("door", Gap(1000.0, 1010.0, UNSCHEDULED))]
    assert told.look(["yard"], 1013.0) == [("door", Gap(1000.0, 1013.0, UNSCHEDULED))]
    assert told.look([], 900.0) == [], "the clock was set back"
    assert told.look(["door"], 2000.0) == []


def segment(start: float, end: float) -> VideoSegment:
    return VideoSegment(stream="door", name="x", started_at=start, ended_at=end, codec="h264", width=8, height=8)


times = st.lists(st.integers(0, 200), min_size=2, max_size=12, unique=True).map(sorted)


@given(times, times, times)
def test_gaps_do_not_overlap_and_each_says_why(off: list[int], lost: list[int], kept: list[int]) -> None:
    def spans(edges: list[int]) -> list[tuple[int, int]]:
        return list(zip(edges[::2], edges[1::2], strict=False))

    gaps = [Gap(a, b, UNSCHEDULED) for a, b in spans(off)] + [Gap(a, b, "no camera") for a, b in spans(lost)]
    found = merged(sorted(gaps, key=lambda gap: gap.started_at), [segment(a, b) for a, b in spans(kept)])
    assert found == sorted(found, key=lambda gap: gap.started_at)
    for second in range(200):
        at = second + 0.5
        inside_of = [gap for gap in found if gap.started_at <= at < gap.ended_at]
        assert len(inside_of) <= 1
        is_off, is_kept, is_lost = (any(a <= at < b for a, b in spans(edges)) for edges in (off, kept, lost))
        if inside_of:
            assert inside_of[0].ended_at - inside_of[0].started_at >= GAP_S
            assert is_off and not is_kept if inside_of[0].reason == UNSCHEDULED else is_lost and not is_off


@pytest.mark.asyncio
async def test_the_timeline_is_told_of_the_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightline.recordings.unscheduled.NOTED_S", 0.0)
    monkeypatch.setattr("sightline.recordings.unscheduled.GAP_S", 0.0)
    streams = {"yard": {"record": "events", "record_schedule": never()}}
    async with (
        inside(data=tmp_path, streams=streams, model="motion", record_free_gb=0) as server,
        httpx2.AsyncClient(base_url=server.http, timeout=30) as http,
        peer(f"{server.ws}/ws/camera/yard") as camera,
    ):
        await publish(camera, 1)
        async with asyncio.timeout(20):
            while not (gaps := (await http.get("/api/recordings/yard")).json()["gaps"]):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    assert [gap["reason"] for gap in gaps] == [UNSCHEDULED]
    assert gaps[0]["to"] > gaps[0]["from"]
