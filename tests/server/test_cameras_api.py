"""Cameras that are added, named, paused and removed while the server runs."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from sightline.core.errors import Shortage
from sightline.security import files
from sightline.security.tokens import Store
from sightline.settings.settings import load_settings
from sightline.streams.cameras import Cameras
from sightline.streams.kept_camera import KeptCamera
from support.rtsp import RtspServer
from support.serving import Running, camera, peer, pixels, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "s3cr3t-w0rd"
ENV = {
    "SIGHTLINE_CAMERA_SCHEMES": '["rtsp", "http", "synthetic"]',
    "SIGHTLINE_SOURCES": '{"fixed": "synthetic:shapes?size=320x180&fps=10"}',
}
MADE = "synthetic:shapes?size=320x180&fps=20"
ZONE = {"points": [[0, 0], [1, 0], [1, 1]]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--model", "motion", env=ENV) as running:
        yield running


async def live(server: Running, name: str, state: str = "live") -> None:
    await server.until(lambda s: s.get("state") == state, path=f"/api/streams/{name}")


async def test_a_camera_is_added_named_paused_resumed_and_removed(server: Running) -> None:
    http = server.http
    added = await http.post("/api/streams", json={"name": " Küche 🍳 ", "source": MADE})
    assert added.status_code == 201
    assert (added.json()["name"], added.json()["display_name"]) == ("Kuche", "Küche 🍳")
    await live(server, "Kuche")
    async with peer(f"{server.ws}/ws/view/Kuche") as viewer:
        await viewer.next("frame_metadata")
        paused = await http.patch("/api/streams/Kuche", json={"paused": True})
        assert (paused.json()["state"], paused.json()["reason"]) == ("paused", "somebody has paused this camera")
        held = (await server.stream("Kuche"))["received"]
        await http.patch("/api/streams/Kuche", json={"paused": False, "name": "Kitchen"})
        await server.until(lambda s: s["received"] > held, path="/api/streams/Kuche")
        await viewer.next("frame_metadata")
    listed = (await server.get("/api/streams"))["streams"]
    assert next(s for s in listed if s["name"] == "Kuche")["display_name"] == "Kitchen"
    assert (await server.stream("Kuche"))["display_name"] == "Kitchen"
    await http.put("/api/streams/Kuche/zones/stove", json=ZONE)
    minutes = (await server.get("/api/streams/Kuche/history"))["minutes"]
    assert minutes[-1]["fps"] > 0
    assert minutes[-1]["latency_ms"] > 0
    assert (await http.delete("/api/streams/Kuche")).status_code == 204
    await server.until(lambda stats: "Kuche" not in stats["streams"])  # at once, or when the model is done with it
    assert (await http.get("/api/streams/Kuche")).status_code == 404
    assert (await server.get("/api/streams/Kuche/zones"))["zones"] == {}
    assert (await server.get("/api/streams/Kuche/history"))["minutes"] == [], "another camera may come under its name"
    assert (await http.delete("/api/streams/Kuche")).status_code == 404


async def test_a_camera_without_a_source_waits_for_who_sends_and_can_be_removed(server: Running) -> None:
    added = await server.http.post("/api/streams", json={"id": "phone", "name": "My phone"})
    assert (added.status_code, added.json()["state"]) == (201, "waiting")
    refused = await server.http.patch("/api/streams/phone", json={"paused": True})
    assert (refused.status_code, refused.json()["error"]["key"]) == (422, "paused")
    async with camera(server, "phone"):
        await live(server, "phone")
        again = await server.http.post("/api/streams", json={"id": "phone", "source": MADE})
        assert again.status_code == 409
        other = await server.http.post("/api/streams", json={"name": "phone"})
        assert other.json()["name"] == "phone-2"
    await live(server, "phone", "waiting")
    for name in ("phone", "phone-2"):
        assert (await server.http.delete(f"/api/streams/{name}")).status_code == 204


async def test_who_sends_already_keeps_the_stream(server: Running) -> None:
    async with camera(server, "busy"):
        await live(server, "busy")
        refused = await server.http.post("/api/streams", json={"id": "busy", "source": MADE})
        assert refused.status_code == 409
        await live(server, "busy")
    assert (await server.http.post("/api/streams", json={"id": "busy", "source": MADE})).status_code == 201
    assert (await server.http.delete("/api/streams/busy")).status_code == 204


async def test_what_the_settings_name_can_be_renamed_and_paused_and_not_removed(server: Running) -> None:
    await live(server, "fixed")
    assert (await server.stream("fixed"))["fixed"]
    refused = await server.http.delete("/api/streams/fixed")
    assert refused.status_code == 400
    assert "settings" in refused.json()["error"]["message"]
    assert (await server.http.post("/api/streams", json={"id": "fixed", "source": MADE})).status_code == 409
    await server.http.patch("/api/streams/fixed", json={"name": "Hof", "paused": True})
    await live(server, "fixed", "paused")
    renamed = await server.http.patch("/api/streams/fixed", json={"name": None, "paused": False})
    assert renamed.json()["display_name"] == "fixed"
    await live(server, "fixed")


async def test_cameras_have_an_order_and_a_group_that_are_kept(tmp_path: Path) -> None:
    async def listed(server: Running) -> list[tuple[str, str]]:
        return [(s["name"], s["group"]) for s in (await server.get("/api/streams"))["streams"]]

    async def put(server: Running, name: str, **change: object) -> int:
        return (await server.http.patch(f"/api/streams/{name}", json=change)).status_code

    async with serving("--model", "motion", env=ENV, data=tmp_path) as server:
        for name in ("b", "a", "c"):
            await server.http.post("/api/streams", json={"id": name})
        async with camera(server, "zz"):
            await live(server, "zz")
            assert [name for name, _ in await listed(server)] == ["a", "b", "c", "fixed", "zz"]
            assert await put(server, "c", before="a", group=" Höfe ") == 200
            assert await put(server, "fixed", before="b") == 200
            assert await listed(server) == [("c", "Höfe"), ("a", ""), ("fixed", ""), ("b", ""), ("zz", "")]
            for wrong in ("c", "nowhere", 5, "x" * 65):
                refused = await server.http.patch("/api/streams/c", json={"before": wrong})
                assert (refused.status_code, refused.json()["error"]["key"]) == (422, "before"), wrong
            assert await put(server, "c", before=None) == 200
            assert [name for name, _ in await listed(server)] == ["a", "fixed", "b", "zz", "c"]
        kept = json.loads((tmp_path / "cameras.json").read_text())
        assert kept["c"] == {"group": "Höfe", "order": 5}
    async with serving("--model", "motion", env=ENV, data=tmp_path) as again:
        assert await listed(again) == [("a", ""), ("fixed", ""), ("b", ""), ("zz", ""), ("c", "Höfe")]
        assert await put(again, "c", group=None) == 200
        assert (await listed(again))[-1] == ("c", "")


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"source": 5}, "source"),
        ({"source": ""}, "source"),
        ({"id": "a b"}, "id"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "\u202eabc"}, "name"),
        ({"name": "\u200b"}, "name"),
        ({"password": SECRET}, "password"),
    ],
)
async def test_a_wrong_body_is_told_without_what_was_given(server: Running, body: object, key: str) -> None:
    refused = await server.http.post("/api/streams", json=body)
    assert (refused.status_code, refused.json()["error"]["key"]) == (422, key)
    assert SECRET not in refused.text


@pytest.mark.parametrize(
    "source",
    [
        f"rtsp://me:{SECRET}@169.254.169.254/1",
        f"http://me:{SECRET}@0xA9FEA9FE/",
        "http://[::ffff:169.254.169.254]/",
        f"ftp://me:{SECRET}@camera.lan/",
        "/etc/passwd",
        "camera:0",
    ],
)
async def test_a_source_that_is_not_allowed_adds_nothing(server: Running, source: str) -> None:
    refused = await server.http.post("/api/streams", json={"id": "inside", "source": source})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_source")
    assert SECRET not in refused.text
    assert (await server.http.get("/api/streams/inside")).status_code == 404


async def test_an_address_is_tried_before_it_is_added(server: Running) -> None:
    async def answer(source: str) -> httpx2.Response:
        return await server.http.post("/api/sources/test", json={"source": source})

    with RtspServer() as rtsp:
        tried = await answer(rtsp.url)
        assert (tried.status_code, tried.headers["content-type"]) == (200, "image/jpeg")
        assert pixels(tried.content).shape == (120, 160, 3)
    for source, why in (
        (f"rtsp://me:{SECRET}@127.0.0.1:{rtsp.port}/live", "nothing listens there"),
        (f"rtsp://me:{SECRET}@169.254.169.254/", "link-local"),
        (f"ftp://me:{SECRET}@camera.lan/", "expected one with"),
    ):
        refused = await answer(source)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_source")
        assert why in refused.text
        assert SECRET not in refused.text
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        address = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/"
        answers = await asyncio.gather(*(answer(address) for _ in range(5)))
    assert sorted(a.status_code for a in answers) == [400] * 4 + [429]
    assert any("within 5 s" in a.text for a in answers)
    assert SECRET not in "".join(server.log)


async def test_cameras_are_kept_for_the_owner_alone_and_passwords_are_not_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with RtspServer() as rtsp:
        source = rtsp.url.replace("rtsp://", f"rtsp://me:{SECRET}@")
        async with serving("--model", "motion", data=data) as server:
            await server.http.post("/api/streams", json={"id": "door", "name": "Tür", "source": source})
            await server.http.post("/api/streams", json={"id": "yard", "source": source})
            await server.http.patch("/api/streams/yard", json={"paused": True})
            await live(server, "door")
        file = data / "cameras.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        kept = json.loads(file.read_text())
        assert kept == {"door": {"source": source, "name": "Tür"}, "yard": {"source": source, "paused": True}}
        async with serving("--model", "motion", data=data) as again:
            await live(again, "door")
            await live(again, "yard", "paused")
            told = [await again.http.get(path) for path in ("/stats", "/api/streams", "/metrics", "/api/streams/yard")]
            assert pixels((await again.http.get("/api/streams/door/thumbnail.jpg")).content).shape == (120, 160, 3)
        for log in (server.log, again.log):
            assert SECRET not in "".join(log)
        assert all(answer.status_code == 200 and SECRET not in answer.text for answer in told)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"[1]", b'{"a b": {}}', b'{"door": {"source": 5}}', b'{"door": {"source": "s3cr3t-w0rd'],
    ids=["no text", "a list", "a wrong name", "a wrong type", "cut off"],
)
async def test_a_file_that_can_not_be_read_is_put_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cameras.json").write_bytes(content)
    cameras = Cameras(load_settings(data=tmp_path))
    await cameras.load()
    assert cameras.names == []
    await cameras.add("door", KeptCamera("rtsp://camera.lan/1"))
    assert (tmp_path / "cameras.json.bad").read_bytes() == content
    again = Cameras(load_settings(data=tmp_path))
    await again.load()
    assert again.source("door") == "rtsp://camera.lan/1"
    stricter = Cameras(load_settings(data=tmp_path, camera_schemes=("http",)))
    await stricter.load()
    assert (stricter.names, stricter.source("door")) == (["door"], None), "kept, and not pulled"


async def test_where_nothing_can_be_written_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    cameras = Cameras(load_settings(data=tmp_path))
    cameras.changed = told.append
    await cameras.add("door", KeptCamera("rtsp://camera.lan/1"))

    def full(path: Path, data: bytes) -> None:
        raise Shortage("no disk space")

    monkeypatch.setattr(files, "write", full)
    for change in (
        cameras.add("yard", KeptCamera("rtsp://camera.lan/2")),
        cameras.change("door", name="Tür", paused=True),
        cameras.remove("door"),
    ):
        with pytest.raises(Shortage):
            await change
    assert (cameras.names, cameras.display_name("door"), cameras.paused("door")) == (["door"], "door", False)
    assert told == ["door", "yard", "yard", "door", "door", "door", "door"], "who pulls hears of it both ways"


async def test_what_was_drawn_for_a_removed_camera_does_not_come_back(tmp_path: Path) -> None:
    async with serving("--model", "motion", env=ENV, data=tmp_path) as server:
        await server.http.post("/api/streams", json={"id": "door"})
        for name in ("door", "fixed"):
            await server.http.put(f"/api/streams/{name}/zones/drive", json=ZONE)
        assert (await server.http.delete("/api/streams/door")).status_code == 204
    assert json.loads((tmp_path / "zones.json").read_text()).keys() == {"fixed"}
    assert json.loads((tmp_path / "cameras.json").read_text()) == {}


async def test_only_admins_manage_cameras(tmp_path: Path) -> None:
    """Who may publish a stream is not thereby allowed to name it, pause it or remove it."""
    token, _ = Store(tmp_path).create("publish", "*", lifetime=None)
    async with serving("--model", "motion", env={"SIGHTLINE_TOKENS": "true"} | ENV, data=tmp_path) as server:
        server.http.headers["authorization"] = f"Bearer {token}"
        for change in ({"name": "x"}, {"paused": True}, {"name": None}, {"group": "x"}, {"before": None}):
            assert (await server.http.patch("/api/streams/fixed", json=change)).status_code == 403
        assert (await server.http.delete("/api/streams/fixed")).status_code == 403
        assert (await server.http.post("/api/streams", json={"source": MADE})).status_code == 403
