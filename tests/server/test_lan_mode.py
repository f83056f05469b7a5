"""LAN mode, opened and closed while the server runs: who gets in, who may open it, and what stays as it was."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from sightline.core.errors import ConfigError
from sightline.core.supervisor import Supervisor
from sightline.security import tls
from sightline.security.authentication import COOKIE
from sightline.security.authorization import Access
from sightline.security.connections import STRANGERS, Connections
from sightline.security.tokens import Store
from sightline.server.lan import LanMode
from sightline.settings.settings import load_settings
from support.lan import needs_network, opened
from support.rtc import remote
from support.serving import Peer, Running, camera, peer, publish, serving, trusting
from support.waiting import within

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_network]
NAME = "sightline.example"
"""A name of the server that its settings allow."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[tuple[Running, Path]]:
    data = tmp_path_factory.mktemp("data")
    env = {"SIGHTLINE_ALLOWED_HOSTS": f'["{NAME}"]'}
    async with serving("--log-level", "debug", data=data, env=env) as server:
        yield server, data


async def joined(server: Running, lan: Running, role: str, stream: str) -> dict[str, str]:
    """Headers of somebody's phone that has scanned a code of the operator's page."""
    made = (await server.http.post("/api/tickets", json={"role": role, "stream": stream})).json()
    base, _, ticket = made["url"].partition("#")
    assert base == f"{lan.url}/join"
    answer = await lan.http.post("/api/session", json={"ticket": ticket})
    assert answer.json()["role"] == role
    lan.http.cookies.clear()
    return {"cookie": f"{COOKIE}={answer.cookies[COOKIE]}", "origin": lan.url}


async def test_strangers_need_a_token_and_this_machine_needs_none(home: tuple[Running, Path]) -> None:
    server, data = home
    closed = await server.get("/api/lan")
    assert closed == {"open": False, "url": None, "since": None, "here": True, "why_not": ""}
    async with opened(server, data) as lan:
        told = await server.get("/api/lan")
        assert told["open"]
        assert told["url"] == lan.url
        assert (await server.get("/api/streams"))["lan_since"] == told["since"] > 0
        for path in ("/stats", "/api/streams", "/api/lan", "/mjpeg/door", "/openapi.json"):
            assert (await lan.http.get(path)).status_code == 401, path
        assert (await lan.get("/api/session"))["tokens"] is True
        assert (await lan.http.get("/")).status_code == 200
        assert (await lan.get("/api/trust"))["own"] is True
        assert (await lan.http.get("/ca.crt")).content == (data / "tls" / "ca.crt").read_bytes()
        # by whatever name or address it is asked, and from this machine as well
        port = lan.url.rpartition(":")[2]
        async with httpx2.AsyncClient(verify=trusting(data)) as http:
            assert (await http.get(f"https://127.0.0.1:{port}/stats")).status_code == 401
            assert (await http.get(f"https://localhost:{port}/stats", headers={"host": "evil"})).status_code == 403
        assert (await server.http.get("/stats")).status_code == 200
        assert (await server.get("/api/session"))["tokens"] is False
        assert (await server.http.post("/api/tokens", json={"role": "view", "stream": "door"})).status_code == 201
        assert (await server.get("/api/tokens"))["enabled"] is True
        again = (await server.http.post("/api/lan", json={"port": 0})).json()
        assert again == told, "it is open already"
    assert (await server.http.post("/api/tickets", json={"role": "view", "stream": "door"})).status_code == 400


async def test_closing_ends_those_who_came_that_way_and_nobody_else(home: tuple[Running, Path]) -> None:
    server, data = home
    async with camera(server, "yard"), peer(f"{server.ws}/ws/view/yard") as viewer, remote() as watching:
        await viewer.next("frame_metadata")
        async with opened(server, data) as lan:
            phone = await joined(server, lan, "publish", "phone")
            admin = await joined(server, lan, "admin", "*")
            watching.connection.addTransceiver("video", "recvonly")
            assert (await watching.call(lan, "/whep/yard", **admin)).status_code == 201
            await watching.state("connected")
            await server.until(lambda s: s["streams"]["yard"]["viewers"] == 2)
            async with (
                connect(f"{lan.ws}/ws/camera/phone", ssl=trusting(data), additional_headers=phone) as ws,
                lan.http.stream("GET", "/mjpeg/yard", headers=admin) as pictures,
            ):
                sends = Peer(ws)
                assert (await publish(sends, 3)).total() == 3
                shut = asyncio.create_task(server.http.delete("/api/lan"))
                assert (await sends.refused())["code"] == "shutting_down"
                assert (await within(shut, 30)).json()["open"] is False
                with suppress(httpx2.TransportError):
                    await within(pictures.aread(), 30)
            await watching.state("closed")
            async with httpx2.AsyncClient(verify=trusting(data)) as newcomer:
                with pytest.raises(httpx2.ConnectError):
                    await newcomer.get(f"{lan.url}/health")
            await server.until(lambda s: s["streams"]["yard"]["viewers"] == 1)
            for _ in range(3):
                await viewer.next("frame_metadata")
            assert (await server.get("/api/streams"))["lan_since"] is None
        async with opened(server, data) as lan:
            known = await lan.http.get("/api/session", headers=phone | {"origin": lan.url})
            assert known.json()["role"] == "publish", "it has not to scan again"


