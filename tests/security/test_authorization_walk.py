"""Every door and every kind of visitor: each HTTP route, socket and TCP message is tried with each identity.

A route, or a message, that is not in ``support/doors.py`` fails the test. A data channel belongs to the WHIP or WHEP
session of which it is: who may not have that has no channel.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from sightline.security.authentication import COOKIE
from sightline.security.tokens import ROLES, Role, Store
from sightline.server.app import create_app
from sightline.settings.settings import load_settings
from sightline.transports import _viewer
from sightline.transports.webrtc import publishing
from sightline.wire import msgpack as frames
from support.doors import BODIES, CHANNELS, GUEST, HERE, NEEDS, OPEN_TO_GUESTS, TCP_NEEDS, THERE, VIEW, Needs
from support.lan import needs_network, opened
from support.rtc import Clip, remote
from support.serving import Running, serving, trusting
from support.tcp_peer import frame, tcp_peer
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW = ("POST /api/doctor", "POST /api/sources/find")
"""Take seconds for whom they let in and change nothing: they are tried beside the others."""
REFUSED = {401: "nobody", 403: "no right"}


@dataclass(frozen=True)
class Visitor:
    """Somebody with a token, or without."""

    name: str
    role: Role | None
    stream: str
    token: str | None
    headers: tuple[tuple[str, str], ...] = ()
    never: bool = False
    """Refused at every door."""


@dataclass
class House:
    """A server that asks for tokens, and those who come to it."""

    server: Running
    data: Path
    visitors: list[Visitor]
    admin: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[House]:
    data = tmp_path_factory.mktemp("data")
    visitors, admin = visitors_of(data)
    options = ("--lan", "--host", "127.0.0.1", "--tcp-port", "0", "--log-level", "debug")
    async with serving(*options, data=data, env={"SIGHTLINE_ALLOWED_ORIGINS": f'["{GUEST}"]'}) as server:
        yield House(server, data, visitors, admin)


def visitors_of(data: Path) -> tuple[list[Visitor], str]:
    """Those who come to a server with that folder, and the token of an admin."""
    store = Store(data)
    admin, _ = store.create("admin", "*", lifetime=None)
    visitors = [Visitor("nobody", None, "", None)]
    for role in ROLES:
        for stream in (HERE, THERE, "*"):
            token, _ = store.create(role, stream, lifetime=3600)
            visitors.append(Visitor(f"{role} of {stream}", role, stream, token))
    expired, _ = store.create("admin", "*", lifetime=0.001)
    revoked, record = store.create("admin", "*", lifetime=None)
    store.revoke(record.id)
    visitors += [
        Visitor("expired", None, "", expired, never=True),
        Visitor("revoked", None, "", revoked, never=True),
        Visitor("made up", None, "", "slt_made-up", never=True),
        Visitor("of another origin", "admin", "*", admin, (("origin", "https://evil.example"),), never=True),
        Visitor("by another name", "admin", "*", admin, (("host", "evil.example"),), never=True),
    ]
    return visitors, admin


async def routes() -> set[str]:
    """All doors that an app has once it runs."""
    app: FastAPI = create_app(load_settings(model="motion"))
    async with app.router.lifespan_context(app):
        return {f"{method} {path}" for method, path in _doors(app.routes)}


def _doors(listed: Iterable[Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for route in listed:
        if hasattr(route, "original_router"):  # newer FastAPI keeps included routers as they are
            found += _doors(route.original_router.routes)
        elif isinstance(route, WebSocketRoute):
            found.append(("WS", route.path))
        elif isinstance(route, Mount):
            found.append(("GET", route.path))
        else:
            assert isinstance(route, (APIRoute, Route)), f"a route of a kind that the walk does not know: {route}"
            found += [(method, route.path) for method in route.methods or () if method != "HEAD"]
    return found


async def test_every_door_is_known() -> None:
    unknown = await routes() - {door.partition("?")[0] for door in NEEDS}
    assert not unknown, f"say in {Path(__file__).name} what these need: {sorted(unknown)}"


async def test_every_tcp_message_is_known() -> None:
    tags = {kind.__struct_config__.tag for kind in get_args(frames.PeerMessage)}
    assert tags == {kind.split()[0] for kind in TCP_NEEDS}, f"say in {Path(__file__).name} what these need"


async def test_every_message_of_a_data_channel_is_known() -> None:
    taken = {"whip": get_args(publishing.Message), "whep": tuple(_viewer.HANDLERS)}
    tags = {kind: {message.__struct_config__.tag for message in messages} for kind, messages in taken.items()}
    assert tags == CHANNELS, f"say in {Path(__file__).name} what these take"


def headers_of(visitor: Visitor) -> dict[str, str]:
    bearer = {} if visitor.token is None else {"authorization": f"Bearer {visitor.token}"}
    return bearer | dict(visitor.headers)


def path_of(door: str) -> tuple[str, str]:
    method, _, path = door.partition(" ")
    path = path.replace("{stream}", HERE).replace("{name}", "no-such-model").replace("{id}", "none")
    return method, f"{path}/css/style.css" if path == "/static" else path


def wrong(door: str, visitor: Visitor, needs: Needs, refused: bool) -> str | None:
    expected = visitor.never or not needs.allows(visitor.role, visitor.stream)
    return None if refused == expected else f"{door} with {visitor.name}: {'refused' if refused else 'let in'}"


async def test_http(house: House) -> None:
    quick = [door for door in NEEDS if not door.startswith("WS") and door not in SLOW]
    found = await asyncio.gather(*(mistakes_at(house, doors) for doors in (quick, *([door] for door in SLOW))))
    assert [mistake for mistakes in found for mistake in mistakes] == []


async def mistakes_at(house: House, doors: list[str]) -> list[str]:
    """Whom those doors let in or refuse wrongly. Each visitor comes to each, one after the other, without a cookie."""
    mistakes = []
    async with httpx2.AsyncClient(base_url=house.server.url, verify=trusting(house.data), timeout=120) as http:
        for door in doors:
            method, path = path_of(door)
            body = {"token": house.admin} if door == "POST /api/session" else BODIES.get(door)
            for visitor in house.visitors:
                asked = http.stream(method, path, headers=headers_of(visitor), json=body)
                async with asked as answer:  # what comes live has no end
                    told = "" if "/live" in path else await answer.aread()
                assert answer.status_code < 500 or path == "/ready", f"{door} with {visitor.name}: {told!r}"
                assert "set-cookie" not in answer.headers or door.endswith("/api/session")
                http.cookies.clear()
                mistakes.append(wrong(door, visitor, NEEDS[door], answer.status_code in REFUSED))
    return [mistake for mistake in mistakes if mistake]


async def test_sockets(house: House) -> None:
    mistakes = []
    for door, needs in NEEDS.items():
        method, path = path_of(door)
        if method != "WS":
            continue
        for visitor in house.visitors:
            mistakes.append(wrong(door, visitor, needs, await socket_refuses(house, path, headers_of(visitor))))
    assert [m for m in mistakes if m] == []


@needs_network
async def test_lan_mode_gives_no_more_than_lan(tmp_path: Path) -> None:
    """The same walk by the listener that is opened while a server on loopback runs. What it gives at home is all."""
    visitors, admin = visitors_of(tmp_path)
    here = ("nobody", "view of here", "publish of here", "admin of there", "view of *", "revoked")
    some = [one for one in visitors if one.name in here or one.headers]
    async with serving(data=tmp_path) as server, opened(server, tmp_path) as lan:
        house = House(lan, tmp_path, some, admin)
        mistakes = await mistakes_at(house, [door for door in NEEDS if not door.startswith("WS") and door not in SLOW])
        for door, needs in NEEDS.items():
            method, path = path_of(door)
            if method == "WS":
                for visitor in some:
                    refused = await socket_refuses(house, path, headers_of(visitor))
                    mistakes += filter(None, [wrong(door, visitor, needs, refused)])
        assert mistakes == []
        assert (await server.http.get("/stats")).status_code == 200


async def socket_refuses(house: House, path: str, headers: dict[str, str], protocols: list[str] | None = None) -> bool:
    """True if that visitor is not let in. A message that is too long is refused last."""
    context = trusting(house.data)
    url = house.server.ws + path
    if "host" in headers:  # which the library sets itself
        async with httpx2.AsyncClient(verify=context) as http:
            upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
            key = {"sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}
            return (await http.get(house.server.url + path, headers=headers | upgrade | key)).status_code == 403
    try:
        options: Any = {"ssl": context, "additional_headers": headers, "subprotocols": protocols}
        async with connect(url, compression=None, **options) as ws:
            assert ws.subprotocol == (protocols and protocols[0])
            with contextlib.suppress(Exception):
                await ws.send("x" * 5000)
            while True:
                text = str(await within(ws.recv(), 30))
                if '"type":"error"' in text:
                    return '"unauthorized"' in text or '"forbidden"' in text
    except InvalidStatus as e:
        return e.response.status_code == 403


async def test_pages_of_an_allowed_origin_get_what_is_looked_at_and_no_more(house: House) -> None:
    mistakes = []
    by_name = {visitor.name: visitor for visitor in house.visitors}
    for door, needs in NEEDS.items():
        method, path = path_of(door)
        for name in ("admin of *", "view of here", "view of there", "nobody"):
            headers = headers_of(by_name[name]) | {"origin": GUEST}
            if method == "WS":
                refused, lets = await socket_refuses(house, path, headers), door in OPEN_TO_GUESTS
            else:
                async with house.server.http.stream(method, path, headers=headers) as answer:
                    lets = answer.headers.get("access-control-allow-origin") == GUEST
                    refused = answer.status_code in REFUSED
            house.server.http.cookies.clear()
            allowed = door in OPEN_TO_GUESTS and needs.allows(by_name[name].role, by_name[name].stream)
            mistakes.append(None if refused != allowed else f"{door} with {name}: {refused=}")
            if lets != (door in OPEN_TO_GUESTS):
                mistakes.append(f"{door} with {name}: the page {'can' if lets else 'can not'} read the answer")
    assert [m for m in mistakes if m] == []
    assert set(NEEDS) >= OPEN_TO_GUESTS


async def test_a_guest_has_its_own_token_and_not_the_cookie_of_who_looks(house: House) -> None:
    http, cookie = house.server.http, {"cookie": f"{COOKIE}={house.admin}"}
    guests = ({"origin": GUEST}, {"referer": f"{GUEST}/wall"})
    for path in (f"/mjpeg/{HERE}", f"/snapshot/{HERE}.jpg", "/api/webrtc"):
        assert [(await http.get(path, headers=cookie | guest)).status_code for guest in guests] == [401, 401]
    assert await socket_refuses(house, f"/ws/view/{HERE}", cookie | {"origin": GUEST})
    assert not await socket_refuses(house, f"/ws/view/{HERE}", cookie | {"origin": house.server.url})


async def test_a_socket_takes_its_token_as_a_subprotocol(house: House) -> None:
    """Pages can't write other headers of a socket, and an address may end up in a log."""
    for visitor in house.visitors:
        if visitor.headers or visitor.token is None:
            continue
        shown = ["sightline", f"sightline.token.{visitor.token}"]
        refused = await socket_refuses(house, f"/ws/view/{HERE}", {"origin": GUEST}, shown)
        assert refused == (visitor.never or not VIEW.allows(visitor.role, visitor.stream)), visitor.name
    log = "".join(house.server.log)
    assert not [visitor.name for visitor in house.visitors if visitor.token and visitor.token in log]


