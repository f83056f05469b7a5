"""A server for the local network: HTTPS, tickets and tokens, revocation, and nothing secret in anything it writes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import plistlib
import re
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from typer.testing import CliRunner
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sightline.cli import app
from sightline.client import AsyncClient, Result
from sightline.core.errors import ConfigError, Forbidden, Unauthorized, Unreachable
from sightline.security.authentication import COOKIE
from sightline.security.authorization import POLL_S
from sightline.security.tokens import Role, Store
from support.codes import decoded_terminal
from support.serving import ROOT, Peer, Running, picture, serving, trusting
from support.tcp_peer import tcp_peer
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lan(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[tuple[Running, Path]]:
    data = tmp_path_factory.mktemp("data")
    options = ("--lan", "--host", "127.0.0.1", "--tcp-port", "0", "--log-level", "debug")
    async with serving(*options, data=data) as server:
        yield server, data


def token_for(data: Path, role: Role, stream: str) -> tuple[str, str]:
    """A token and its id."""
    token, record = Store(data).create(role, stream, lifetime=3600)
    return token, record.id


async def test_a_ticket_becomes_a_cookie_once(lan: tuple[Running, Path]) -> None:
    server, data = lan
    admin, _ = token_for(data, "admin", "*")
    bearer = {"authorization": f"Bearer {admin}"}
    asked = await server.http.post("/api/tickets", headers=bearer, json={"role": "publish", "stream": "phone"})
    assert asked.headers["cache-control"] == "no-store"
    made = asked.json()
    base, _, ticket = made["url"].partition("#")
    assert re.fullmatch(rf"https://[0-9.]+:{server.url.rpartition(':')[2]}/join", base)
    assert len(ticket) >= 22
    assert made["qr"].startswith("data:image/svg+xml")

    joined = await server.http.post("/api/session", json={"ticket": ticket})
    assert joined.json() | {"expires_at": 0} == {
        **{"tokens": True, "role": "publish", "stream": "phone"},
        **{"expires_at": 0, "page": "/camera/phone#start", "allowed_origins": []},
    }
    attributes = {part.strip() for part in joined.headers["set-cookie"].split(";")[1:]}
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= attributes
    assert not any(part.lower().startswith("domain") for part in attributes)
    assert (await server.http.get("/api/session")).json()["role"] == "publish"
    assert (await server.http.get("/api/streams")).status_code == 200
    assert (await server.http.get("/stats")).status_code == 403

    server.http.cookies.clear()
    again = await server.http.post("/api/session", json={"ticket": ticket})
    assert (again.status_code, again.json()["error"]["code"]) == (401, "unauthorized")


async def test_signing_out_ends_the_cookie_everywhere(lan: tuple[Running, Path]) -> None:
    server, data = lan
    admin, _ = token_for(data, "admin", "*")
    bearer = {"authorization": f"Bearer {admin}"}
    asked = await server.http.post("/api/tickets", headers=bearer, json={"role": "view", "stream": "*"})
    joined = await server.http.post("/api/session", json={"ticket": asked.json()["url"].partition("#")[2]})
    cookie = {"cookie": f"{COOKIE}={joined.cookies[COOKIE]}"}
    server.http.cookies.clear()
    assert (await server.http.get("/stats", headers=cookie)).status_code == 200
    assert (await server.http.delete("/api/session", headers=cookie)).status_code == 403, "not from another site"
    gone = await server.http.delete("/api/session", headers=cookie | {"origin": server.url})
    assert gone.status_code == 200
    assert (await server.http.get("/stats", headers=cookie)).status_code == 401
    assert (await server.http.get("/", headers=cookie)).status_code == 200, "pages are there for who must sign in"


@pytest.mark.parametrize("scheme", ["wss", "tcps"])
async def test_the_sdk_shows_its_token(lan: tuple[Running, Path], scheme: str) -> None:
    server, data = lan
    url = server.ws if scheme == "wss" else server.tcp
    ca = data / "tls" / "ca.crt"
    token, _ = token_for(data, "publish", f"sdk-{scheme}")
    async with AsyncClient(url, token=token, ca=ca) as client:
        answers = [a async for a in client.publish(f"sdk-{scheme}", [picture(0)] * 3, pending=1)]
        assert [type(a) for a in answers] == [Result] * 3
        with pytest.raises(Forbidden):
            [a async for a in client.publish("another", [picture(0)], pending=1)]
        with pytest.raises(Forbidden):
            await anext(client.subscribe(f"sdk-{scheme}"))
    async with AsyncClient(url, ca=ca) as client:
        with pytest.raises(Unauthorized, match="token"):
            [a async for a in client.publish(f"sdk-{scheme}", [picture(0)])]
    async with AsyncClient(url, token=token) as client:
        with pytest.raises(Unreachable, match="is not trusted"):
            [a async for a in client.publish(f"sdk-{scheme}", [picture(0)])]


@pytest.mark.parametrize("url", ["ws://192.0.2.1:8000", "tcp://192.0.2.1:9000", "ws://camera.example"])
async def test_the_sdk_shows_no_token_where_it_would_be_overheard(url: str) -> None:
    with pytest.raises(ConfigError, match="overheard"):
        AsyncClient(url, token="slt_secret")
    AsyncClient("ws://127.0.0.1:8000", token="slt_secret")
    AsyncClient(url)


async def test_revocation_ends_what_lives(lan: tuple[Running, Path]) -> None:
    server, data = lan
    camera, camera_id = token_for(data, "publish", "yard")
    viewer, viewer_id = token_for(data, "view", "yard")
    context = trusting(data)
    ended: dict[str, float] = {}

    async def sends() -> None:
        """A camera, at ten pictures a second, until it is refused."""
        headers = {"authorization": f"Bearer {camera}"}
        async with connect(f"{server.ws}/ws/camera/yard", ssl=context, additional_headers=headers) as ws:
            peer = Peer(ws)
            await peer.next("hello")
            for seq in range(1000):
                with contextlib.suppress(ConnectionClosed):  # what it said before it closed is there to be read
                    await peer.send_frame(seq)
                message, _ = await peer.next("result", "dropped", "error")
                if message["type"] == "error":
                    assert (message["code"], camera_id in message["message"]) == ("unauthorized", True)
                    ended["camera"] = time.monotonic()
                    return
                await asyncio.sleep(0.1)

    async def watches() -> None:
        headers = {"authorization": f"Bearer {viewer}"}
        async with connect(f"{server.ws}/ws/view/yard", ssl=context, additional_headers=headers) as ws:
            assert (await Peer(ws).refused())["code"] == "unauthorized"
            ended["viewer"] = time.monotonic()

    async def listens() -> None:
        async with tcp_peer(server.tcp, token=viewer, tls=context) as peer:
            await peer.send({"type": "subscribe", "stream": "yard"})
            assert (await peer.refused())["code"] == "unauthorized"
            ended["tcp"] = time.monotonic()

    async def pictures() -> None:
        headers = {"authorization": f"Bearer {viewer}"}
        async with server.http.stream("GET", "/mjpeg/yard", headers=headers) as answer:
            assert answer.status_code == 200
            async for _ in answer.aiter_bytes():
                ended.setdefault("first picture", time.monotonic())
        ended["mjpeg"] = time.monotonic()

    admin = {"authorization": f"Bearer {token_for(data, 'admin', '*')[0]}"}

    async def until_watched() -> None:
        async with asyncio.timeout(30):
            while True:
                stats = (await server.http.get("/stats", headers=admin)).json()["streams"].get("yard", {})
                if "first picture" in ended and stats.get("viewers", 0) >= 2:
                    return
                await asyncio.sleep(0.02)

    sending = asyncio.create_task(sends())
    async with asyncio.timeout(30):
        while not (await server.http.get("/api/streams/yard", headers=admin)).is_success:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    watching = [asyncio.create_task(work()) for work in (watches, listens, pictures)]
    await until_watched()

    revoked = time.monotonic()
    Store(data).revoke(viewer_id)
    await within(asyncio.gather(*watching), 30)
    assert "camera" not in ended
    took = {name: ended[name] - revoked for name in ("viewer", "tcp", "mjpeg")}
    revoked = time.monotonic()
    Store(data).revoke(camera_id)
    await within(sending, 30)
    took["camera"] = ended["camera"] - revoked
    print("sessions end so long after revocation:", {name: f"{s:.2f} s" for name, s in took.items()})  # noqa: T201
    assert POLL_S <= 0.25, "within a second on any machine that is not drowned in work"


async def test_nothing_secret_is_written_or_served(lan: tuple[Running, Path]) -> None:
    """Tokens and tickets go where they must and nowhere else: no log, figure, page, file or error repeats them."""
    server, data = lan
    admin, _ = token_for(data, "admin", "*")
    bearer = {"authorization": f"Bearer {admin}"}
    asked = await server.http.post("/api/tickets", headers=bearer, json={"role": "admin", "stream": "*"})
    ticket = asked.json()["url"].partition("#")[2]
    joined = await server.http.post("/api/session", json={"ticket": ticket})
    cookie = joined.cookies[COOKIE]
    guess = "slt_guess-that-is-wrong-and-must-not-be-repeated"
    secrets = {"token": admin, "ticket": ticket, "cookie": cookie, "wrong one": guess}
    seen: dict[str, str] = {"joined": joined.text}

    server.http.cookies.clear()
    paths = "/ /join /trust /stats /metrics /openapi.json /nowhere /mjpeg/none /ca.crt /ca.mobileconfig"
    for path in [
        *paths.split(),
        *(f"/api/{name}" for name in ("session", "streams", "models", "streams/none", "trust")),
    ]:
        for headers in (bearer, {"cookie": f"{COOKIE}={cookie}"}, {"authorization": f"Bearer {guess}"}):
            answer = await server.http.get(path, headers=headers)
            seen[f"{path} {sorted(headers)}"] = f"{answer.headers!r} {answer.text}"
            assert answer.headers["referrer-policy"] == "no-referrer"
    for body in ({"ticket": guess}, {"token": guess}, {"ticket": ticket}, {"both": guess}):
        answer = await server.http.post("/api/session", json=body)
        if "both" not in body:  # who writes nonsense gets it back, and nobody else does
            seen[f"posted {sorted(body)}"] = f"{answer.headers!r} {answer.text}"
    for kind in ("whip", "whep"):
        for shown in (admin, guess):
            headers = {"authorization": f"Bearer {shown}", "content-type": "application/sdp"}
            answer = await server.http.post(f"/{kind}/canary", headers=headers, content="v=0")
            seen[f"{kind} {shown[:8]}"] = f"{answer.headers!r} {answer.text}"
    context = trusting(data)
    for shown in (admin, guess):
        async with tcp_peer(server.tcp, token=shown, tls=context, greeted=False) as tcp:
            await tcp.send({"type": "nonsense"})
            seen[f"tcp {shown[:8]}"] = repr(await tcp.receive())
        headers = {"authorization": f"Bearer {shown}"}
        async with connect(f"{server.ws}/ws/camera/canary", ssl=context, additional_headers=headers) as ws:
            with contextlib.suppress(ConnectionClosed):
                await ws.send("nonsense")
            seen[f"ws {shown[:8]}"] = str(await ws.recv())
    for how in ("list", "revoke 0"):
        done = CliRunner(env={"SIGHTLINE_DATA": str(data)}).invoke(app, ["token", *how.split()])
        seen[how] = f"{done.output} {done.exception}"
    await asyncio.sleep(0)
    files = [path for path in data.rglob("*") if path.is_file()]
    seen |= {str(path): path.read_bytes().decode("latin-1") for path in files}
    seen["log"] = "".join(server.log)
    assert "refused" in seen["log"] or "closed" in seen["log"], "the log says what happened"
    found = [f"{name} in {where}" for where, text in seen.items() for name, secret in secrets.items() if secret in text]
    assert found == []


async def test_commands_take_their_token_from_the_environment(lan: tuple[Running, Path]) -> None:
    server, data = lan
    token, _ = token_for(data, "publish", "pushed")
    words = ("push", "synthetic:", "--stream", "pushed", "--url", server.ws, "--duration", "0.5", "--out", "-")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sightline", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"SIGHTLINE_DATA": str(data), "SIGHTLINE_TOKEN": token},
        cwd=ROOT / "tests",
    )
    out, told = await within(process.communicate(), 60)
    assert process.returncode == 0, told
    assert json.loads(out.splitlines()[0])["stream"] == "pushed"


async def test_what_phones_install_is_there(lan: tuple[Running, Path]) -> None:
    server, data = lan
    pem = (data / "tls" / "ca.crt").read_bytes()
    certificate = await server.http.get("/ca.crt")
    assert certificate.content == pem
    assert certificate.headers["content-type"] == "application/x-x509-ca-cert"
    profile = await server.http.get("/ca.mobileconfig")
    assert profile.headers["content-type"] == "application/x-apple-aspen-config"
    root = plistlib.loads(profile.content)["PayloadContent"][0]
    assert (root["PayloadType"], root["PayloadContent"]) == ("com.apple.security.root", pem)
    told = (await server.http.get("/api/trust")).json()
    assert told["own"]
    await server.said(told["fingerprint"])  # what the terminal says can be compared with the page


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--host", "0.0.0.0"), "no TLS and no tokens"),
        (("--lan", "--tunnel", "ssh"), "lan and tunnel: expected one of them"),
        (("--tls-cert", "a.pem"), "tls_cert and tls_key: expected both or none"),
    ],
)
async def test_what_would_be_open_is_refused(options: tuple[str, ...], why: str) -> None:
    assert why in str(CliRunner().invoke(app, ["serve", *options]).exception)


@pytest.mark.parametrize(
    ("setting", "options", "why"),
    [
        ({"SIGHTLINE_TOKENS": "false"}, ("--lan",), "there is no lan mode without tokens"),
        ({"SIGHTLINE_TOKENS": "true"}, ("--host", "0.0.0.0"), "who would overhear the tokens"),
    ],
)
async def test_tokens_and_tls_belong_together(setting: dict[str, str], options: tuple[str, ...], why: str) -> None:
    assert why in str(CliRunner(env=setting).invoke(app, ["serve", *options]).exception)


async def test_a_proxy_with_tls_may_stand_in_front(tmp_path: Path) -> None:
    env = {"SIGHTLINE_TOKENS": "true", "SIGHTLINE_PUBLIC_URL": "https://cams.example"}
    async with serving("--host", "0.0.0.0", env=env, data=tmp_path) as server:
        token, _ = token_for(tmp_path, "admin", "*")
        ours = {"host": "cams.example", "origin": "https://cams.example", "authorization": f"Bearer {token}"}
        asked = await server.http.post("/api/tickets", headers=ours, json={"role": "view", "stream": "a"})
        assert asked.json()["url"].startswith("https://cams.example/join#")
        assert (await server.http.get("/", headers={"host": "others.example"})).status_code == 403
        assert (await server.http.get("/stats")).status_code == 401
        assert (await server.http.get("/ca.crt")).status_code == 404


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
async def test_the_terminal_shows_a_code_for_the_first_phone(tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SIGHTLINE_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sightline", "serve", "--lan", "--port", "0", "--model", "motion"),
        stdout=theirs,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment | {"SIGHTLINE_DATA": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
        cwd=ROOT / "tests",
    )
    os.close(theirs)
    said = b""
    try:
        async with asyncio.timeout(60):
            while b"Ctrl-C stops" not in said:
                said += await asyncio.to_thread(os.read, ours, 4096)
        text = said.decode()
        scanned = decoded_terminal(text)
        found = re.search(r"open (https://127\.0\.0\.1:\d+)/join#(\S+)", text)
        assert found, text
        async with httpx2.AsyncClient(base_url=found[1], verify=trusting(tmp_path)) as http:
            phone = await http.post("/api/session", json={"ticket": scanned.partition("#")[2]})
            assert (phone.json()["role"], phone.json()["stream"]) == ("publish", "phone")
            http.cookies.clear()
            admin = await http.post("/api/session", json={"ticket": found[2]})
            assert (admin.json()["role"], admin.json()["stream"]) == ("admin", "*")
    finally:
        process.terminate()
        await process.wait()
        os.close(ours)
