"""Replays on the server: in the background, one at a time, with the zones as they are now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from sightline.analytics.zones.board import ZoneBoard
from sightline.core.zones import CrossingLine
from support.inside import inside
from support.squares import Squares, remember, walk

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGAN = 1_796_000_000.25
SPAN = {"from": BEGAN - 1, "to": BEGAN + 60}
UPPER = [[0.3, 0.0], [0.7, 0.0], [0.7, 0.5], [0.3, 0.5]]
LOWER = [[0.3, 0.6], [0.7, 0.6], [0.7, 1.0], [0.3, 1.0]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[httpx2.AsyncClient]:
    data = tmp_path_factory.mktemp("data")
    board = ZoneBoard("door", {}, {"gate": CrossingLine(points=((0.5, 1.0), (0.5, 0.0)))})
    remember(data, "door", BEGAN, walk(34), zones=board)
    async with (
        inside(load=lambda key: Squares(), data=data) as server,
        httpx2.AsyncClient(base_url=server.http, timeout=30) as client,
    ):
        yield client


async def done(http: httpx2.AsyncClient, **wish: Any) -> dict[str, Any]:
    """Begin a replay, wait for its end, and return its outcome."""
    answer = await http.post("/api/recordings/door/replays", json=SPAN | wish)
    assert answer.status_code == 201, answer.text
    path = f"/api/replays/{answer.json()['id']}"
    async with asyncio.timeout(30):
        while (found := (await http.get(path)).json())["state"] == "running":  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    assert (found["state"], found["progress"], found["why"]) == ("done", 1, "")
    return dict((await http.get(f"{path}/outcome")).json())


async def test_it_counts_in_the_zones_as_they_are_now(http: httpx2.AsyncClient) -> None:
    await http.put("/api/streams/door/zones/here", json={"points": UPPER})
    await http.put("/api/streams/door/rules/stays", json={"zone": "here", "for_s": 1.0})
    found = await done(http)
    assert (found["frames"], found["both"], found["differing"]) == (34, 34, 0)
    assert found["now"]["zones"] == {"here": {"into": {"person": 1}, "out": {"person": 1}}}
    assert found["now"]["fired"] == {"stays": 1}
    assert found["then"]["zones"] == {}
    assert set(found["then"]["lines"]["gate"]) == {"into", "out"}
    await http.put("/api/streams/door/zones/here", json={"points": LOWER})
    assert (await done(http))["now"]["zones"] == {"here": {"into": {"dog": 1}, "out": {"dog": 1}}}
    zones = (await http.get("/api/streams/door/zones")).json()["zones"]
    assert zones["here"]["counts"]["since"] is None, "a replay counts for itself alone"
    assert (await http.get("/api/events")).json()["events"] == [], "and nobody is told"


async def test_another_confidence_leaves_out_what_it_should(http: httpx2.AsyncClient) -> None:
    found = await done(http, confidence=0.5)
    assert found["differing"] == len(found["differences"]) == 34
    one = found["differences"][3]
    assert one["at"] == pytest.approx(BEGAN + 0.3)
    assert [box["class_name"] for box in one["then"]] == ["person", "dog"]
    assert [box["class_name"] for box in one["now"]] == ["person"]


async def test_one_at_a_time_which_can_be_cancelled(http: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    first = await http.post("/api/recordings/door/replays", json=SPAN)
    second = await http.post("/api/recordings/door/replays", json=SPAN)
    assert (first.status_code, second.status_code) == (201, 429)
    path = f"/api/replays/{first.json()['id']}"
    assert (await http.get(f"{path}/outcome")).status_code in (200, 404)
    assert (await http.delete(path)).status_code == 204
    assert (await http.get(path)).status_code == 404
    for _ in range(5):
        await done(http)
    assert "failed" not in caplog.text, "to be cancelled is no failure"
    assert len((await http.get("/api/replays")).json()["replays"]) == 4


@pytest.mark.parametrize(
    ("stream", "wish", "status", "told"),
    [
        ("door", {"to": BEGAN - 2}, 400, f"to {BEGAN - 2:.3f}: expected from < to"),
        ("door", {"to": BEGAN + 3600}, 400, "at most 3600 seconds"),
        ("door", {"from": 5, "to": 6}, 404, "nothing is recorded of stream 'door'"),
        ("yard", {}, 404, "nothing is recorded of stream 'yard'"),
        ("door", {"model": "nobody"}, 422, "model"),
        ("door", {"confidence": 0}, 422, "confidence"),
        ("door", {"zones": {}}, 422, "zones"),
    ],
)
async def test_what_is_wrong_is_said(
    http: httpx2.AsyncClient, stream: str, wish: dict[str, Any], status: int, told: str
) -> None:
    answer = await http.post(f"/api/recordings/{stream}/replays", json=SPAN | wish)
    assert answer.status_code == status, answer.text
    assert told in answer.json()["error"]["message"]