async def test_what_a_view_token_can_do_besides_looking(house: House) -> None:
    """A token in somebody's page is seen by all who see the page. It must be of use for nothing else."""
    by_name = {visitor.name: visitor for visitor in house.visitors}
    embed = by_name["view of here"]
    doors = {door for door, needs in NEEDS.items() if needs.allows(embed.role, embed.stream) and not needs.public}
    assert {door for door in doors if not door.startswith(("GET", "WS", "OPTIONS"))} == {
        *("POST /whep/{stream}", "PATCH /whep/{stream}/{session}", "DELETE /whep/{stream}/{session}"),
        *("POST /api/push/devices", "DELETE /api/push/devices/{device}"),  # its stream's alerts, until it ends
    }


async def test_tcp_messages(house: House) -> None:
    said: dict[str, Any] = {
        "auth": None,
        "frame": frame(HERE, 1),
        "close": {"type": "close", "stream": HERE},
        "subscribe": {"type": "subscribe", "stream": HERE},
        "subscribe to all events": {"type": "subscribe", "stream": "", "events": True},
        "unsubscribe": {"type": "unsubscribe", "stream": HERE},
        "settings": {"type": "settings", "stream": HERE, "confidence": 0.5},
        "ping": None,
    }
    mistakes = []
    for kind, needs in TCP_NEEDS.items():
        for visitor in house.visitors:
            if visitor.headers:  # of HTTP
                continue
            refused = await tcp_refuses(house, visitor.token, said[kind])
            mistakes.append(wrong(f"tcp {kind}", visitor, needs, refused))
    assert [m for m in mistakes if m] == []


