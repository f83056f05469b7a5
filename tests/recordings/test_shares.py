"""Share links: who has one sees one recorded time, and nothing before, after or beside it, until it ends."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import httpx2
import numpy as np
import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from sightline.cli import app
from sightline.core.errors import ConfigError, NotFound
from sightline.recordings.shares import Shares
from sightline.security.tokens import Store
from sightline.server.api import shares
from sightline.server.api.shares import PassingFile
from sightline.server.kept_file import KeptFile
from sightline.settings.settings import load_settings
from support.clips import number_of
from support.inside import Inside, inside
from support.recordings import record
from support.serving import Json, Peer, peer

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEGAN = float(round(time.time()) - 3000)
FRAMES, FPS = 100, 10
START, END = BEGAN + 3.05, BEGAN + 6.05
"""The time that is shared: frames 31 to 60. Key frames are 0, 20, 40 and so on."""
SHARED = range(31, 61)


@dataclass
class House:
    server: Inside
    data: Path
    admin: httpx2.AsyncClient
    nobody: httpx2.AsyncClient

    async def share(self, start: float = START, end: float = END, **more: Any) -> Json:
        answer = await self.admin.post("/api/recordings/door/shares", json={"from": start, "to": end} | more)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def link(self, **more: Any) -> str:
        path = str((await self.share(**more))["path"])
        assert path.startswith("/share/")
        return path.removeprefix("/share/")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[House]:
    data = tmp_path_factory.mktemp("data")
    record(data / "recordings", "door", BEGAN, range(FRAMES), fps=FPS)
    record(data / "recordings", "yard", BEGAN, range(FRAMES), fps=FPS)
    token, _ = Store(data).create("admin", "*", lifetime=None)
    bearer = {"authorization": f"Bearer {token}"}
    async with (
        inside(data=data, model="motion", tokens=True, record_free_gb=0) as server,
        httpx2.AsyncClient(base_url=server.http, timeout=30, headers=bearer) as admin,
        httpx2.AsyncClient(base_url=server.http, timeout=30) as nobody,
    ):
        yield House(server, data, admin, nobody)


def numbers(file: bytes) -> list[int]:
    with av.open(io.BytesIO(file), "r") as clip:
        images = (np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in clip.decode(video=0))
        return [number_of(image[:100]) for image in images]


async def shown(link: Peer) -> tuple[Json, int]:
    message, jpeg = await link.next("frame_metadata")
    await link.ws.send(f'{{"type":"ack","frameNumber":{message["frameNumber"]}}}')
    image = cv2.imdecode(np.frombuffer(jpeg or b"", np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return message, number_of(np.asarray(image[:100], np.uint8))


async def test_a_link_gives_its_time_and_nothing_else(house: House) -> None:
    link = await house.link()
    assert (await house.nobody.get(f"/share/{link}")).status_code == 200
    told = (await house.nobody.get(f"/api/shared/{link}")).json()
    assert (told["name"], told["from"], told["to"], told["plays"]) == ("door", START, END, True)
    file = await house.nobody.get(told["file"])
    assert file.headers["content-type"] == "video/mp4"
    assert numbers(file.content) == list(range(40, 61)), "from the first key frame in it"
    assert not list((house.data / "exports").glob("*.part.mp4")), "what was made for it is gone"
    async with peer(f"{house.server.ws}/ws/shared/{link}?from=0&speed=16") as viewer:
        seen: list[int] = []
        while not seen or seen[-1] < SHARED[-1]:
            message, number = await shown(viewer)
            assert message["frameNumber"] == number
            seen.append(number)
        assert (await viewer.next("playback"))[0]["state"] == "end"
    assert seen[0] == SHARED[0]
    assert set(seen) <= set(SHARED)


async def test_links_are_made_listed_and_taken_back_on_the_command_line(house: House) -> None:
    env = {"SIGHTLINE_TOKEN": house.admin.headers["authorization"].removeprefix("Bearer "), "COLUMNS": "300"}

    async def command(*words: str) -> Result:
        given = ["recordings", *words, "--url", house.server.ws]
        return await asyncio.to_thread(CliRunner().invoke, app, given, env=env)

    span, ends = ("--from", str(START), "--to", str(END)), time.time() + 3600
    link = (await command("share", "door", *span, "--until", str(ends))).stdout.strip()
    assert link.startswith(f"{house.server.http}/share/")
    path = link.replace("/share/", "/api/shared/")
    told = (await house.nobody.get(path)).json()
    assert (told["from"], told["to"]) == (START, END)
    assert told["ends_at"] == pytest.approx(ends, abs=60)
    (row,) = [line for line in (await command("shares")).stdout.splitlines() if link in line]
    assert row.split()[1] == "door"
    assert isinstance((await command("share", "door", *span, "--until", "1")).exception, ConfigError)
    assert "nothing is recorded" in str((await command("share", "door", "--from", "1", "--to", "2")).exception)
    assert (await command("unshare", link)).exit_code == 0
    assert (await house.nobody.get(path)).status_code == 404
    assert isinstance((await command("unshare", link)).exception, NotFound)
    assert link not in (await command("shares")).stdout


async def test_no_command_leads_out_of_it(house: House) -> None:
    link = await house.link()
    async with peer(f"{house.server.ws}/ws/shared/{link}?play=0&from={BEGAN}") as viewer:
        assert (await shown(viewer))[1] == SHARED[0]
        for command, number in (
            ('{"type":"step","frames":-5}', SHARED[0]),
            (f'{{"type":"seek","at":{BEGAN + 9}}}', SHARED[-1]),
            ('{"type":"step","frames":30}', SHARED[-1]),
            (f'{{"type":"seek","at":{BEGAN + 5.0}}}', 50),
            ('{"type":"step","frames":-1}', 49),
            (f'{{"type":"seek","at":{BEGAN - 1e6}}}', SHARED[0]),
        ):
            await viewer.ws.send(command)
            assert (await shown(viewer))[1] == number, command


async def test_a_time_without_a_key_frame_is_encoded(house: House) -> None:
    link = await house.link(start=BEGAN + 4.05, end=BEGAN + 5.05)
    assert numbers((await house.nobody.get(f"/api/shared/{link}/file")).content) == list(range(41, 51))


async def test_a_link_lets_nobody_in_anywhere_else(house: House) -> None:
    link = await house.link()
    for path in ("/api/recordings/door", "/api/shares", "/api/exports", "/stats", "/api/events", "/api/streams"):
        assert (await house.nobody.get(path)).status_code == 401
        assert (await house.nobody.get(path, headers={"authorization": f"Bearer {link}"})).status_code == 401
    for query in ("stream=yard", "from=0&to=9e9", "file=../../tokens.json"):
        assert numbers((await house.nobody.get(f"/api/shared/{link}/file?{query}")).content)[0] == 40
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await house.nobody.request(method, f"/api/shared/{link}")).status_code in (403, 405)


async def test_a_link_ends_when_its_time_has_come_or_it_is_taken_back(house: House) -> None:
    share = await house.share()
    link = share["path"].removeprefix("/share/")
    listed = (await house.admin.get("/api/shares")).json()["shares"]
    assert share in listed
    async with peer(f"{house.server.ws}/ws/shared/{link}") as viewer:
        await shown(viewer)
        assert (await house.admin.delete(f"/api/shares/{share['id']}")).status_code == 204
        assert (await viewer.refused())["code"] == "not_found"
    for path in (f"/api/shared/{link}", f"/api/shared/{link}/file"):
        assert (await house.nobody.get(path)).status_code == 404
    assert share not in (await house.admin.get("/api/shares")).json()["shares"]
    with pytest.MonkeyPatch.context() as patch:
        old = await house.link(expires_s=60)
        now = time.time()
        patch.setattr("sightline.recordings.shares.time.time", lambda: now + 61)
        assert (await house.nobody.get(f"/api/shared/{old}")).status_code == 404


async def test_a_file_on_its_way_ends_with_the_right_to_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeptFile, "chunk_size", 1)  # a slow reader
    share = await house.share(BEGAN, BEGAN + 9)
    path = f"/api/shared/{share['path'].removeprefix('/share/')}/file"
    async with house.nobody.stream("GET", path) as answer:
        assert answer.status_code == 200
        assert (await house.admin.delete(f"/api/shares/{share['id']}")).status_code == 204
        with pytest.raises(httpx2.TransportError):
            await answer.aread()
    token, record = Store(house.data).create("view", "door", lifetime=None)
    found = (await house.admin.get(f"/api/recordings/door?from={BEGAN}&to={BEGAN + 9}")).json()["segments"][0]
    bearer = {"authorization": f"Bearer {token}"}
    path = f"/api/recordings/door/segments/{found['id']}.mp4"
    async with house.nobody.stream("GET", path, headers=bearer) as answer:
        assert answer.status_code == 200
        Store(house.data).revoke(record.id)
        with pytest.raises(httpx2.TransportError):
            await answer.aread()
    assert (await house.nobody.get(path, headers=bearer)).status_code == 401


@pytest.mark.parametrize(
    "wish",
    [
        {"from": BEGAN, "to": BEGAN},
        {"from": BEGAN, "to": BEGAN + 7 * 3600},
        {"from": BEGAN, "to": BEGAN + 10, "expires_s": 31 * 86400},
        {"from": BEGAN - 1e6, "to": BEGAN - 1e6 + 10},
        {"from": BEGAN, "to": BEGAN + 10, "export": "../../tokens"},
    ],
)
async def test_what_can_not_be_shared(house: House, wish: Json) -> None:
    assert (await house.admin.post("/api/recordings/door/shares", json=wish)).status_code in (400, 404, 422)


async def test_an_export_is_shared_as_the_file_that_it_is(house: House) -> None:
    wish = {"from": START, "to": END, "kind": "drawn"}
    export = (await house.admin.post("/api/recordings/door/exports", json=wish)).json()
    async with asyncio.timeout(30):
        while (await house.admin.get(f"/api/exports/{export['id']}")).json()["state"] != "done":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    link = await house.link(export=export["id"])
    kept = (await house.admin.get(f"/api/exports/{export['id']}")).json()
    assert kept["ends_at"] > time.time() + 6 * 86400, "as long as the link"
    assert not (await house.nobody.get(f"/api/shared/{link}")).json()["plays"]
    assert numbers((await house.nobody.get(f"/api/shared/{link}/file")).content) == list(SHARED)
    async with peer(f"{house.server.ws}/ws/shared/{link}") as viewer:
        assert (await viewer.refused())["code"] == "not_found"
    elsewhere = {"from": START, "to": END, "export": export["id"]}
    assert (await house.admin.post("/api/recordings/yard/shares", json=elsewhere)).status_code == 404
    await house.admin.delete(f"/api/exports/{export['id']}")
    for path in ("", "/file"):
        answer = await house.nobody.get(f"/api/shared/{link}{path}")
        assert (answer.status_code, export["id"] in answer.text) == (404, False)


async def test_links_outlive_the_server_and_the_file_alone_makes_none(house: House) -> None:
    link = await house.link()
    settings = load_settings(data=house.data)
    again = Shares(settings)
    await again.open()
    assert again.find(link).start == START
    said = (house.data / "shares.json").read_text()
    assert link.partition(".")[2] not in said
    for name in ("shares.json", "shares.key"):
        assert (house.data / name).stat().st_mode & 0o077 == 0
    (house.data / "shares.json").write_text(said.replace(str(END), str(END + 60)))
    moved = Shares(settings)
    await moved.open()
    with pytest.raises(Exception, match="ended"):
        moved.find(link)
    (house.data / "shares.json").write_text(said)


async def test_who_guesses_has_to_wait(house: House) -> None:
    """The last one, as this address may ask no more afterwards."""
    link = await house.link()
    assert (await house.nobody.get(f"/api/shared/{link}")).status_code == 200
    id, _, signed = link.partition(".")
    guesses = [f"{id}.{'B' if signed[0] == 'A' else 'A'}{signed[1:]}", *(f"{id}.{n}" for n in range(40))]
    found = [(await house.nobody.get(f"/api/shared/{guess}")).status_code for guess in guesses]
    assert found[0] == 404
    assert found[-1] == 429
    assert (await house.nobody.get(f"/api/shared/{link}")).status_code == 200, "who has a link is not shut out"


async def test_who_does_not_read_leaves_places_for_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/api/shared/{await house.link(start=BEGAN, end=BEGAN + 9)}/file"
    monkeypatch.setattr(PassingFile, "chunk_size", 1)
    async with AsyncExitStack() as stack:

        async def begun() -> int:
            return (await stack.enter_async_context(house.nobody.stream("GET", path))).status_code

        monkeypatch.setattr(shares, "address_of", lambda *_, **__: "192.0.2.1")
        assert [await begun() for _ in range(3)] == [200, 200, 429]
        monkeypatch.setattr(shares, "address_of", lambda *_, **__: "192.0.2.2")
        assert await begun() == 200
