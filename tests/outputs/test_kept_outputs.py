"""Outputs that admins add, change and remove while the server runs."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sightline.core import registry
from sightline.core.errors import ConfigError
from sightline.core.events import Event
from sightline.outputs._kept import KeptOutputs, checked, form_of
from sightline.outputs.base import Item
from sightline.settings.outputs import OutputTable
from sightline.settings.settings import Settings
from sightline.sources._foreign import Refused
from support.receivers import broker, hook
from support.rtsp import free_port
from support.serving import Running, serving
from support.streams import make_hub

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "s3cr3t-w0rd"
FIXED = '[{"kind": "webhook", "url": "http://127.0.0.1:9/fixed"}]'
METADATA = "169.254.169.254"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Running, Path]]:
    data = tmp_path_factory.mktemp("data")
    async with serving("--model", "motion", env={"SIGHTLINE_OUTPUTS": FIXED}, data=data) as server:
        yield server, data / "outputs.json"


async def ask(server: Running, method: str, path: str, status: int, body: Any = None) -> Any:
    answer = await server.http.request(method, f"/api/outputs{path}", json=body)
    assert SECRET not in answer.text
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def listed(server: Running) -> dict[str, Any]:
    return {one["id"]: one for one in (await ask(server, "GET", "", 200))["outputs"]}


async def test_one_is_added_tested_changed_and_removed(house: tuple[Running, Path]) -> None:
    server, file = house
    async with hook(lambda _: 204) as first, hook(lambda _: 204) as second:
        given = {"kind": "webhook", "url": f"{first.url}?{SECRET}", "secret": SECRET, "what": ["alerts"]}
        added = await ask(server, "POST", "", 201, given)
        id = added["id"]
        assert (id, added["fixed"], added["what"]) == ("webhook", False, ["alerts"])
        assert (added["settings"]["url"], added["settings"]["secret"]) == ("(hidden)", "(hidden)")
        assert await ask(server, "POST", f"/{id}/test", 200) == {"sent": True, "reason": ""}
        assert "sightline-signature" in first.headers[0]
        assert json.loads(file.read_text()) == {id: given}
        assert file.stat().st_mode & 0o077 == 0, "it has secrets"

        changed = await ask(server, "PATCH", f"/{id}", 200, {"url": second.url, "stream": "door", "what": None})
        assert (changed["stream"], changed["what"]) == ("door", ["events"])
        assert await ask(server, "POST", f"/{id}/test", 200) == {"sent": True, "reason": ""}
        assert (len(first.bodies), len(second.bodies)) == (1, 1)
        assert "sightline-signature" in second.headers[0], "a secret that is not given stays"
        await ask(server, "DELETE", f"/{id}", 204)
        assert list(await listed(server)) == ["1"]
        await ask(server, "POST", f"/{id}/test", 404)
        assert json.loads(file.read_text()) == {}


async def test_what_may_not_be_added_is_refused_and_changes_nothing(house: tuple[Running, Path]) -> None:
    server, file = house
    before = await listed(server)
    for table, why in (
        ({"kind": "command", "command": ["true"]}, "only the settings file"),
        ({"kind": "jsonl", "path": "/tmp/x"}, "only the settings file"),
        ({"kind": ["webhook"]}, "kind"),
        ({"url": "http://home.example"}, "kind"),
        ({"kind": "webhook"}, "url is missing"),
        ({"kind": "webhook", "url": "http://home.example", "colour": SECRET}, "unknown key 'colour'"),
        ({"kind": "webhook", "url": "http://home.example", "batch": -1}, "batch"),
        ({"kind": "webhook", "url": f"file:///{SECRET}"}, "http"),
        ({"kind": "webhook", "url": f"http://{METADATA}/{SECRET}"}, "link-local or metadata"),
        ({"kind": "webhook", "url": "http://[::ffff:a9fe:a9fe]/"}, "link-local or metadata"),
        ({"kind": "webhook", "url": "http://2852039166/"}, "link-local or metadata"),
        ({"kind": "webhook", "url": "http://home.example/a b"}, "without spaces"),
        ({"kind": "mqtt", "host": METADATA, "password": SECRET}, "link-local or metadata"),
        ({"kind": "mqtt", "host": "\ud800"}, ""),
        ("webhook", ""),
    ):
        kind = {"Content-Type": "application/json"}
        answer = await server.http.post("/api/outputs", content=json.dumps(table), headers=kind)
        assert answer.status_code in (400, 422), (table, answer.text)
        assert why in answer.json()["error"]["message"], table
        assert SECRET not in answer.text
    for id in ("1", "nobody"):
        await ask(server, "PATCH", f"/{id}", 404, {"stream": "door"})
        await ask(server, "DELETE", f"/{id}", 404)
    assert await listed(server) == before
    assert not file.exists() or json.loads(file.read_text()) == {}


async def test_changes_by_hand_are_taken_over_or_said_to_be_wrong(house: tuple[Running, Path]) -> None:
    server, file = house
    async with hook(lambda _: 204) as web:
        file.write_text(json.dumps({"hall": {"kind": "webhook", "url": web.url}}))
        await server.until(lambda told: len(told["outputs"]) == 2, path="/api/outputs")
        assert await ask(server, "POST", "/hall/test", 200) == {"sent": True, "reason": ""}
        for wrong, why in (
            (f'{{"hall": "{SECRET}', "line 1"),
            (json.dumps({"hall": {"kind": "command", "command": [SECRET]}}), "only the settings file"),
            (json.dumps({"7": {"kind": "webhook", "url": web.url}}), "not only digits"),
        ):
            file.write_text(wrong)
            told = await server.until(lambda s, why=why: why in json.dumps(s), path="/api/server")  # type: ignore[misc]
            assert SECRET not in str(told)
            assert set(await listed(server)) == {"1", "hall"}
            refused = await ask(server, "PATCH", "/hall", 400, {"stream": "door"})
            assert "mended" in refused["error"]["message"]
            assert file.read_text() == wrong, "what was changed by hand is not lost"
        file.write_text("{}")
        await server.until(lambda told: len(told["outputs"]) == 1, path="/api/outputs")
    assert not any(SECRET in line for line in server.log)


async def test_of_two_who_change_one_the_second_is_told(house: tuple[Running, Path]) -> None:
    server, _ = house
    added = await ask(server, "POST", "", 201, {"kind": "webhook", "url": "http://127.0.0.1:9/a"})
    path, headers = f"/api/outputs/{added['id']}", {"if-match": f'"{added["version"]}"'}
    urls = [{"url": f"http://127.0.0.1:9/{name}"} for name in "bc"]  # which nobody is shown
    answers = await asyncio.gather(*(server.http.patch(path, json=url, headers=headers) for url in urls))
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert (await server.http.delete(path, headers=headers)).status_code == 412
    now = (await listed(server))[added["id"]]["version"]
    assert (await server.http.delete(path, headers={"if-match": f'"{now}"'})).status_code == 204


async def test_a_password_never_goes_to_another_broker(house: tuple[Running, Path]) -> None:
    server, _ = house
    id = (await ask(server, "POST", "", 201, {"kind": "mqtt", "host": "127.0.0.1", "password": SECRET}))["id"]
    for change in ({"host": "localhost"}, {"port": 1884}, {"tls": True}):
        refused = await ask(server, "PATCH", f"/{id}", 400, change)
        assert "expected it again" in refused["error"]["message"]
    await ask(server, "PATCH", f"/{id}", 200, {"topic": "home/{stream}"})
    await ask(server, "PATCH", f"/{id}", 200, {"host": "localhost", "password": None})
    assert (await listed(server))[id]["settings"]["password"] is None
    await ask(server, "DELETE", f"/{id}", 204)


async def test_a_broker_that_was_added_is_published_to(house: tuple[Running, Path], tmp_path: Path) -> None:
    server, _ = house
    port = free_port()
    async with broker(tmp_path, port):
        id = (await ask(server, "POST", "", 201, {"kind": "mqtt", "host": "localhost", "port": port}))["id"]
        assert await ask(server, "POST", f"/{id}/test", 200) == {"sent": True, "reason": ""}
        await ask(server, "DELETE", f"/{id}", 204)


async def test_they_are_there_after_a_restart(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data": tmp_path})
    for life in range(3):
        hub, kept = make_hub(), KeptOutputs(settings)
        async with kept.run(hub, None):
            assert list(kept.dispatchers) == (["webhook"] if life == 1 else [])
            if life == 0:
                await kept.add({"kind": "webhook", "url": "http://127.0.0.1:9/"})
                (tmp_path / "outputs.json.bad").unlink(missing_ok=True)
            if life == 1:
                (tmp_path / "outputs.json").write_text("[]")
            hub.close("the server is shutting down")
        await hub.supervisor.close()
    assert (tmp_path / "outputs.json.bad").read_text() == "[]"


@pytest.mark.parametrize("scheme", ["http", "https", "mqtt"])
async def test_a_name_that_means_another_machine_later_is_not_connected_to(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ["127.0.0.1", METADATA]
    asked: list[str] = []

    def machines(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[min(len(asked) - 1, 1)], port))]

    monkeypatch.setattr(socket, "getaddrinfo", machines)
    mqtt = {"kind": "mqtt", "host": "home.example"}
    table = mqtt if scheme == "mqtt" else {"kind": "webhook", "url": f"{scheme}://home.example/hook"}
    settings = await checked(table)
    output = registry.load("outputs", settings.kind).open_foreign(settings)
    event = Event(id="e1", stream="door", phase="start", kind="object", at=1.5, seq=1)
    with pytest.raises(Refused, match="metadata"):
        async with asyncio.timeout(10):
            await output.send([Item("events", "door", b"{}", event)])
    await output.close()


@pytest.mark.parametrize("id", ["", "1", "a b", "x" * 65, "../x"])
async def test_ids_are_those_of_addresses(id: str) -> None:
    with pytest.raises(ConfigError, match="an id"):
        form_of(id, OutputTable(kind="webhook").model_dump())