async def tcp_refuses(house: House, token: str | None, message: Any) -> bool:
    async with tcp_peer(house.server.tcp, token=token, tls=trusting(house.data), greeted=False) as peer:
        await peer.send(*([] if message is None else [message]), {"type": "ping", "timestamp": 1})
        while True:
            answer = await peer.receive()
            if answer["type"] == "error" and answer["code"] in ("unauthorized", "forbidden"):
                return True
            if answer["type"] == "pong":
                return False


async def test_a_data_channel_gives_no_more_than_its_session(house: House) -> None:
    by_name = {visitor.name: headers_of(visitor) for visitor in house.visitors}
    async with remote() as camera, remote() as viewer:
        camera.connection.addTransceiver(Clip(), "sendonly")
        viewer.connection.addTransceiver("video", "recvonly")
        for one, path, name in ((camera, "whip", "publish of here"), (viewer, "whep", "view of here")):
            one.talk()
            assert (await one.call(house.server, f"/{path}/{HERE}", **by_name[name])).status_code == 201
            await one.until(lambda one=one: one.of("status"))  # type: ignore[misc]
            assert one.channel is not None
            one.channel.send('{"type":"settings","confidence":0.9}')
        await viewer.until(lambda: viewer.of("error"))
        await camera.until(lambda: camera.of("settings"))
        assert viewer.of("error")[0]["code"] == "bad_message"
        assert camera.of("settings")[0]["confidence"] == 0.9


