"""``/api/events``: what happened, page by page, with pictures; and what happens, as server-sent events."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx2
import numpy as np
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sightline.core.events import Event
from sightline.core.types import FrameResult
from sightline.security.tokens import Store
from support.events import event
from support.inside import Inside, inside
from support.streams import picture_of
from support.streams import result as result_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
Json = dict[str, Any]


class House:
    """A server, and what asks it."""

    def __init__(self, server: Inside, http: httpx2.AsyncClient) -> None:
        self.server, self.http = server, http

    async def happen(self, *events: Event, result: FrameResult | None = None) -> None:
        """Have events stored and told."""

        async def now() -> None:
            assert self.server.hub.journal is not None
            self.server.hub.listeners.emit(*events, result=result)
            done = asyncio.Event()
            self.server.hub.journal.when_told(done.set)
            await done.wait()

        await self.server.on_loop(now())

    async def ask(self, **query: object) -> Json:
        answer = await self.http.get("/api/events", params=query)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def ids(self, **query: object) -> list[str]:
        return [one["id"] for one in (await self.ask(**query))["events"]]

    @asynccontextmanager
    async def live(
        self, *, headers: dict[str, str] | None = None, **query: object
    ) -> AsyncGenerator[AsyncIterator[Event]]:
        """Server-sent events, each with its number as id."""
        listening = len(self.server.hub.listeners.events)
        asked = self.http.stream("GET", "/api/events/live", params=query, headers=headers or {})  # type: ignore[arg-type]
        async with asked as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield self._read(answer)
        await self.server.listeners(listening)

    async def _read(self, answer: httpx2.Response) -> AsyncIterator[Event]:
        number = 0
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("data: "):
                told = json.loads(line[6:])
                assert told.pop("type") == "event"
                assert told["number"] == number
                yield Event(**told | {"box": told.get("box") and tuple(told["box"])})


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house() -> AsyncIterator[House]:
    async with inside() as server, httpx2.AsyncClient(base_url=server.http, timeout=30) as http:
        yield House(server, http)


async def test_what_happened_is_listed_newest_first_and_found(house: House) -> None:
    made = [event(stream="list", kind=kind) for kind in ("zone", "line", "object")]
    await house.happen(*made)
    end = replace(made[0], phase="end", at=1007.5, seq=9, seconds=7.5, reason="the camera is gone")
    await house.happen(end)
    assert await house.ids(stream="list") == [one.id for one in reversed(made)]
    one = (await house.http.get(f"/api/events/{made[0].id}")).json()
    assert one == {
        **{"id": made[0].id, "stream": "list", "kind": "zone", "class_name": "", "zone": "", "rule": ""},
        **{"direction": "", "track": None, "box": None, "started_at": 1000.0, "ended_at": 1007.5, "seconds": 7.5},
        **{"speed": None, "reason": "the camera is gone", "start_seq": 1, "end_seq": 9, "snapshot": "", "clip": ""},
    }
    assert await house.ids(stream="list", lasting="true") == [made[2].id, made[1].id]
    assert await house.ids(stream="list", lasting="false") == [made[0].id]


async def test_filters(house: House) -> None:
    at = itertools.count(2000)
    made = {
        (kind, name, zone, rule): event(
            stream="filters", kind=kind, class_name=name, zone=zone, rule=rule, at=float(next(at))
        )
        for kind, name, zone, rule in itertools.product(("zone", "rule"), ("person", "car"), ("drive", ""), ("r", ""))
    }
    await house.happen(*made.values())
    for query in (
        {"kind": "zone"},
        {"class": "car"},
        {"zone": "drive", "rule": "r"},
        {"class": "dog"},
        {"zone": "x' --"},
    ):
        wanted = [
            one.id
            for (kind, name, zone, rule), one in made.items()
            if query.items() <= {"kind": kind, "class": name, "zone": zone, "rule": rule}.items()
        ]
        assert await house.ids(stream="filters", **query) == wanted[::-1], query
    first = list(made.values())[3]
    assert await house.ids(stream="filters", since=first.at, until=first.at + 1, limit=1) != [first.id]
    assert (await house.ids(stream="filters", since=first.at, until=first.at + 1))[1] == first.id
    assert await house.ids(stream="elsewhere") == []


@settings(max_examples=20)
@given(st.integers(0, 12), st.integers(1, 5), st.lists(st.integers(0, 3), max_size=6), st.integers(0, 2**32))
async def test_pages_hold_still_while_new_ones_come(
    house: House, before: int, limit: int, coming: list[int], number: int
) -> None:
    """Nothing is listed twice, and nothing that was there is left out."""
    stream = f"pages-{next(_names)}"
    old = [event(stream=stream) for _ in range(before)]
    await house.happen(*old)
    found: list[str] = []
    page = await house.ask(stream=stream, limit=limit)
    for more in itertools.chain(coming, itertools.repeat(0)):
        found += [one["id"] for one in page["events"]]
        if page["next"] is None:
            break
        await house.happen(*(event(stream=stream) for _ in range(more)))
        page = await house.ask(stream=stream, limit=limit, before=page["next"])
    assert found == [one.id for one in reversed(old)]


_names = itertools.count()


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("limit=0", 422, "limit"),
        ("limit=501", 422, "limit"),
        ("limit=many", 422, "limit"),
        ("before=last", 422, "before"),
        ("before=99999999999999999999", 422, "before"),
        ("since=yesterday", 422, "since"),
        ("since=nan", 422, "since"),
        ("lasting=perhaps", 422, "lasting"),
        ("since=20&until=10", 400, "expected a time that ends after it begins"),
        (f"kind={'x' * 201}", 422, "kind"),
        ("stream=a%20b", 400, "stream name 'a b'"),
        ("class=%ff", 200, ""),
    ],
)
async def test_a_wrong_query_is_told(house: House, query: str, status: int, told: str) -> None:
    answer = await house.http.get(f"/api/events?{query}")
    assert answer.status_code == status, answer.text
    assert status == 200 or told in answer.json()["error"]["message"]


async def test_pictures(house: House) -> None:
    frame = picture_of(1, "pictures")
    made = event(stream="pictures")
    await house.happen(made, result=result_of(frame))
    one = (await house.http.get(f"/api/events/{made.id}")).json()
    assert one["snapshot"] == f"/api/events/{made.id}/picture.jpg"
    for path, side in ((one["snapshot"], 8), (f"/api/events/{made.id}/crop.jpg", 8)):
        answer = await house.http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.headers["cache-control"] == "no-store", "it may get a better one"
        shown = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        assert shown.shape == (side, side, 3)
    await house.happen(replace(made, phase="end"))
    assert "max-age" in (await house.http.get(one["snapshot"])).headers["cache-control"]
    without = event(stream="pictures")
    await house.happen(without)
    for id, part in ((without.id, "/picture.jpg"), (without.id, "/crop.jpg"), ("none", ""), ("none", "/crop.jpg")):
        assert (await house.http.get(f"/api/events/{id}{part}")).status_code == 404


async def test_what_is_deleted_is_gone_with_its_picture(house: House) -> None:
    made = [event(stream="deleted") for _ in range(3)]
    for one in made:
        await house.happen(one, result=result_of(picture_of(1, "deleted")))
    await house.happen(replace(made[0], phase="end"))
    for one in made[:2]:
        assert (await house.http.delete(f"/api/events/{one.id}")).status_code == 204
        assert (await house.http.delete(f"/api/events/{one.id}")).status_code == 404
        assert (await house.http.get(f"/api/events/{one.id}/picture.jpg")).status_code == 404
    assert await house.ids(stream="deleted") == [made[2].id]
    async with house.live(stream="deleted", after=0) as told:
        await house.happen(replace(made[1], phase="end"))
        heard = [await anext(told) for _ in range(3)]
    assert [(one.id, one.phase) for one in heard] == [
        (made[1].id, "start"),
        (made[2].id, "start"),
        (made[1].id, "end"),  # who heard of its start hears of its end
    ]
    assert await house.ids(stream="deleted") == [made[2].id]


@pytest.mark.parametrize("how", ["after", "last-event-id"])
async def test_server_sent_events_go_on_after_the_last_one(house: House, how: str) -> None:
    made = [event(stream=how, kind=kind) for kind in ("zone", "line", "zone", "zone")]
    async with house.live(stream=how, kind="zone") as told:
        await house.happen(*made[:2])
        first = await anext(told)
        assert first.id == made[0].id
    await house.happen(made[2])
    number = str(first.number)
    query, headers = ({"after": number}, {}) if how == "after" else ({}, {how: number})
    async with house.live(headers=headers, stream=how, **query) as told:
        assert [(await anext(told)).id for _ in range(2)] == [made[1].id, made[2].id]
        await house.happen(made[3])
        assert (await anext(told)).id == made[3].id


async def test_how_many_there_were_is_among_the_figures(house: House) -> None:
    before = (await house.http.get("/stats")).json()["events"]
    await house.happen(event(stream="figures"), event(stream="figures", zone=5))
    after = (await house.http.get("/stats")).json()["events"]
    assert after == {"told": before["told"] + 2, "lost": before["lost"] + 1}
    assert f"sightline_events_lost_total {after['lost']:.1f}" in (await house.http.get("/metrics")).text


async def test_who_may_see_one_stream_sees_its_events_only(tmp_path: Path) -> None:
    tokens = {stream: Store(tmp_path).create("view", stream, lifetime=None)[0] for stream in ("here", "*")}
    async with (
        inside(tokens=True, data=tmp_path) as server,
        httpx2.AsyncClient(base_url=server.http, timeout=30) as http,
    ):
        house = House(server, http)
        made = [event(stream="here"), event(stream="there")]
        await house.happen(*made)
        http.headers["authorization"] = f"Bearer {tokens['*']}"
        assert await house.ids() == [made[1].id, made[0].id]
        http.headers["authorization"] = f"Bearer {tokens['here']}"
        assert await house.ids() == [made[0].id]
        assert (await http.get("/api/events", params={"stream": "there"})).status_code == 403
        assert (await http.get(f"/api/events/{made[0].id}")).status_code == 200
        assert (await http.get(f"/api/events/{made[1].id}")).status_code == 404, "nor does one learn that it is there"
        assert (await http.delete(f"/api/events/{made[0].id}")).status_code == 403
        async with house.live(after=0) as told:
            await house.happen(event(stream="there"), replace(made[0], phase="end"))
            assert [(await anext(told)).phase for _ in range(2)] == ["start", "end"]
