"""Cameras whose source is changed while the server runs: by the API, and by hand in their file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.serving import Running, camera, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "s3cr3t-w0rd"
SMALL, LARGE = "synthetic:shapes?size=160x120&fps=20", "synthetic:shapes?size=320x180&fps=20"
ENV = {"SIGHTLINE_CAMERA_SCHEMES": '["rtsp", "synthetic"]', "SIGHTLINE_SOURCES": '{"fixed": "synthetic:?fps=5"}'}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Running, Path]]:
    data = tmp_path_factory.mktemp("data")
    async with serving("--model", "motion", env=ENV, data=data) as server:
        yield server, data / "cameras.json"


async def wide(server: Running, name: str, width: int) -> None:
    await server.until(lambda s: s.get("width") == width and s["state"] == "live", path=f"/api/streams/{name}")


async def test_a_source_is_replaced_taken_away_and_given_again(house: tuple[Running, Path]) -> None:
    server, file = house

    async def patch(name: str, **change: Any) -> tuple[int, Mapping[str, Any]]:
        answer = await server.http.patch(f"/api/streams/{name}", json=change)
        assert SECRET not in answer.text
        return answer.status_code, answer.json()

    await server.http.post("/api/streams", json={"id": "door", "name": "Tür", "source": SMALL})
    await wide(server, "door", 160)
    assert (await patch("door", source=LARGE))[0] == 200
    await wide(server, "door", 320)
    status, told = await patch("door", source=None)
    assert (status, told["pulled"], told["display_name"]) == (200, False, "Tür")
    async with camera(server, "door"):
        await server.until(lambda s: s["state"] == "live", path="/api/streams/door")
        assert (await patch("door", source=SMALL))[0] == 409, "who sends keeps the stream"
    assert json.loads(file.read_text())["door"] == {"name": "Tür"}
    assert (await patch("door", source=SMALL))[0] == 200
    await wide(server, "door", 160)
    for name, source in (("fixed", SMALL), ("door", {"password": SECRET}), ("door", "")):
        status, told = await patch(name, source=source)
        assert (status, told["error"]["key"]) == (422, "source")
    status, told = await patch("door", source=f"rtsp://me:{SECRET}@169.254.169.254/")
    assert (status, told["error"]["code"]) == (400, "bad_source")
    await wide(server, "door", 160)


async def test_changes_by_hand_are_taken_over_or_said_to_be_wrong(house: tuple[Running, Path]) -> None:
    server, file = house
    await server.http.post("/api/streams", json={"id": "door", "source": SMALL})
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"yard": {"source": LARGE, "name": "Hof"}}))
    await wide(server, "yard", 320)
    assert (await server.stream("yard"))["display_name"] == "Hof"

    for wrong, why in (
        ('{"door": {"source": "s3cr3t-w0rd\n', "line 1, column 33"),
        (json.dumps(kept | {"yard": {"source": f"ftp://me:{SECRET}@camera.lan/"}}), "begins with ftp"),
    ):
        file.write_text(wrong)
        told = await server.until(lambda s, why=why: why in s["trouble"], path="/api/streams")  # type: ignore[misc]
        assert SECRET not in str(told)
        await wide(server, "yard", 320)
        refused = await server.http.patch("/api/streams/yard", json={"name": "Yard"})
        assert (refused.status_code, "mended" in refused.text) == (400, True)
        assert file.read_text() == wrong, "what was changed by hand is not lost"

    file.write_text(json.dumps({"yard": {"source": SMALL}}))
    await wide(server, "yard", 160)
    await server.until(lambda s: [one["name"] for one in s["streams"]] == ["fixed", "yard"], path="/api/streams")
    assert (await server.get("/api/streams"))["trouble"] == ""
    file.unlink()
    renamed = await server.http.patch("/api/streams/yard", json={"name": "Yard"})
    assert renamed.status_code == 200
    assert json.loads(file.read_text()) == {"yard": {"source": SMALL, "name": "Yard"}}
    assert SECRET not in "".join(server.log)
