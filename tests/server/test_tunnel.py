"""Tunnels, with programs on PATH that talk as the real ones do and lead nowhere."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sightline.cli import app
from sightline.core.errors import ConfigError
from sightline.server.tunnel import PROGRAMS, Name, Tunnel
from support.serving import ROOT, peer, serving
from support.waiting import within

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs of these tests are scripts for a shell")

SAID: dict[Name, list[str]] = {
    "cloudflared": [
        "2026-11-21T10:00:00Z INF Thank you for trying Cloudflare Tunnel. Doing so, without a Cloudflare account, is "
        "subject to the Cloudflare Online Services Terms of Use (https://www.cloudflare.com/website-terms/)",
        "2026-11-21T10:00:00Z INF Requesting new quick Tunnel on trycloudflare.com...",
        "2026-11-21T10:00:03Z INF |  Your quick Tunnel has been created! Visit it at (it may take some time):  |",
        "2026-11-21T10:00:03Z INF |  https://quiet-river-made-here.trycloudflare.com                           |",
        "2026-11-21T10:00:04Z INF Registered tunnel connection connIndex=0",
    ],
    "ngrok": [
        't=2026-11-21T10:00:00+0000 lvl=info msg="open config file" path=/home/me/.config/ngrok/ngrok.yml err=nil',
        't=2026-11-21T10:00:00+0000 lvl=info msg="starting web service" obj=web addr=127.0.0.1:4040',
        't=2026-11-21T10:00:01+0000 lvl=info msg="started tunnel" obj=tunnels name=command_line '
        "addr=http://127.0.0.1:8000 url=https://1a2b-203-0-113-7.ngrok-free.app",
    ],
    "ssh": [
        "===============================================================================",
        "Welcome to localhost.run!",
        "** your connection id is 1a2b3c, please mention it if you send me a message **",
        "To set up and manage custom domains go to https://admin.localhost.run/",
        "1a2b3c4d5e6f.lhr.life tunneled with tls termination, https://1a2b3c4d5e6f.lhr.life",
    ],
}
ADDRESS: dict[Name, str] = {
    "cloudflared": "https://quiet-river-made-here.trycloudflare.com",
    "ngrok": "https://1a2b-203-0-113-7.ngrok-free.app",
    "ssh": "https://1a2b3c4d5e6f.lhr.life",
}
RUNS_ON = "import signal; signal.pause()"


def put_on_path(folder: Path, name: Name, *, then: str = RUNS_ON, lines: list[str] | None = None) -> str:
    """A program of that name; the PATH on which it is. It writes down how it was called, and that it was ended."""
    script = folder / name
    script.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, signal, sys\n"
        f"folder = pathlib.Path({str(folder)!r})\n"
        "def end(*_):\n    (folder / 'ended').write_text('')\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "(folder / 'called').write_text(' '.join(sys.argv[1:]))\n"
        f"for line in {SAID[name] if lines is None else lines!r}:\n"
        f"    print(line, file=sys.{'stderr' if name == 'cloudflared' else 'stdout'}, flush=True)\n"
        f"{then}\n"
    )
    script.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("name", list(PROGRAMS))
async def test_its_address_is_found_and_it_ends_with_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: Name
) -> None:
    monkeypatch.setenv("PATH", put_on_path(tmp_path, name))
    async with Tunnel(name).open(8123) as address:
        assert address == ADDRESS[name]
        assert "127.0.0.1:8123" in (tmp_path / "called").read_text()
        assert not (tmp_path / "ended").exists()
    assert (tmp_path / "ended").exists()


def test_a_program_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="no program of that name is on PATH"):
        Tunnel("cloudflared")


async def test_one_that_ends_too_soon_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = ["ERROR: authentication failed: Usage of ngrok requires a verified account."]
    monkeypatch.setenv("PATH", put_on_path(tmp_path, "ngrok", then="sys.exit(1)", lines=failed))
    with pytest.raises(ConfigError, match="It said: ERROR: authentication failed"):
        async with Tunnel("ngrok").open(8123):
            pytest.fail("it has no address")


async def test_one_that_names_no_address_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightline.server.tunnel.OPEN_S", 0.5)
    monkeypatch.setenv("PATH", put_on_path(tmp_path, "ssh", lines=["Welcome to localhost.run!"]))
    with pytest.raises(ConfigError, match="named no address"):
        async with Tunnel("ssh").open(8123):
            pytest.fail("it has no address")
    assert (tmp_path / "ended").exists()


async def test_a_server_behind_one(tmp_path: Path) -> None:
    """Tokens, the preset, the public name: as the tunnel's other end asks; and its end is the server's end."""
    folder = tmp_path / "bin"
    folder.mkdir()
    # Ends by itself once it is told to, as a tunnel does whose service has had enough of it.
    then = "import time\nwhile not (folder / 'enough').exists(): time.sleep(0.02)\nprint('too long'); sys.exit(3)"
    env = {"PATH": put_on_path(folder, "cloudflared", then=then)}
    async with serving("--tunnel", "cloudflared", env=env, data=tmp_path / "data") as server:
        host = ADDRESS["cloudflared"].removeprefix("https://")
        await server.said(ADDRESS["cloudflared"])
        port = server.url.rpartition(":")[2]
        assert f"127.0.0.1:{port}" in (folder / "called").read_text()
        by_tunnel = {"host": host, "x-forwarded-for": "203.0.113.9"}
        assert (await server.http.get("/stats")).status_code == 401, "also for who is on this machine"
        assert (await server.http.get("/", headers=by_tunnel)).status_code == 200
        assert (await server.http.get("/stats", headers=by_tunnel)).status_code == 401
        assert (await server.http.get("/", headers={"host": f"evil-{host}"})).status_code == 403
        token = await made(tmp_path / "data")
        bearer = {"authorization": f"Bearer {token}"}
        ours = by_tunnel | {"origin": f"https://{host}"}
        answer = await server.http.post("/api/session", headers=ours, json={"token": token})
        cookie = answer.headers["set-cookie"]
        assert {"Secure", "HttpOnly", "SameSite=strict"} <= set(re.split("; ?", cookie))
        ticket = await server.http.post("/api/tickets", headers=ours | bearer, json={"role": "view", "stream": "a"})
        assert ticket.json()["url"].startswith(f"https://{host}/join#")
        plain = by_tunnel | {"origin": f"http://{host}"}
        assert (await server.http.get("/", headers=plain)).status_code == 403

        async def guess(address: str) -> int:
            headers = {"host": host, "x-forwarded-for": address, "authorization": f"Bearer {os.urandom(8).hex()}"}
            return (await server.http.get("/stats", headers=headers)).status_code

        assert [await guess("203.0.113.9") for _ in range(25)][-1] == 429
        assert await guess("198.51.100.4") == 401, "its neighbour in the tunnel is not shut out"
        async with peer(f"{server.ws}/ws/camera/a", additional_headers=bearer) as camera:
            hello, _ = await camera.next("hello")
            assert hello["preset"] == "tunnel"
        (folder / "enough").write_text("")
        assert await within(server.process.wait(), 30) == 2
    assert "cloudflared: the program ended with status 3" in "".join(server.log)


async def made(data: Path) -> str:
    """An admin's token, as the operator makes one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sightline", "token", "create", "--role", "admin"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"SIGHTLINE_DATA": str(data)},
        cwd=ROOT / "tests",
    )
    return (await process.communicate())[0].decode().strip()


def test_a_missing_program_stops_the_server_at_once(tmp_path: Path) -> None:
    runner = CliRunner(env={"PATH": str(tmp_path), "SIGHTLINE_DATA": str(tmp_path / "data")})
    said = str(runner.invoke(app, ["serve", "--port", "0", "--tunnel", "ngrok"]).exception)
    assert "--tunnel ngrok: no program of that name is on PATH" in said
    assert "https://ngrok.com/download" in said
