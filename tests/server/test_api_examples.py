"""The examples of docs/api.md do what they show: run with curl, one after the other, against real servers."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCPeerConnection
from api_page import calls, examples

from sightline.security.tokens import Store
from support.clips import moving, write_clip
from support.push_service import Phone
from support.rtc import Clip
from support.rtsp import RtspServer
from support.serving import Running, picture, serving
from support.waiting import within
from support.walker import Walker, walking

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")

ENDLESS = ("GET /mjpeg/{stream}", "GET /video/{stream}.mp4", "GET /api/events/live")
SIGNED_IN = "access"
"""Tag of calls that are of use where tokens are asked for."""
ELSEWHERE = ("POST /api/sources/find", "POST /api/sources/profiles", "POST /api/doctor")
"""Not run: they ask the network, or a device that is none of ours, or take long. They have tests of their own."""
NOT_GOT = (
    "POST /api/models/{name}/weights",
    "DELETE /api/models/{name}/weights",
)
"""Refused where nothing here could run the weights, and where nothing is under way."""
IDS = {
    "POST /api/push/devices": "DEVICE",
    "POST /api/models/upload": "UPLOAD",
    "POST /api/tokens": "TOKEN",
    "POST /api/recordings/{stream}/exports": "EXPORT",
    "POST /api/recordings/{stream}/replays": "REPLAY",
    "POST /api/imports": "IMPORT",
    "POST /api/recordings/{stream}/shares": "SHARE",
}
"""Calls whose answers have an id that others need."""


class Desk:
    """A shell in which one example after the other is run, and what their reader would know by then."""

    def __init__(self, folder: Path, camera: str) -> None:
        self.folder = folder
        self.known = {"camera.lan": camera}

    async def run(self, call: str, command: str, server: Running, token: str) -> tuple[int, str]:
        """Run an example. Returns the status and the text of the answer."""
        for word, value in {**self.known, "localhost:8000": server.url.removeprefix("http://")}.items():
            command = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", value, command)
        if call in ENDLESS:
            command = command.partition(" | ")[0]
        head = self.folder / "head"
        head.unlink(missing_ok=True)
        (self.folder / ".curlrc").write_text(f'silent\nshow-error\ndump-header = "{head}"\n')
        env = {"CURL_HOME": str(self.folder), "SIGHTLINE_TOKEN": token, "PATH": "/usr/local/bin:/usr/bin:/bin"}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", f"exec {command}", cwd=self.folder, env=env, stdout=pipe, stderr=pipe
        )
        if call in ENDLESS:
            async with asyncio.timeout(30):
                while not (head.is_file() and b"\r\n\r\n" in head.read_bytes()):  # noqa: ASYNC110 - a program's file
                    await asyncio.sleep(0.02)
            process.kill()
        told, errors = await within(process.communicate(), 60)
        assert head.is_file(), f"{call}: {errors.decode()}"
        statuses = re.findall(r"^HTTP/\S+ (\d+)", head.read_text(), re.M)
        self._learn(call, head.read_text(), told)
        return int(statuses[-1]), told.decode("utf-8", "replace")

    def _learn(self, call: str, head: str, body: bytes) -> None:
        if found := re.search(r"^location: .*/(\S+)", head, re.M | re.I):
            self.known["SESSION"] = found[1]
        if body.startswith(b"{") and not call.endswith(".jsonl"):
            answer: Any = json.loads(body)
            if call in IDS:
                self.known[IDS[call]] = answer.get("id") or answer["upload"]
                self.known["LINK"] = str(answer.get("path")).removeprefix("/share/")
            elif call == "GET /api/outputs":
                self.known["OUTPUT"] = answer["outputs"][-1]["id"]


class World:
    """Two servers, of which one asks for tokens; a camera that sees somebody walk; and the files that examples name."""

    def __init__(self, server: Running, closed: Running, token: str, desk: Desk) -> None:
        self.server = server
        self.closed = closed
        self.token = token
        self.desk = desk

    async def happened(self) -> None:
        """Have the stream recorded until something has happened, and learn what."""
        await self.server.http.post("/api/recordings/door/record", json={"on": True})
        began = time.time()

        def fresh(told: dict[str, Any]) -> list[str]:
            return [one["id"] for one in told["events"] if one.get("snapshot") and one["started_at"] > began]

        event = fresh(await self.server.until(lambda told: bool(fresh(told)), path="/api/events"))[0]
        await self.server.until(lambda told: told["file"] is not None, path=f"/api/events/{event}/clip")
        self.desk.known["EVENT"] = event

    async def recorded(self) -> None:
        """End the recording, and learn what it is."""
        await self.server.http.post("/api/recordings/door/record", json={"on": False})
        told = await self.server.until(lambda told: bool(told["segments"]), path="/api/recordings/door")
        self.desk.known |= {"SEGMENT": str(told["segments"][0]["id"])}
        self.desk.known |= {"FROM": str(int(time.time()) - 600), "TO": str(int(time.time()) + 1)}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    token, _ = Store(tmp_path / "closed").create("admin", "*", lifetime=None)
    config = tmp_path / "sightline.toml"
    config.write_text(f'[[outputs]]\nkind = "jsonl"\npath = "{tmp_path / "events.jsonl"}"\n')
    env = {"SIGHTLINE_WEIGHTS_URL": "http://127.0.0.1:9", "SIGHTLINE_CONFIG": str(config)}  # nobody is there
    env["SIGHTLINE_MEDIA_FOLDER"] = str(tmp_path / "desk")
    with RtspServer() as rtsp:
        async with (
            serving("--model", "nano", "--engine", "onnx", env=env) as server,
            serving("--model", "motion", env={"SIGHTLINE_TOKENS": "true"}, data=tmp_path / "closed") as closed,
            to_and_fro(server, "door"),
        ):
            folder = tmp_path / "desk"
            folder.mkdir()
            await fill(folder)
            yield World(server, closed, token, Desk(folder, f"127.0.0.1:{rtsp.port}"))


@asynccontextmanager
async def to_and_fro(server: Running, stream: str) -> AsyncGenerator[None]:
    """A camera in whose pictures one person walks from left to right and back, as long as it lasts."""

    async def walk(walker: Walker) -> None:
        while True:
            await walker.walk(0.2, 0.8)
            await walker.walk(0.8, 0.2)

    async with walking(server, stream, begin_ms=None) as walker:
        walk_on = asyncio.create_task(walk(walker))
        await server.until(lambda s: s.get("delivered", 0) > 0, path=f"/api/streams/{stream}")
        yield
        walk_on.cancel()
        await asyncio.gather(walk_on, return_exceptions=True)


async def fill(folder: Path) -> None:
    """Write the files that examples send."""
    (folder / "photo.jpg").write_bytes(picture())
    write_clip(folder / "clip.mp4", (moving(number) for number in range(25)))
    wanted = Phone("https://fcm.googleapis.com/fcm/send/made").wants("door")
    (folder / "subscription.json").write_text(json.dumps(wanted))
    (folder / "candidates.txt").write_text("a=end-of-candidates\r\n")
    for name in ("camera", "viewer"):
        connection = RTCPeerConnection()
        if name == "camera":
            connection.addTrack(Clip())
        else:
            connection.addTransceiver("video", direction="recvonly")
        await connection.setLocalDescription(await connection.createOffer())
        (folder / f"{name}-offer.sdp").write_text(connection.localDescription.sdp)
        await connection.close()


async def test_examples_do_what_they_show(world: World) -> None:
    described = dict(calls(await world.server.get("/openapi.json")))
    assert described.keys() == examples().keys(), "each call has an example"
    wrong = []
    for call, command in examples().items():
        if call in ELSEWHERE:
            continue
        if call == "GET /api/recordings":
            await world.recorded()
        if call == "GET /api/exports/{id}/file":
            path = f"/api/exports/{world.desk.known['EXPORT']}"
            await world.server.until(lambda told: told["state"] == "done", path=path)
        if call == "GET /api/replays/{id}/outcome":
            path = f"/api/replays/{world.desk.known['REPLAY']}"
            await world.server.until(lambda told: told["state"] == "done", path=path)
        if call == "DELETE /api/models/upload/{upload}":
            await world.desk.run("POST /api/models/upload", examples()["POST /api/models/upload"], world.server, "")
        if call == "GET /api/events":
            await world.happened()
        server = world.closed if described[call]["tags"][0] == SIGNED_IN else world.server
        status, said = await world.desk.run(call, command, server, world.token)
        good = {int(one) for one in described[call]["responses"] if int(one) < 300}
        if status not in good | ({404} if call in NOT_GOT else set()):
            wrong.append(f"{call}: {status} {said[:300]}")
    assert wrong == []
