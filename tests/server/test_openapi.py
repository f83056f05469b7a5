"""The HTTP API is as it describes itself (fault 64)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from sightline.renderers.base import modes
from sightline.security.tokens import Store
from support.serving import Running, camera, picture, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAM = "here"
PARTS = {"{stream}": STREAM, "{session}": "none", "{name}": "none", "{id}": "none"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncGenerator[Running]:
    async with serving("--model", "person") as running, camera(running, STREAM):
        await running.until(lambda s: s.get("delivered", 0) > 0, path=f"/api/streams/{STREAM}")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(server: Running) -> Any:
    return await server.get("/openapi.json")


def operations(api: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def filled(path: str) -> str:
    for part, value in PARTS.items():
        path = path.replace(part, value)
    return path


def kind(answer: httpx2.Response) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0]


def mistake(operation: Any, answer: httpx2.Response) -> str | None:
    """What an answer has that the description lacks."""
    told = operation["responses"].get(str(answer.status_code))
    if told is None:
        return f"status {answer.status_code}"
    return (
        None if not kind(answer) or kind(answer) in told.get("content", {}) else f"{answer.status_code} {kind(answer)}"
    )


BODIES: list[tuple[str, dict[str, str]]] = [
    ("", {}),
    ("{", {"content-type": "application/json"}),
    ("[]", {"content-type": "application/json"}),
    ('{"confidence": 7}', {"content-type": "application/json"}),
    ("v=0", {"content-type": "application/sdp"}),
    ("nonsense", {"content-type": "application/trickle-ice-sdpfrag"}),
    ("x" * 1_100_000, {"content-type": "application/json"}),
]


ENDLESS = ("/mjpeg/{stream}", "/video/{stream}.mp4", "/api/events/live", "/api/doctor")
"""Without an end, or a long way from it."""


async def test_every_answer_is_described(server: Running, api: Any) -> None:
    mistakes = []
    for method, path, operation in operations(api):
        if path in ENDLESS:
            continue
        whole = filled(path)
        for target in dict.fromkeys((whole, whole.replace(STREAM, "away"), whole.replace(STREAM, "a%20b"))):
            if (method, target) == ("DELETE", f"/api/streams/{STREAM}"):  # which the others need
                continue
            for body, headers in BODIES if "requestBody" in operation else BODIES[:1]:
                answer = await server.http.request(method, target, content=body, headers=headers)
                if (wrong := mistake(operation, answer)) is not None:
                    mistakes.append(f"{method} {target} {body[:20]}: {wrong} {answer.text[:80]}")
    assert mistakes == []


async def test_errors_are_our_own(server: Running, api: Any) -> None:
    schemas = api["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    assert {"code", "message"} <= schemas["ErrorBody"]["properties"].keys()
    for method, path, operation in operations(api):
        for status, told in operation["responses"].items():
            if int(status) >= 400 and status != "503":
                assert told["content"]["application/json"]["schema"]["$ref"].endswith("/Error"), f"{method} {path}"
        assert "403" in operation["responses"], "another site's page"


async def test_types_of_pictures_and_words_are_told(api: Any) -> None:
    paths = api["paths"]
    for path in ("/snapshot/{stream}.jpg", "/api/streams/{stream}/thumbnail.jpg"):
        assert list(paths[path]["get"]["responses"]["200"]["content"]) == ["image/jpeg"]
    assert list(paths["/mjpeg/{stream}"]["get"]["responses"]["200"]["content"]) == ["multipart/x-mixed-replace"]
    predict = paths["/api/predict"]["post"]
    assert {"image/jpeg", "image/png", "multipart/form-data"} <= predict["requestBody"]["content"].keys()
    assert {"image/jpeg", "application/json"} == predict["responses"]["200"]["content"].keys()
    for method, path, operation in operations(api):
        for parameter in operation.get("parameters", []):
            if parameter["name"] == "mode":
                more = ["none"] if path == "/video/{stream}.mp4" else []
                assert parameter["schema"]["anyOf"][0]["enum"] == modes() + more, f"{method} {path}"


async def test_what_a_token_opens_is_told(api: Any, tmp_path: Path) -> None:
    token, _ = Store(tmp_path).create("view", "*", lifetime=None)
    assert all({} in operation["security"] for *_, operation in operations(api)), "this server asks for none"
    async with serving("--model", "motion", env={"SIGHTLINE_TOKENS": "true"}, data=tmp_path) as server:
        bearer = {"authorization": f"Bearer {token}"}
        closed = (await server.http.get("/openapi.json", headers=bearer)).json()
        assert closed["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
        assert closed["components"]["securitySchemes"]["session"]["in"] == "cookie"
        for method, path, operation in operations(closed):
            needs = {} not in operation["security"]
            answer = await server.http.request(method, filled(path))
            assert (answer.status_code == 401) == needs, f"{method} {path}"
            assert mistake(operation, answer) is None, f"{method} {path}: {mistake(operation, answer)}"


async def test_head_works_wherever_get_does(server: Running, api: Any) -> None:
    gets = [filled(path) for method, path, _ in operations(api) if method == "GET"]
    for path in (
        *gets,
        "/",
        "/docs",
        "/events",
        f"/view/{STREAM}",
        "/static/css/style.css",
        "/openapi.json",
        "/view/a%20b",
    ):
        head = await server.http.head(path)
        assert head.content == b""
        if path.startswith(("/mjpeg", "/video")):
            expected = "multipart/x-mixed-replace" if path.startswith("/mjpeg") else "video/mp4"
            assert (head.status_code, kind(head)) == (200, expected)
            continue
        if path == "/api/events/live":
            assert (head.status_code, kind(head)) == (200, "text/event-stream")
            continue
        get = await server.http.get(path)
        assert (head.status_code, kind(head)) == (get.status_code, kind(get)), path
    assert (await server.http.head("/api/predict")).status_code == 405
    await server.until(lambda s: s["viewers"] == 0, path=f"/api/streams/{STREAM}")


@pytest.mark.parametrize(("method", "path"), [("PATCH", f"/api/streams/{STREAM}"), ("POST", "/api/tickets")])
async def test_a_body_that_is_no_json_is_told(server: Running, method: str, path: str) -> None:
    answer = await server.http.request(
        method, path, content=b'{"role": view}', headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert "'{\"role\": view}'" in answer.json()["error"]["message"]
    assert "character 9" in answer.json()["error"]["message"]


async def test_words_that_are_no_utf8_are_told(server: Running) -> None:
    for body in (b'{"preset": "\xff"}', b"\xff\xfe", picture(0)):
        answer = await server.http.patch(
            f"/api/streams/{STREAM}", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400
        assert answer.json()["error"]["message"]


async def test_a_method_that_an_address_lacks_is_refused_with_those_that_it_has(server: Running) -> None:
    for path, allowed in (
        ("/api/session", "DELETE, GET, HEAD, POST"),
        (f"/api/streams/{STREAM}", "DELETE, GET, HEAD, PATCH"),
    ):
        answer = await server.http.put(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_what_can_name_a_stream_is_told(server: Running, api: Any) -> None:
    named = [p["schema"] for *_, o in operations(api) for p in o.get("parameters", []) if p["name"] == "stream"]
    assert {schema["pattern"] for schema in named if "pattern" in schema} == {"^[A-Za-z0-9_-]{1,64}$"}
    assert (await server.http.get("/api/streams/a%20b")).status_code == 400


async def test_a_whole_number_may_be_written_with_a_point(server: Running) -> None:
    """JSON has one kind of number."""
    answer = await server.http.patch(f"/api/streams/{STREAM}", json={"max_detections": 50.0, "priority": 3.0})
    assert (answer.status_code, answer.json()["settings"]["max_detections"]) == (200, 50)
    assert (await server.http.patch(f"/api/streams/{STREAM}", json={"max_detections": 50.5})).status_code == 422
