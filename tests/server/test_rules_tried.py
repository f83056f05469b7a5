"""Rules that are tried: on the last minutes of a stream, and on a clip."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from support.clips import write_clip
from support.serving import Running, serving
from support.walker import walking

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOML = """
[streams.hall.zones.middle]
points = [[0.3, 0.0], [0.7, 0.0], [0.7, 1.0], [0.3, 1.0]]

[streams.hall.lines.gate]
points = [[0.5, 1.0], [0.5, 0.0]]
"""
CLIP = "/api/streams/hall/rules/test/clip"
IN_THE_MIDDLE = {"zone": "middle", "for_s": 0.5, "cooldown_s": 0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    folder = tmp_path_factory.mktemp("tried")
    (folder / "sightline.toml").write_text(TOML)
    async with serving("--model", "motion", cwd=folder, data=folder / "data") as running:
        yield running


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A room through which a square goes once, to the right, after a second."""
    images = []
    for number in range(-10, 72):
        image = np.full((120, 320, 3), 60, np.uint8)
        image[40:80, max(0, 4 * number) : max(0, 4 * number) + 30] = 255
        images.append(image)
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    write_clip(path, images)
    return path.read_bytes()


async def upload(server: Running, clip: bytes, rule: Any) -> Any:
    return await server.http.post(CLIP, files={"clip": ("clip.mp4", clip)}, data={"rule": json.dumps(rule)})


async def test_on_the_last_minutes(tmp_path: Path) -> None:
    (tmp_path / "sightline.toml").write_text(TOML.replace("hall", "door"))
    async with serving("--model", "nano", "--engine", "onnx", cwd=tmp_path, data=tmp_path / "data") as server:
        path = "/api/streams/door/rules/test"
        nothing = await server.http.post(path, json=IN_THE_MIDDLE)
        assert (nothing.status_code, nothing.json()) == (200, {"seconds": 0.0, "fired": []})
        async with walking(server, "door") as walker:
            await walker.see(*[0.2] * 3, *(0.2 + 0.02 * n for n in range(30)))
            tried = (await server.http.post(path, json=IN_THE_MIDDLE | {"enabled": False})).json()
            assert tried["seconds"] > 0
            (once,) = tried["fired"]
            assert (once["class_name"], once["track"]) == ("person", 1)
            assert once["seconds"] > 1
            over = (await server.http.post(path, json={"line": "gate", "direction": "out"})).json()
            assert over["fired"] == []
        assert (await server.get("/api/streams/door/rules")) == {"rules": {}}, "nothing was set"


async def test_on_a_clip(server: Running, clip: bytes) -> None:
    answer = await upload(server, clip, IN_THE_MIDDLE | {"hours": "00:00-00:01", "outside": False})
    assert answer.status_code == 200, answer.text
    tried = answer.json()
    assert tried["seconds"] > 2
    once, *_ = tried["fired"]
    assert 1 < once["at"] < tried["seconds"]
    assert once["seconds"] > 0
    assert once["box"][0] > 60
    over = [await upload(server, clip, {"line": "gate", "direction": way}) for way in ("in", "out")]
    assert [len(answer.json()["fired"]) for answer in over] == [1, 0]
    stats = await server.get("/stats")
    assert (stats["posted"]["in_flight"], stats["streams"]) == (0, {})


async def test_one_clip_at_a_time(server: Running, clip: bytes) -> None:
    answers = await asyncio.gather(*(upload(server, clip, IN_THE_MIDDLE) for _ in range(3)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 200
    refused = [answer.json()["error"]["code"] for answer in answers if answer.status_code != 200]
    assert set(refused) <= {"limit_reached"}


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"when": "scene"}, "when: got 'scene'; expected object"),
        ({"zone": "yard"}, "zone: got 'yard'; expected a zone of the stream: middle"),
        ({"line": "fence"}, "line: got 'fence'; expected a line of the stream: gate"),
        ({"for_s": -1}, "for_s: got -1; expected a number"),
        ([], "expected the keys enabled"),
    ],
)
async def test_a_rule_of_which_nothing_can_be_seen(server: Running, rule: Any, told: str) -> None:
    answer = await server.http.post("/api/streams/hall/rules/test", json=rule)
    assert (answer.status_code, told in answer.json()["error"]["message"]) == (422, True), answer.text
    answer = await upload(server, b"no clip", rule)
    assert (answer.status_code, told in answer.json()["error"]["message"]) == (422, True), answer.text


async def test_what_is_no_clip(server: Running, clip: bytes, tmp_path: Path) -> None:
    """A playlist is none either: it names files of the server."""
    (tmp_path / "secret.mp4").write_bytes(clip)
    named = f"file '{tmp_path}/secret.mp4'\n"
    playlists = f"ffconcat version 1.0\n{named}", f"#EXTM3U\n#EXTINF:10,\n{tmp_path}/secret.mp4\n#EXT-X-ENDLIST\n"
    for data in (b"", b"no clip", clip[:200], *(text.encode() for text in playlists)):
        answer = await upload(server, data, IN_THE_MIDDLE)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request"), answer.text
        assert "clip: " in answer.json()["error"]["message"]
        assert "expected a video such as MP4" in answer.json()["error"]["message"]
        assert "tmp" not in answer.text


async def test_a_form_without_what_is_needed(server: Running, clip: bytes) -> None:
    nothing = await server.http.post(CLIP, files={"clip": ("clip.mp4", clip)})
    assert (nothing.status_code, nothing.json()["error"]["key"]) == (422, "rule")
    nothing = await server.http.post(CLIP, data={"rule": "{}"})
    assert (nothing.status_code, nothing.json()["error"]["key"]) == (422, "clip")
    nothing = await server.http.post(CLIP, files={"clip": ("a", b"-")}, data={"rule": "{"})
    assert (nothing.status_code, nothing.json()["error"]["key"]) == (422, "rule")
    nothing = await server.http.post(CLIP, content=b"{}", headers={"content-type": "application/json"})
    assert nothing.status_code in (400, 422)


async def test_a_clip_that_is_too_large(server: Running) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="clip"; filename="clip.mp4"\r\n\r\n'
        for _ in range(66):
            yield bytes(1 << 20)

    answer = await server.http.post(CLIP, content=pieces(), headers={"content-type": "multipart/form-data; boundary=x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert (await server.get("/health"))["status"] == "ok"
