"""Web Push from a real server to a push service on this machine, which hands on what only the phone can read."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from msgspec import structs

from sightline.core.events import Event
from sightline.notifications.devices import MOST_OF_A_TOKEN
from sightline.security.tokens import Role, Store
from support.inside import Inside, inside
from support.push_service import Phone, PushService, push_service
from support.serving import peer, serving
from support.waiting import within

pytest.importorskip("pywebpush")
pytestmark = pytest.mark.asyncio(loop_scope="module")


def alert(number: int = 1, stream: str = "door", **given: Any) -> Event:
    """A rule's event as it begins."""
    begun = Event(
        id=f"e{number}",
        stream=stream,
        phase="start",
        kind="rule",
        at=1700000000.5,
        seq=number,
        class_name="person",
        zone="drive",
        rule="Somebody in the drive",
        actions=("notify", "webhook"),
        snapshot=f"/api/events/e{number}/picture.jpg",
    )
    return structs.replace(begun, **given)


@dataclass
class World:
    server: Inside
    service: PushService
    http: httpx2.AsyncClient
    data: Path

    async def subscribe(self, phone: Phone, *streams: str) -> str:
        answer = await self.http.post("/api/push/devices", json=phone.wants(*(streams or ("*",))))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])


@pytest_asyncio.fixture(loop_scope="module")
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    async with (
        push_service() as service,
        inside(data=tmp_path, push_services=(service.origin,)) as server,
        httpx2.AsyncClient(base_url=server.http, timeout=30) as http,
    ):
        yield World(server, service, http, tmp_path)


async def unlisted(data: Path, endpoint: bytes) -> None:
    """Wait until the server has forgotten a device for good."""
    async with asyncio.timeout(30):
        while endpoint in (data / "push.json").read_bytes():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.02)


async def test_a_device_is_told_what_only_it_can_read(world: World) -> None:
    phone = world.service.phone("mine")
    key = (await world.http.get("/api/push")).json()["key"]
    await world.subscribe(phone)
    world.server.emit(alert())
    pushed = await world.service.next()
    told = phone.read(pushed.body)
    assert (told["id"], told["rule"], told["stream"]) == ("e1", "Somebody in the drive", "door")
    assert told["display_name"] == "door"
    assert told["snapshot"] == "/api/events/e1/picture.jpg"
    assert pushed.headers["authorization"].startswith("vapid t=")
    assert pushed.headers["authorization"].endswith(f",k={key}")
    assert (pushed.headers["content-encoding"], pushed.headers["urgency"]) == ("aes128gcm", "high")
    assert b"Somebody" not in pushed.body
    await world.server.figures(lambda s: s["push"] == {"devices": 1, "told": 1, "lost": 0})


async def test_only_the_start_of_what_a_rule_tells_people_goes_out_and_only_of_its_streams(world: World) -> None:
    await world.subscribe(world.service.phone("mine"), "door")
    quiet = [alert(1, "hall"), alert(2, phase="end"), alert(3, actions=("webhook",)), alert(4, phase="update")]
    world.server.emit(*quiet, alert(5))
    await world.service.next()
    world.server.emit(alert(6))
    await world.service.next()
    await world.server.figures(lambda s: s["push"]["told"] == 2)
    assert world.service.got.empty()


async def test_a_device_that_is_gone_is_forgotten(world: World) -> None:
    gone, other = world.service.phone("gone"), world.service.phone("other")
    world.service.answers["/gone"] = 410
    await world.subscribe(gone)
    await world.subscribe(other)
    world.server.emit(alert(1))
    assert {(await world.service.next()).path for _ in range(2)} == {"/gone", "/other"}
    await world.server.figures(lambda s: s["push"]["devices"] == 1)
    world.server.emit(alert(2))
    assert (await world.service.next()).path == "/other"
    await unlisted(world.data, b"/gone")


async def test_a_service_that_fails_is_tried_again_and_nobody_is_told_twice(world: World) -> None:
    await world.subscribe(world.service.phone("well"))
    await world.subscribe(world.service.phone("busy"))
    world.service.answers["/busy"] = 503
    world.server.emit(alert(1))
    paths = [(await world.service.next()).path for _ in range(2)]
    stats = await world.server.figures(lambda s: s["troubles"])
    assert "HTTP status 503" in str(stats["troubles"])
    world.service.answers.clear()
    paths += [(await world.service.next()).path]
    while paths[-1] == "/busy" and not world.service.got.empty():
        paths += [(await world.service.next()).path]
    await world.server.figures(lambda s: s["push"]["told"] == 2 and not s["troubles"])
    assert paths.count("/well") == 1


async def test_a_refusal_and_a_redirection_are_told_and_nobody_is_led_elsewhere(world: World) -> None:
    for number, status in enumerate((403, 307, 302)):
        world.service.answers["/mine"] = status
        await world.subscribe(world.service.phone("mine"))
        world.server.emit(alert(number))
        assert (await world.service.next()).path == "/mine"
        stats = await world.server.figures(lambda s: s["push"]["lost"] == number + 1)  # noqa: B023 - it is used here
        assert f"HTTP status {status}" in str(stats["troubles"])
    assert world.service.got.empty()


