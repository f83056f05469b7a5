"""The API of rules: set, seen, told in words, removed; what is wrong is refused and changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from support.ids import install_ids
from support.serving import Json, Peer, Running, peer, serving
from support.walker import walking

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOML = """
[streams.door]
stages = ["ids"]

[streams.door.zones.drive]
points = [[0.4, 0.0], [0.6, 0.0], [0.6, 1.0], [0.4, 1.0]]

[streams.door.lines.gate]
points = [[0.5, 1.0], [0.5, 0.0]]
classes = ["car"]

[streams.door.rules.night]
zone = "drive"
hours = "08:00-18:00"
outside = true
"""
STAYS = {"zone": "drive", "classes": ["person"], "for_s": 0.3, "cooldown_s": 0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    folder = tmp_path_factory.mktemp("rules")
    env = install_ids(folder / "site")
    (folder / "sightline.toml").write_text(TOML)
    async with serving("--model", "nano", "--engine", "onnx", env=env, cwd=folder, data=folder / "data") as running:
        yield running


async def rules(server: Running, stream: str = "door") -> Json:
    return dict((await server.get(f"/api/streams/{stream}/rules"))["rules"])


async def next_of(events: Peer, rule: str) -> Json:
    while True:
        event, _ = await events.next("event")
        if event.get("rule") == rule:
            return event


async def test_the_settings_file_and_the_api_say_the_same(server: Running) -> None:
    night = (await rules(server))["night"]
    assert night["sentence"] == (
        "When anything is in drive, outside 08:00-18:00, not again for 60 s: notify, webhook, mqtt, command."
    )
    assert (night["troubles"], night["fired"], night["last"]) == ([], 0, None)
    put = await server.http.put("/api/streams/door/rules/again", json=night["rule"])
    assert (put.status_code, put.json()) == (200, night)
    assert (await server.http.delete("/api/streams/door/rules/again")).status_code == 204
    assert list(await rules(server)) == ["night"]


async def test_a_rule_that_is_set_while_somebody_is_there(server: Running) -> None:
    async with walking(server, "door") as walker, peer(f"{server.ws}/ws?events=1&stream=door") as events:
        await walker.see(*[0.45] * 5)
        before = time.time()
        assert (await server.http.put("/api/streams/door/rules/stays", json=STAYS)).json()["fired"] == 0
        await walker.see(0.45)
        start = await next_of(events, "stays")
        assert (start["phase"], start["seq"], start["class_name"]) == ("start", 6, "person")
        report = (await rules(server))["stays"]
        assert report["fired"] == 1
        assert before - 60 < report["last"] < time.time() + 60

        changed = await server.http.put("/api/streams/door/rules/stays", json=STAYS | {"for_s": 1000})
        assert changed.json()["fired"] == 1, "it is the rule of this name"
        end = await next_of(events, "stays")
        assert (end["id"], end["phase"], end["reason"]) == (start["id"], "end", "the rule was changed")

        assert (await server.http.put("/api/streams/door/rules/stays", json=STAYS)).status_code == 200
        await walker.see(0.45)
        start = await next_of(events, "stays")
        assert (await server.http.delete("/api/streams/door/rules/stays")).status_code == 204
        end = await next_of(events, "stays")
        assert (end["id"], end["phase"], end["reason"]) == (start["id"], "end", "the rule was removed")


async def test_what_a_rule_names_may_be_gone(server: Running) -> None:
    gone: list[tuple[Json, str]] = [
        ({"zone": "yard"}, "there is no zone yard: set it, or choose another"),
        ({"line": "fence"}, "there is no line fence: set it, or choose another"),
        ({"classes": ["persn", "car"]}, "the stream's model has no class persn: choose others, or another model"),
        ({"line": "gate", "classes": ["person"]}, "gate counts no person: add them to its classes"),
    ]
    for rule, trouble in gone:
        put = await server.http.put("/api/streams/door/rules/lost", json=rule | {"cooldown_s": 0})
        assert (put.status_code, put.json()["troubles"]) == (200, [trouble])
    async with walking(server, "door") as walker, peer(f"{server.ws}/ws?events=1&stream=door") as events:
        put = await server.http.put("/api/streams/door/rules/lost", json={"zone": "yard", "cooldown_s": 0})
        await walker.see(0.45)
        zone = {"points": [[0.4, 0.0], [0.6, 0.0], [0.6, 1.0], [0.4, 1.0]]}
        assert (await server.http.put("/api/streams/door/zones/yard", json=zone)).status_code == 200
        assert (await rules(server))["lost"]["troubles"] == []
        await walker.see(0.45)
        start = await next_of(events, "lost")
        assert start["seq"] == 2, "nothing came of it before"
        assert (await server.http.delete("/api/streams/door/zones/yard")).status_code == 204
        end = await next_of(events, "lost")
        assert (end["id"], end["reason"]) == (start["id"], "the zone was removed")
        assert (await rules(server))["lost"]["troubles"] == ["there is no zone yard: set it, or choose another"]
        await server.http.delete("/api/streams/door/rules/lost")


async def test_what_keeps_a_streams_rules_from_being_fulfilled(server: Running) -> None:
    async with walking(server, "yard") as walker:
        await walker.see(0.1)
        await server.http.put("/api/streams/yard/rules/any", json={})
        for change, trouble in (({"track": False}, "track is off"), ({"detect": False}, "detection is switched off")):
            assert (await server.http.patch("/api/streams/yard", json=change)).status_code == 200
            assert trouble in (await rules(server, "yard"))["any"]["troubles"][-1]
        await server.http.put("/api/streams/yard/rules/any", json={"when": "stream"})
        assert (await rules(server, "yard"))["any"]["troubles"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"),
    [
        ("PUT", "door/rules/new", {"for_s": -1}, 422, "for_s: got -1; expected a number of seconds from 0 to 86400"),
        ("PUT", "door/rules/new", {"for_s": 1e9}, 422, "for_s: got 1000000000.0; expected a number of seconds"),
        ("PUT", "door/rules/new", {"hours": "8-18"}, 422, "hours: got '8-18'; expected two times that differ"),
        ("PUT", "door/rules/new", {"zone": "a", "line": "b"}, 422, "zone: got a zone and a line; expected one of them"),
        ("PUT", "door/rules/new", {"color": "red"}, 422, "color: got 'red'; expected one of the keys enabled"),
        ("PUT", "door/rules/new", {"classes": ["a"] * 1000}, 422, "classes: got"),
        (
            "PUT",
            "door/rules/new",
            {"classes": []},
            422,
            "classes: got []; expected a list of 1 to 256 names of classes",
        ),
        ("PUT", "door/rules/new", [], 422, "expected the keys enabled"),
        ("PUT", "door/rules/a%20b", {}, 400, "name 'a b' of a zone, line or rule: expected 1 to 64 letters"),
        ("PUT", "a%20b/rules/new", {}, 400, "stream name 'a b'"),
        ("DELETE", "door/rules/none", None, 404, "no rule named 'none' in stream 'door': expected night"),
        ("DELETE", "nowhere/rules/none", None, 404, "no rule named 'none' in stream 'nowhere'"),
    ],
)
async def test_what_is_wrong_is_told_and_changes_nothing(
    server: Running, method: str, path: str, body: Any, status: int, told: str
) -> None:
    before = await rules(server)
    answer = await server.http.request(method, f"/api/streams/{path}", json=body)
    assert (answer.status_code, told in answer.json()["error"]["message"]) == (status, True), answer.text
    assert await rules(server) == before


async def test_no_stream_has_rules_without_number(server: Running) -> None:
    puts = (server.http.put(f"/api/streams/many/rules/rule{number}", json={}) for number in range(64))
    assert {answer.status_code for answer in await asyncio.gather(*puts)} == {200}
    answer = await server.http.put("/api/streams/many/rules/more", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "limit_reached")
    assert (await server.http.put("/api/streams/many/rules/rule1", json={"for_s": 1})).status_code == 200