def forged() -> list[dict[str, str]]:
    """Requests that look as if this machine had made them for somebody else."""
    names = ("evil.example", NAME, tls.main_address())
    origins = ("https://evil.example", "null", "http://127.0.0.1:1", f"http://{NAME}")
    passed_on = ({"x-forwarded-for": "192.0.2.9"}, {"forwarded": "for=192.0.2.9"}, {"via": "1.1 proxy"})
    return [*({"host": name} for name in names), *({"origin": origin} for origin in origins), *passed_on]


async def test_nobody_elsewhere_opens_or_closes_it(home: tuple[Running, Path]) -> None:
    server, data = home
    for headers in forged():
        assert (await server.http.post("/api/lan", headers=headers)).status_code == 403, headers
    assert (await server.get("/api/lan"))["open"] is False
    async with opened(server, data) as lan:
        admin = await joined(server, lan, "admin", "*")
        assert (await lan.http.get("/api/lan", headers=admin)).json()["here"] is False
        for method in ("POST", "DELETE"):
            refused = await lan.http.request(method, "/api/lan", headers=admin)
            assert refused.status_code == 403
            assert "at the server's own machine" in refused.json()["error"]["message"]
        for headers in forged():
            assert (await server.http.delete("/api/lan", headers=headers)).status_code == 403, headers
        assert (await server.get("/api/lan"))["open"] is True


async def test_a_port_that_is_taken_is_said(home: tuple[Running, Path]) -> None:
    server, _ = home
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = await server.http.post("/api/lan", json={"port": taken.getsockname()[1]})
    assert answer.status_code == 400
    assert "can't listen on 0.0.0.0:" in answer.json()["error"]["message"]
    assert (await server.get("/api/lan"))["open"] is False
    assert (await server.http.post("/api/lan", json={"port": "8443"})).status_code == 422


async def test_a_crowd_of_strangers_keeps_nobody_out(home: tuple[Running, Path]) -> None:
    """They come without a word and hold their handshakes open: the limits of the server's own listener hold here."""
    server, data = home
    async with opened(server, data) as lan:
        phone = await joined(server, lan, "view", "*")
        host, port = lan.url.removeprefix("https://").split(":")
        with ExitStack() as crowd:
            for _ in range(STRANGERS + 50):
                crowd.enter_context(socket.create_connection((host, int(port))))
            assert (await server.http.get("/stats")).status_code == 200
            async with httpx2.AsyncClient(base_url=lan.url, verify=trusting(data), timeout=30) as http:
                assert (await http.get("/stats", headers=phone)).status_code == 200


async def test_the_end_of_the_server_is_told_to_who_came_that_way(tmp_path: Path) -> None:
    token, _ = Store(tmp_path).create("view", "*", lifetime=3600)
    async with serving(data=tmp_path) as server, opened(server, tmp_path) as lan:
        bearer = {"authorization": f"Bearer {token}"}
        async with connect(f"{lan.ws}/ws", ssl=trusting(tmp_path), additional_headers=bearer) as ws:
            server.process.send_signal(signal.SIGTERM)
            assert "shutting down" in (await Peer(ws).refused())["message"]
        assert await within(server.process.wait(), 8) == 0


WHY_NOT: list[tuple[dict[str, Any], str]] = [
    ({"lan": True}, "was started with --lan"),
    ({"tunnel": "ssh"}, "by a tunnel"),
    ({"tokens": True, "public_url": "https://cam.example"}, "behind a proxy"),
    ({"host": "0.0.0.0", "insecure": True}, "listens on 0.0.0.0, not on this machine alone"),
    ({"cluster": {"hubs": ["http://127.0.0.1:1", "http://127.0.0.1:2"], "secret": "x" * 32}}, "one of several hubs"),
]


@pytest.mark.parametrize(("given", "why"), WHY_NOT)
async def test_it_is_refused_where_it_makes_no_sense(given: dict[str, Any], why: str, tmp_path: Path) -> None:
    mode = mode_of(tmp_path, **given)
    assert why in (mode.why_not or "")
    with pytest.raises(ConfigError, match=why):
        await mode.open()
    await mode.close()


async def test_without_a_network_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mode = mode_of(tmp_path)
    assert mode.why_not is None
    monkeypatch.setattr(tls, "main_address", lambda: "127.0.0.1")
    with pytest.raises(ConfigError, match="this machine is in no network"):
        await mode.open()
    mode.stop()
    assert "is ending" in (mode.why_not or "")


def mode_of(data: Path, **given: Any) -> LanMode:
    """LAN mode of a server with these settings, which could make a listener."""
    settings = load_settings(data=data, **given)
    mode = LanMode(settings, Access(None), Connections(9, 9))

    def never(bound: socket.socket, context: ssl.SSLContext, opening: int) -> Any:
        raise AssertionError("nothing was to be opened")

    mode.begin(never, Supervisor())
    return mode