async def test_secrets_lie_in_files_for_the_owner_alone_and_outlive_the_server(tmp_path: Path) -> None:
    async with push_service() as service:
        phone = service.phone("mine")
        again = partial(inside, data=tmp_path, push_services=(service.origin,))
        async with again() as server, httpx2.AsyncClient(base_url=server.http) as http:
            key = (await http.get("/api/push")).json()["key"]
            assert (await http.post("/api/push/devices", json=phone.wants("*"))).status_code == 200
        for name in ("push.pem", "push.json"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600 or os.name == "nt"
        async with again() as server, httpx2.AsyncClient(base_url=server.http) as http:
            assert (await http.get("/api/push")).json()["key"] == key
            server.emit(alert())
            assert phone.read((await service.next()).body)["id"] == "e1"
        async with inside(data=tmp_path) as server:  # the operator takes the service back
            assert (await server.figures())["push"]["devices"] == 0


async def test_no_client_names_an_address_to_be_asked(world: World) -> None:
    answer = await world.http.post("/api/push/devices", json=Phone("http://127.0.0.1:9/other").wants("*"))
    assert answer.status_code == 400
    assert "push service of Google, Mozilla, Apple, Microsoft" in answer.text
    assert (await world.server.figures())["push"]["devices"] == 0


async def test_keys_that_can_not_be_are_refused(world: World) -> None:
    for keys in ({"auth": "AAAA"}, {"p256dh": "BAAA"}, {"p256dh": "é"}, {"auth": "!" * 22}):
        wanted = world.service.phone("mine").wants("*")
        wanted["keys"] |= keys
        answer = await world.http.post("/api/push/devices", json=wanted)
        assert answer.status_code == 400
        assert f"keys.{next(iter(keys))}" in answer.text


async def test_a_device_changes_what_it_wants_and_leaves(world: World) -> None:
    phone = world.service.phone("mine")
    device = await world.subscribe(phone, "door")
    assert await world.subscribe(phone, "hall") == device
    world.server.emit(alert(1, "door"), alert(2, "hall"))
    assert phone.read((await world.service.next()).body)["id"] == "e2"
    assert (await world.http.delete(f"/api/push/devices/{device}")).status_code == 204
    assert (await world.http.delete(f"/api/push/devices/{device}")).status_code == 404
    assert (await world.server.figures())["push"]["devices"] == 0


async def test_no_stream_is_inferred_for_it(world: World) -> None:
    await world.subscribe(world.service.phone("mine"))
    async with asyncio.timeout(30):
        while not world.server.hub.listeners.idle:  # noqa: ASYNC110 - the hub tells nobody of that
            await asyncio.sleep(0.005)
    hub = world.server.hub
    assert hub.viewers == 0
    async with peer(f"{world.server.ws}/ws?events=1&kind=rule"):
        await within(_until(lambda: hub.viewers == 1), 30)
        assert not hub.listeners.want("door")
        async with peer(f"{world.server.ws}/ws?events=1&kind=zone"):
            await within(_until(lambda: hub.viewers == 2), 30)
            assert hub.listeners.want("door")


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - the hub tells nobody of that
        await asyncio.sleep(0.005)


async def test_it_ends_with_the_token(tmp_path: Path) -> None:
    async with push_service() as service:
        config = tmp_path / "sightline.toml"
        config.write_text(f'tokens = true\npush_services = ["{service.origin}"]\n')
        store = Store(tmp_path)
        async with serving("--model", "motion", cwd=tmp_path, data=tmp_path, ready=False) as server:

            async def ask(role: Role, stream: str, *wanted: str, name: str = "") -> tuple[int, str]:
                token, record = store.create(role, stream, lifetime=None)
                bearer = {"Authorization": f"Bearer {token}"}
                phone = service.phone(name or record.id)
                answer = await server.http.post("/api/push/devices", json=phone.wants(*wanted), headers=bearer)
                return answer.status_code, record.id

            assert (await ask("publish", "door", "door"))[0] == 403
            assert (await ask("view", "door", "*"))[0] == 403
            assert (await ask("view", "door", "door", "hall"))[0] == 403
            assert (await ask("view", "*", "*", "door"))[0] == 200
            status, token_id = await ask("view", "door", "door", name="guest")
            assert status == 200
            assert b"/guest" in (tmp_path / "push.json").read_bytes()
            store.revoke(token_id)
            await unlisted(tmp_path, b"/guest")
            assert (await server.http.get("/api/push")).status_code == 401


async def test_a_token_can_not_fill_all_places(tmp_path: Path) -> None:
    async with push_service() as service:
        (tmp_path / "sightline.toml").write_text(f'tokens = true\npush_services = ["{service.origin}"]\n')
        token, _ = Store(tmp_path).create("view", "*", lifetime=None)
        async with serving("--model", "motion", cwd=tmp_path, data=tmp_path, ready=False) as server:
            bearer = {"Authorization": f"Bearer {token}"}
            for number in range(MOST_OF_A_TOKEN + 1):
                wanted = service.phone(str(number)).wants("*")
                answer = await server.http.post("/api/push/devices", json=wanted, headers=bearer)
            assert answer.status_code == 429
            assert f"{MOST_OF_A_TOKEN} devices" in answer.text
