"""Webhooks of events at a real server: with pictures, over restarts, and to receivers that do all they should not."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email.message import Message
from pathlib import Path
from typing import Any

from support.ids import install_ids
from support.receivers import Hook, bytes_of, hook, parts
from support.rtsp import free_port
from support.seeing import see
from support.serving import Json, Running, peer, pixels, serving

ZONE = """
[streams.door]
stages = ["ids"]
record = "events"
[streams.door.zones.drive]
points = [[0.4, 0.0], [0.6, 0.0], [0.6, 1.0], [0.4, 1.0]]
"""


@asynccontextmanager
async def served(folder: Path, *tables: dict[str, Any], url: str = "") -> AsyncGenerator[Running]:
    """A server that counts who is in the drive, with these webhooks."""
    outputs = ""
    for table in tables:
        given = {"kind": "webhook"} | table
        outputs += "[[outputs]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in given.items())
    (folder / "sightline.toml").write_text(f'public_url = "{url}"\n{ZONE}{outputs}' if url else ZONE + outputs)
    env = install_ids(Path(tempfile.mkdtemp(dir=folder)))
    async with serving("--model", "nano", "--engine", "onnx", env=env, cwd=folder, data=folder / "data") as server:
        yield server


def events(web: Hook) -> list[Json]:
    return [one for body in web.bodies for one in json.loads(body)["events"]]


def phases(web: Hook) -> list[str]:
    return [one["phase"] for one in events(web)]


def named(part: Message) -> object:
    return part.get_param("name", header="content-disposition")


async def test_pictures_go_as_a_form_as_an_address_or_not_at_all(tmp_path: Path) -> None:
    async with hook(lambda _: 204) as form, hook(lambda _: 204) as address, hook(lambda _: 204) as none:
        tables = [
            {"url": form.url, "picture": "multipart", "secret": "s3cret", "every_s": 0},
            {"url": address.url, "every_s": 0},
            {"url": none.url, "picture": "none", "every_s": 0},
        ]
        async with served(tmp_path, *tables, url="https://cams.example/") as server:
            async with peer(f"{server.ws}/ws/camera/door") as camera:
                for seq, x in enumerate((0.1, 0.3, 0.5, 0.5)):
                    await see(camera, seq, x)
                await server.until(lambda s: [one["sent"] for one in s["sinks"]] == [1, 1, 1])
            (started,) = events(address)
            assert re.fullmatch(r"https://cams\.example/api/events/[\w-]+/picture\.jpg", started["snapshot"])
            assert started["clip"] == started["snapshot"].replace("picture.jpg", "clip.mp4")
    assert "snapshot" not in events(none)[0]
    told, picture = parts(form, 0)
    assert json.loads(bytes_of(told)) == {"events": [started]}
    assert (named(told), told.get_content_type()) == ("json", "application/json")
    assert (named(picture), picture.get_content_type()) == ("picture", "image/jpeg")
    assert picture.get_filename() == f"{started['id']}.jpg"
    height, width, _ = pixels(bytes_of(picture)).shape
    assert width < 320 > height, "the person, not the whole picture"
    right = hmac.new(b"s3cret", form.bodies[0], hashlib.sha256).hexdigest()
    assert form.headers[0]["sightline-signature"] == f"sha256={right}"


async def test_what_a_receiver_missed_comes_after_a_crash_and_nothing_twice_without_need(tmp_path: Path) -> None:
    """A server is killed while its receiver is away; both come back."""
    port = free_port()
    table = {"url": f"http://127.0.0.1:{port}/x", "every_s": 0}
    async with served(tmp_path, table) as server, peer(f"{server.ws}/ws/camera/door") as camera:
        for seq, x in enumerate((0.1, 0.5, 0.5)):
            await see(camera, seq, x)
        await server.until(lambda s: s["sinks"][0]["failing"] is not None and s["sinks"][0]["waiting"] == 1)
        server.process.kill()
        await server.process.wait()
    async with hook(lambda _: 204, port) as web:
        async with served(tmp_path, table) as server:
            await server.until(lambda s: s["sinks"][0]["sent"] == 2)
        assert phases(web) == ["start", "end"]
        first, last = events(web)
        assert first["id"] == last["id"]
        assert last["reason"] == "the server was started anew"
        assert 0 < first["number"] < last["number"]
        async with served(tmp_path, table) as server, peer(f"{server.ws}/ws/camera/door") as camera:
            for seq, x in enumerate((0.1, 0.5, 0.5)):
                await see(camera, seq, x)
            await server.until(lambda s: s["sinks"][0]["sent"] == 1)
        assert phases(web) == ["start", "end", "start", "end"], "the last one, as the server stopped"


async def test_receivers_that_refuse_redirect_or_fail_cost_the_others_nothing(tmp_path: Path) -> None:
    async with (
        hook(lambda _: 204) as good,
        hook(lambda _: 500) as failing,
        hook(lambda _: 302) as elsewhere,
        hook(lambda _: 403) as refusing,
        hook(lambda _: None) as silent,
    ):
        bad = [{"url": one.url, "every_s": 0, "retries": 0} for one in (failing, elsewhere, refusing)]
        deaf = {"url": silent.url, "every_s": 0, "timeout_s": 100}
        away = {"url": f"http://127.0.0.1:{free_port()}/", "every_s": 0, "retries": 0}
        async with served(tmp_path, {"url": good.url, "every_s": 0}, *bad, deaf, away) as server:
            async with peer(f"{server.ws}/ws/camera/door") as camera:
                for seq, x in enumerate((0.1, 0.5, 0.5)):
                    await see(camera, seq, x)
                stats = await server.until(
                    lambda s: (
                        [one["sent"] + one["lost"] + one["waiting"] for one in s["sinks"]] == [1] * 6
                        and [one["lost"] for one in s["sinks"]] == [0, 1, 1, 1, 0, 0]
                        and s["sinks"][5]["failing"] is not None
                    )
                )
            told = [one["failing"] for one in stats["sinks"]]
            assert told[:5] == [None, "HTTP status 500", "HTTP status 302", "HTTP status 403", None]
            assert "refused" in told[5]
            assert stats["streams"]["door"]["failed"] == 0
    assert phases(good) == ["start", "end"]


async def test_an_alert_goes_at_once_to_whom_its_rule_names_with_its_picture(tmp_path: Path) -> None:
    """Whatever ``every_s`` says: a minute is longer than this test may take."""
    async with hook(lambda _: 204) as web:
        alerts = {"url": web.url, "what": ["alerts"], "every_s": 60, "picture": "multipart"}
        ran = tmp_path / "ran"
        command = {"kind": "command", "command": ["cp", "/dev/stdin", str(ran)]}
        async with served(tmp_path, alerts, command) as server, peer(f"{server.ws}/ws/camera/door") as camera:
            for name, actions in {"visitor": ["webhook"], "alarm": ["command"], "page": ["notify"]}.items():
                rule = {"zone": "drive", "classes": ["person"], "actions": actions}
                assert (await server.http.put(f"/api/streams/door/rules/{name}", json=rule)).status_code == 200
            for seq, x in enumerate((0.1, 0.5, 0.5)):
                await see(camera, seq, x)
            await server.until(lambda s: [one["sent"] for one in s["sinks"]] == [1, 1], seconds=30)
            (alert,) = json.loads(bytes_of(parts(web, 0)[0]))["events"]
            assert (alert["rule"], alert["zone"], alert["class_name"]) == ("visitor", "drive", "person")
            assert bytes_of(parts(web, 0)[1]).startswith(b"\xff\xd8")
            async with asyncio.timeout(20):
                while not ran.exists() or not ran.read_bytes():  # noqa: ASYNC110 - another program writes it
                    await asyncio.sleep(0.02)
    assert json.loads(ran.read_bytes())["rule"] == "alarm"