async def test_a_cookie_is_for_our_own_pages_only(house: House) -> None:
    """What a browser sends by itself must not serve another site: a request that changes something has our Origin."""
    http = house.server.http
    cookie = {"cookie": f"{COOKIE}={house.admin}"}
    change = {"role": "view", "stream": HERE}
    ours = {"origin": house.server.url}

    async def ask(method: str, path: str, headers: dict[str, str]) -> int:
        return (await http.request(method, path, headers=headers, json=change)).status_code

    assert await ask("POST", "/api/tickets", cookie) == 403
    assert await ask("POST", "/api/tokens", cookie) == 403
    assert await ask("PATCH", "/api/settings", cookie) == 403
    assert await ask("POST", "/api/tickets", cookie | {"origin": "https://evil.example"}) == 403
    assert await ask("POST", "/api/tickets", cookie | {"origin": "null"}) == 403
    assert await ask("POST", "/api/tickets", cookie | ours) == 200
    assert (await http.get("/stats", headers=cookie)).status_code == 200
    assert await socket_refuses(house, "/ws", cookie)
    assert not await socket_refuses(house, "/ws", cookie | ours)


async def test_tokens_are_read_from_headers_only(house: House) -> None:
    http = house.server.http
    for query in ("token", "access_token", "ticket", COOKIE):
        assert (await http.get("/stats", params={query: house.admin})).status_code == 401
    assert (await http.get("/stats", headers={"authorization": f"Basic {house.admin}"})).status_code == 401
    assert (await http.get("/stats", headers={"cookie": f"token={house.admin}"})).status_code == 401


async def test_one_sees_only_the_streams_that_one_may_see(house: House) -> None:
    by_name = {visitor.name: visitor for visitor in house.visitors}
    async with tcp_peer(house.server.tcp, token=house.admin, tls=trusting(house.data)) as publisher:
        await publisher.publish(HERE, 1)
        await publisher.publish(THERE, 1)
        for name, seen in (("view of here", {HERE}), ("publish of there", {THERE}), ("view of *", {HERE, THERE})):
            answer = await house.server.http.get("/api/streams", headers=headers_of(by_name[name]))
            assert {stream["name"] for stream in answer.json()["streams"]} == seen
        owner = headers_of(by_name["publish of here"])
        url = f"/api/streams/{HERE}"
        assert (await house.server.http.patch(url, headers=owner, json={"max_fps": 9})).status_code == 200
        answer = await house.server.http.patch(url, headers=owner, json={"priority": 9})
        assert answer.status_code == 403, "priority takes from the others"


async def test_who_guesses_is_not_looked_at(house: House) -> None:
    http = house.server.http
    stale = {"authorization": "Bearer slt_stale"}
    for _ in range(40):
        assert (await http.get("/stats", headers=stale)).status_code == 401, "the same one again is no guess"
    statuses = [
        (await http.get("/stats", headers={"authorization": f"Bearer guess{i}"})).status_code for i in range(40)
    ]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert statuses == sorted(statuses)
    assert (await http.post("/api/session", json={"ticket": "guess"})).status_code == 429
    async with tcp_peer(house.server.tcp, token="guess", tls=trusting(house.data), greeted=False) as peer:
        assert (await peer.refused())["code"] == "limit_reached"
    fine = await http.get("/stats", headers={"authorization": f"Bearer {house.admin}"})
    assert fine.status_code == 200, "who was let in before is not shut out by who guesses"
