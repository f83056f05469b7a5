"""Zones and lines of a stream: set by the file and the API, counted, told as events, and kept over restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.ids import install_ids
from support.serving import Json, Running, peer, pixels, serving
from support.walker import walking

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOML = """
[streams.door]
stages = ["ids"]

[streams.door.zones.drive]
points = [[0.4, 0.0], [0.6, 0.0], [0.6, 1.0], [0.4, 1.0]]

[streams.door.lines.gate]
points = [[0.5, 1.0], [0.5, 0.0]]
classes = ["person", "car"]
color = "#33aaff"

[streams.yard]
stages = ["ids"]

[[outputs]]
kind = "jsonl"
path = "events.jsonl"
what = ["events"]
"""
LEFT = {"points": [[0.0, 0.0], [0.45, 0.0], [0.45, 1.0], [0.0, 1.0]], "classes": ["person"]}


@asynccontextmanager
async def counting(folder: Path) -> AsyncGenerator[Running]:
    env = install_ids(folder / "site")
    (folder / "sightline.toml").write_text(TOML)
    async with run(folder, env) as server:
        yield server


def run(folder: Path, env: dict[str, str]) -> AbstractAsyncContextManager[Running]:
    return serving("--model", "nano", "--engine", "onnx", env=env, cwd=folder, data=folder / "data")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    async with counting(tmp_path_factory.mktemp("zones")) as running:
        yield running


async def test_what_walks_is_counted_and_told(server: Running) -> None:
    async with peer(f"{server.ws}/ws?events=1&stream=door") as events:
        async with walking(server, "door") as walker:
            answer = await walker.see(0.1, 0.3, 0.45, 0.55, 0.7, 0.9)
            counts = answer["extras"]["zones"]
            assert counts["lines"] == {"gate": {"in": {"person": 1}, "out": {}}}
            drive = counts["zones"]["drive"]
            assert (drive["now"], drive["entered"], drive["left"]) == ({}, {"person": 1}, {"person": 1})
            assert drive["dwell"]["person"] == {"mean": 0.2, "longest": 0.2}
            await walker.see(0.55)
        told = [(await events.next("event"))[0] for _ in range(6)]
    assert [(e["kind"], e["zone"], e["phase"], e.get("direction")) for e in told[:4]] == [
        ("zone", "drive", "start", None),
        ("line", "gate", "start", "in"),
        ("line", "gate", "end", "in"),
        ("zone", "drive", "end", None),
    ]
    assert told[0]["id"] == told[3]["id"] != told[1]["id"] == told[2]["id"]
    assert (told[3]["seconds"], told[3]["class_name"], told[3]["track"], told[3]["seq"]) == (0.2, "person", 1, 5)
    assert told[0]["box"] == [136.0, 100.0, 152.0, 160.0]
    lost = {(e["zone"], e["phase"]): e for e in told[4:]}
    assert lost["drive", "end"]["reason"] == "the camera is gone"
    report = await server.get("/api/streams/door/zones")
    assert report["zones"]["drive"]["now"] == {}, "nobody is there without a camera"


async def test_the_settings_file_and_the_api_say_the_same(server: Running) -> None:
    report = await server.get("/api/streams/door/zones")
    gate = report["lines"]["gate"]["line"]
    assert gate == {
        "points": [[0.5, 1.0], [0.5, 0.0]],
        "classes": ["person", "car"],
        "min_size": 0.0,
        "anchor": "bottom",
        "color": "#33aaff",
    }
    answer = await server.http.put("/api/streams/door/lines/gate", json=gate)
    assert (answer.status_code, answer.json()["line"]) == (200, gate)
    assert answer.json()["unknown_classes"] == []
    wrong = await server.http.put("/api/streams/door/lines/gate", json=gate | {"classes": ["persn", "car"]})
    assert wrong.json()["unknown_classes"] == ["persn"]
    assert (await server.http.put("/api/streams/door/lines/gate", json=gate)).json()["line"] == gate


async def test_zones_of_a_stream_that_runs(server: Running) -> None:
    async with walking(server, "yard") as walker, peer(f"{server.ws}/ws?events=1&stream=yard") as events:
        assert "zones" not in (await walker.see(0.1)).get("extras", {})
        put = await server.http.put("/api/streams/yard/zones/left", json=LEFT)
        assert (put.status_code, put.json()["now"]) == (200, {})
        answer = await walker.see(0.1)
        assert answer["extras"]["zones"]["zones"]["left"]["now"] == {"person": 1}
        revision = answer["extras"]["zones"]["revision"]
        assert (await server.get("/api/streams/yard/zones"))["revision"] == revision > 0
        began, _ = await events.next("event")

        moved = LEFT | {"points": [[0.2, 0.0], [0.9, 0.0], [0.9, 1.0], [0.2, 1.0]]}
        assert (await server.http.put("/api/streams/yard/zones/left", json=moved)).status_code == 200
        answer = await walker.see(0.1)
        assert answer["extras"]["zones"]["zones"]["left"]["now"] == {}, "the border went over it"
        assert answer["extras"]["zones"]["revision"] > revision, "who draws it asks for it anew"
        ended, _ = await events.next("event")
        assert (ended["id"], ended["phase"]) == (began["id"], "end")

        await walker.see(0.5)
        began, _ = await events.next("event")
        assert (await server.http.delete("/api/streams/yard/zones/left")).status_code == 204
        ended, _ = await events.next("event")
        assert (ended["id"], ended["phase"], ended["reason"]) == (began["id"], "end", "the zone was removed")
        report = await server.get("/api/streams/yard/zones")
        assert (report["zones"], report["lines"]) == ({}, {})


async def test_nobody_stays_where_no_picture_comes(server: Running) -> None:
    """A camera that hangs, or whose page sleeps, keeps its connection: the visit ends nevertheless, once."""
    async with walking(server, "door") as walker, peer(f"{server.ws}/ws?events=1&stream=door") as events:
        await walker.see(0.55)
        began, _ = await events.next("event")
        ended, _ = await events.next("event")
        assert (ended["id"], ended["phase"], ended["reason"]) == (began["id"], "end", "no picture came any more")
        assert (await server.get("/api/streams/door/zones"))["zones"]["drive"]["now"] == {}
        answer = await walker.see(0.55)
        assert answer["extras"]["zones"]["zones"]["drive"]["now"] == {"person": 1}


async def test_counts_by_hour_and_day_and_reset(server: Running) -> None:
    line = {"points": [[0.5, 1.0], [0.5, 0.0]]}
    zone = {"points": [[0.6, 0.0], [1.0, 0.0], [1.0, 1.0], [0.6, 1.0]]}
    assert (await server.http.put("/api/streams/yard/zones/right", json=zone)).status_code == 200
    assert (await server.http.put("/api/streams/yard/lines/gate", json=line)).status_code == 200
    async with walking(server, "yard") as walker:
        await walker.see(0.1, 0.9)
        report = await server.get("/api/streams/yard/zones")
        counts = report["lines"]["gate"]["counts"]
        assert counts["total"] == {"in": {"person": 1}, "out": {}}
        assert list(counts["hours"].values()) == list(counts["days"].values()) == [counts["total"]]
        assert report["zones"]["right"]["now"] == {"person": 1}
        reset = await server.http.post("/api/streams/yard/lines/gate/reset")
        assert reset.json()["counts"] == {"since": None, "total": {"in": {}, "out": {}}, "hours": {}, "days": {}}
        reset = await server.http.post("/api/streams/yard/zones/right/reset")
        assert reset.json()["counts"]["total"] == {"in": {"person": 1}, "out": {}}, "who is there has entered"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"),
    [
        ("PUT", "door/zones/new", {"points": [[0, 0], [1, 1]]}, 422, "points: got 2 points; expected 3 to 100"),
        ("PUT", "door/zones/new", {"points": [[0, 0]] * 10_000}, 422, "points: got 10000 points; expected 3 to 100"),
        ("PUT", "door/zones/new", {"points": [[0, 0], [1, 1], [1, 0], [0, 1]]}, 422, "points: got edges that meet"),
        ("PUT", "door/zones/new", {"points": [[0, 0], [2, 0], [1, 1]]}, 422, "points: got [2, 0] as point 2"),
        ("PUT", "door/zones/new", {}, 422, "points: got {}; expected points [x, y]"),
        ("PUT", "door/lines/new", {"points": [[0, 0], [1, 1], [0, 1]]}, 422, "points: got 3 points; expected 2"),
        ("PUT", "door/lines/new", {"points": [[0, 0], [1, 1]], "to": 1}, 422, "to: got 1; expected one of the keys"),
        ("PUT", "door/zones/a%20b", LEFT, 400, "name 'a b' of a zone, line or rule: expected 1 to 64 letters"),
        ("PUT", "a%20b/zones/new", LEFT, 400, "stream name 'a b'"),
        ("DELETE", "door/zones/none", None, 404, "no zone named 'none' in stream 'door': expected drive"),
        ("DELETE", "door/lines/drive", None, 404, "no line named 'drive' in stream 'door': expected gate"),
        ("POST", "nowhere/zones/none/reset", None, 404, "no zone named 'none' in stream 'nowhere'"),
    ],
)
async def test_what_is_wrong_is_told_and_changes_nothing(
    server: Running, method: str, path: str, body: Any, status: int, told: str
) -> None:
    before = await server.get("/api/streams/door/zones")
    answer = await server.http.request(method, f"/api/streams/{path}", json=body)
    assert (answer.status_code, told in answer.json()["error"]["message"]) == (status, True), answer.text
    assert await server.get("/api/streams/door/zones") == before


async def test_points_that_are_no_numbers_are_told(server: Running) -> None:
    for word in ("NaN", "Infinity", "1e999"):
        body = f'{{"points": [[0, 0], [{word}, 0], [1, 1]]}}'
        headers = {"content-type": "application/json"}
        answer = await server.http.put("/api/streams/door/zones/new", content=body, headers=headers)
        assert answer.status_code in (400, 422), word
        assert "error" in answer.json()


async def test_no_stream_has_zones_without_number(server: Running) -> None:
    for number in range(64):
        answer = await server.http.put(f"/api/streams/many/zones/zone{number}", json=LEFT)
        assert answer.status_code == 200
    answer = await server.http.put("/api/streams/many/zones/more", json=LEFT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "limit_reached")


async def test_zones_and_counts_outlive_the_server(tmp_path: Path) -> None:
    """Also one that is killed: what was saved by then goes on, and what lasted has an end."""
    env = install_ids(tmp_path / "site")
    (tmp_path / "sightline.toml").write_text(TOML)
    async with run(tmp_path, env) as server, walking(server, "door") as walker:
        assert (await server.http.delete("/api/streams/door/zones/drive")).status_code == 204
        await walker.see(0.1, 0.9, 0.1)
        before = (await server.http.put("/api/streams/door/zones/left", json=LEFT)).json()
        async with peer(f"{server.ws}/ws?events=1&stream=door") as events:
            await walker.see(0.1)
            began, _ = await events.next("event")
        saved = (await server.http.put("/api/streams/door/zones/left", json=LEFT)).json()
        assert (before["now"], saved["now"]) == ({}, {"person": 1})
        server.process.kill()
        await server.process.wait()
    async with run(tmp_path, env) as server:
        report = await server.get("/api/streams/door/zones")
        assert list(report["zones"]) == ["left"]
        assert report["zones"]["left"]["counts"]["total"] == {"in": {"person": 1}, "out": {"person": 1}}
        assert report["lines"]["gate"]["counts"]["total"] == {"in": {"person": 1}, "out": {"person": 1}}
        async with peer(f"{server.ws}/ws?events=1&stream=door") as events, walking(server, "door") as walker:
            await walker.see(0.1)
            last, _ = await events.next("event")
            server.process.terminate()
            await server.process.wait()
    told = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert told[-1] == last | {"phase": "end", "reason": "the server is shutting down"} | {
        key: told[-1][key] for key in ("seconds", "seq", "at", "number")
    }
    (ended,) = [one for one in told if one["id"] == began["id"] and one["phase"] == "end"]
    assert ended == began | {"phase": "end", "reason": "the server was started anew", "number": ended["number"]}
    assert (ended["zone"], ended["phase"], ended["reason"]) == ("left", "end", "the server was started anew")


async def test_a_file_that_is_no_good_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "zones.json").write_text('{"door": {"zones": [')
    async with serving("--model", "motion", data=tmp_path) as server:
        report = await server.get("/api/streams/door/zones")
        assert (report["zones"], report["lines"]) == ({}, {})
        await server.said("zones, rules and counts begin anew")
        assert (await server.http.put("/api/streams/door/zones/left", json=LEFT)).status_code == 200
    assert (tmp_path / "zones.json.bad").read_text() == '{"door": {"zones": ['
    assert list(json.loads((tmp_path / "zones.json").read_text())["door"]["zones"]) == ["left"]


async def test_speeds_and_the_heatmap(server: Running) -> None:
    empty = await server.http.get("/api/streams/fast/heatmap.png")
    assert (empty.status_code, empty.headers["content-type"]) == (200, "image/png")
    square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    ground = [[0, 0], [16, 0], [16, 9], [0, 9]]
    put = await server.http.put("/api/streams/yard/zones/ground", json={"points": square, "ground": ground})
    assert put.json()["zone"]["ground"] == ground
    async with walking(server, "yard") as walker:
        answer = await walker.see(*(0.1 + 0.05 * n for n in range(15)))
    speed, least, most = answer["extras"]["zones"]["speeds"]["ground"]["1"]
    assert least <= speed <= most
    assert abs(speed - 8.0) < 0.1, "0.8 m in a tenth of a second"
    seen = pixels((await server.http.get("/api/streams/yard/heatmap.png")).content)
    assert seen.shape[:2] == (360, 640)
    assert seen.any()


async def test_who_sets_and_who_removes_the_same_at_once_are_both_answered(server: Running) -> None:
    path = "/api/streams/hall/zones/z"
    asked = [ask for _ in range(20) for ask in (server.http.put(path, json=LEFT), server.http.delete(path))]
    found = {answer.status_code for answer in await asyncio.gather(*asked)}
    assert found <= {200, 204, 404}
    assert 200 in found


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("zones", LEFT, {**LEFT, "loiter_s": 5}),
        ("lines", {"points": [[0.5, 1.0], [0.5, 0.0]]}, {"points": [[0.4, 1.0], [0.5, 0.0]]}),
        ("rules", {"zone": "drive"}, {"zone": "drive", "enabled": False}),
    ],
)
async def test_of_two_who_change_the_same_the_second_is_told(
    server: Running, kind: str, one: Json, other: Json
) -> None:
    path, of_now = f"/api/streams/both/{kind}/it", {"If-None-Match": "*"}
    made = await server.http.put(path, json=one, headers=of_now)
    first = made.headers["etag"]
    assert (made.status_code, first) == (200, f'"{made.json()["version"]}"')
    assert (await server.http.put(path, json=other, headers=of_now)).status_code == 412, "it is there already"
    assert (await server.get(f"/api/streams/both/{kind if kind == 'rules' else 'zones'}"))[kind]["it"] == made.json()

    changes = [server.http.put(path, json={**other, "classes": [name]}, headers={"If-Match": first}) for name in "abc"]
    answers = sorted(await asyncio.gather(*changes), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [200, 412, 412]
    second = answers[0].headers["etag"]
    error = answers[1].json()["error"]
    assert error["code"] == "changed"
    assert first in error["message"], "what was got"
    assert second in error["message"], "what was expected"

    for header in (first, f'{first}, "none"'):
        assert (await server.http.delete(path, headers={"If-Match": header})).status_code == 412
    assert (await server.http.delete(path, headers={"If-Match": f'"none", W/{second}'})).status_code == 204
    assert (await server.http.delete(path, headers={"If-Match": second})).status_code == 404
    for header in (second, "*"):
        gone = await server.http.put(path, json=one, headers={"If-Match": header})
        assert (gone.status_code, "it is gone" in gone.text) == (412, True), gone.text
    again = await server.http.put(path, json=one)
    assert (again.status_code, again.headers["etag"]) == (200, first), "nobody has to say what he expects"


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
async def test_a_version_that_is_none_is_told(server: Running, header: str) -> None:
    answer = await server.http.put("/api/streams/both/zones/odd", json=LEFT, headers={header: "1f2e"})
    assert (answer.status_code, f"{header}: got '1f2e'; expected" in answer.text) == (400, True), answer.text
