"""What admins do by the API: tokens, settings, the log, the doctor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sightline.security.tokens import Store
from sightline.settings.settings import Settings
from support.receivers import Hook, hook
from support.serving import Running, peer, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "p4ss-w0rd"
PAGE = "https://home.example"
FILE = """
jpeg_quality = 70
log_level = "debug"

[[outputs]]
kind = "webhook"
url = "%(url)s"
secret = "%(password)s"

[[webrtc_ice_servers]]
urls = ["turn:turn.example"]
username = "me"
credential = "%(password)s"
"""


@dataclass
class Managed:
    """A server, and what its admin sends."""

    server: Running
    web: Hook
    """The receiver of its output."""
    data: Path
    admin: dict[str, str]

    async def ask(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        answer = await self.server.http.request(method, path, headers=self.admin, **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def settings(self) -> dict[str, Any]:
        return {one["name"]: one for one in (await self.ask("GET", "/api/settings"))["settings"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def managed(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Managed]:
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("here")
    admin, _ = Store(data).create("admin", "*", lifetime=None)
    env = {"SIGHTLINE_TOKENS": "true", "SIGHTLINE_CONF": "0.3"}
    options = ("--model", "motion", "--engine", "onnx")
    async with hook(lambda n: 200 if n == 1 else 403) as web:
        (folder / "sightline.toml").write_text(FILE % {"url": web.url, "password": PASSWORD})
        async with serving(*options, cwd=folder, env=env, data=data, ready=False) as server:
            yield Managed(server, web, data, {"authorization": f"Bearer {admin}"})


async def test_a_token_is_shown_once_opens_what_it_says_and_ends(managed: Managed) -> None:
    wanted = {"role": "view", "stream": "door", "expires_s": 3600}
    made = await managed.ask("POST", "/api/tokens", 201, json=wanted)
    bearer = {"authorization": f"Bearer {made['token']}"}
    assert made["expires_at"] - made["created_at"] == pytest.approx(3_600_000)
    http = managed.server.http
    assert (await http.get("/api/streams", headers=bearer)).status_code == 200
    assert (await http.get("/api/tokens", headers=bearer)).status_code == 403

    listed = await managed.ask("GET", "/api/tokens")
    assert made["token"] not in json.dumps(listed)
    assert listed["enabled"]
    by_id = {token["id"]: token for token in listed["tokens"]}
    assert by_id[made["id"]] == {key: value for key, value in made.items() if key != "token"}
    assert [token["role"] for token in listed["tokens"] if token["own"]] == ["admin"]

    await managed.ask("DELETE", f"/api/tokens/{made['id']}", 204)
    assert (await http.get("/api/streams", headers=bearer)).status_code == 401
    await managed.ask("DELETE", f"/api/tokens/{made['id']}", 404)
    assert made["token"] not in "".join(managed.server.log)


@pytest.mark.parametrize(
    "wanted",
    [
        {"role": "owner", "stream": "*"},
        {"role": "view"},
        {"role": "view", "stream": "a b"},
        {"role": "view", "stream": "*", "expires_s": 0},
        {"role": "view", "stream": "*", "expires_s": 1e12},
        {"role": "view", "stream": "*", "token": "slt_mine"},
    ],
)
async def test_a_token_that_makes_no_sense_is_not_made(managed: Managed, wanted: dict[str, Any]) -> None:
    before = await managed.ask("GET", "/api/tokens")
    await managed.ask("POST", "/api/tokens", 422, json=wanted)
    assert await managed.ask("GET", "/api/tokens") == before


async def test_each_setting_says_where_it_comes_from_and_no_secret_is_told(managed: Managed) -> None:
    told = await managed.settings()
    assert list(told) == list(Settings.model_fields)
    origins = {name: told[name]["origin"] for name in ("engine", "model", "conf", "jpeg_quality", "imgsz")}
    given = {"engine": "command line", "model": "command line", "conf": "environment", "jpeg_quality": "file"}
    assert origins == {**given, "imgsz": "default"}
    assert (told["conf"]["value"], told["jpeg_quality"]["default"]) == (0.3, 80)
    assert told["outputs"]["value"] == [{"kind": "webhook"}]
    assert PASSWORD not in json.dumps(told)
    assert "secret-path" not in json.dumps(told)


async def test_a_setting_is_changed_while_it_runs_and_kept(managed: Managed) -> None:
    kept = managed.data / "settings.json"

    async def lets_in() -> bool:
        answer = await managed.server.http.get("/embed.js", headers={"origin": PAGE})
        return answer.headers.get("access-control-allow-origin") == PAGE

    assert not await lets_in()
    await managed.ask("PATCH", "/api/settings", json={"allowed_origins": [PAGE], "events_days": 3})
    assert await lets_in()
    assert json.loads(kept.read_text()) == {"allowed_origins": [PAGE], "events_days": 3}
    told = await managed.settings()
    assert (told["allowed_origins"]["value"], told["allowed_origins"]["origin"]) == ([PAGE], "page")
    assert (await managed.server.get("/api/session"))["allowed_origins"] == [PAGE]

    kept.write_text('{"allowed_hosts": ["Cam.example"]}')  # by hand

    async def known() -> bool:
        return (await managed.server.http.get("/health", headers={"host": "cam.example"})).status_code == 200

    await managed.server.said("while the server runs: allowed_hosts")
    assert await known()
    assert not await lets_in()
    await managed.ask("PATCH", "/api/settings", json={"allowed_hosts": None})
    assert not await known()
    assert json.loads(kept.read_text()) == {}


async def test_of_two_who_change_a_setting_the_second_is_told(managed: Managed) -> None:
    told = await managed.settings()
    days, gb = (told[name]["version"] for name in ("events_days", "events_gb"))
    both = {"events_days": 3, "events_gb": 2}

    async def change(body: dict[str, Any], *versions: str) -> tuple[int, str]:
        headers = {**managed.admin, "if-match": ", ".join(f'"{version}"' for version in versions)}
        answer = await managed.server.http.patch("/api/settings", json=body, headers=headers)
        return answer.status_code, answer.text

    status, text = await change(both, days)
    assert (status, "the setting events_gb was changed meanwhile" in text) == (412, True), text
    assert await managed.settings() == told
    assert (await change(both, days, gb))[0] == 200
    assert (await change({"events_days": 5}, days))[0] == 412
    assert (await managed.settings())["events_days"]["value"] == 3
    assert (await change({"events_days": None}, (await managed.settings())["events_days"]["version"]))[0] == 200
    await managed.ask("PATCH", "/api/settings", json={"events_gb": None})


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"allowed_origins": ["http://home.example"]}, "allowed_origins"),
        ({"allowed_origins": [f"{PAGE}; script-src *"]}, "allowed_origins"),
        ({"allowed_hosts": ["https://cam.example"]}, "allowed_hosts"),
        ({"allowed_hosts": ["cam.example"], "events_gb": 0}, "events_gb"),
        ({"log_level": "info"}, "log_level"),  # of the file
        ({"port": 80}, "port"),
    ],
)
async def test_what_cant_be_changed_is_told_and_nothing_is(managed: Managed, change: dict[str, Any], key: str) -> None:
    before = await managed.settings()
    answer = await managed.ask("PATCH", "/api/settings", 422, json=change)
    assert answer["error"]["key"] == key
    assert await managed.settings() == before


async def test_a_file_that_was_edited_wrongly_changes_nothing_and_is_not_overwritten(managed: Managed) -> None:
    kept = managed.data / "settings.json"
    before = await managed.settings()
    kept.write_text('{"allowed_origin": []}')
    await managed.server.said("allowed_origin: got []")
    assert await managed.settings() == before
    answer = await managed.ask("PATCH", "/api/settings", 400, json={"events_days": 2})
    assert "settings.json" in answer["error"]["message"]
    kept.unlink()


async def test_the_log_is_filtered_and_what_a_peer_said_stays_quoted(managed: Managed) -> None:
    async with peer(f"{managed.server.ws}/ws/camera/gate", additional_headers=managed.admin) as camera:
        await camera.ws.send('{"type": "x\\n12:00:00 INFO forged"}')
        await camera.refused()
    for name in ("gate", "gat"):
        lines = (await managed.ask("GET", "/api/logs", params={"stream": name}))["lines"]
        assert bool(lines) == (name == "gate")
    told = await managed.ask("GET", "/api/logs")
    (closed,) = [line["text"] for line in told["lines"] if "forged" in line["text"]]
    assert "\\n12:00:00" in closed
    assert "\n" not in closed
    warnings = (await managed.ask("GET", "/api/logs", params={"level": "warning"}))["lines"]
    assert {line["level"] for line in warnings} <= {"warning", "error"}
    assert (await managed.ask("GET", "/api/logs", params={"after": told["next"]}))["lines"] == []
    await managed.ask("GET", "/api/logs", 422, params={"level": "loud"})


async def test_the_servers_condition(managed: Managed) -> None:
    told = await managed.ask("GET", "/api/server")
    assert {"models", "hub", "access", "settings"} <= {task["name"] for task in told["tasks"]}
    assert all(task["restarts"] == 0 and task["trouble"] == "" for task in told["tasks"])
    assert told["version"] == (await managed.ask("GET", "/openapi.json"))["info"]["version"]


async def test_an_output_gets_a_test_and_it_is_told_what_became_of_it(managed: Managed) -> None:
    (output,) = (await managed.ask("GET", "/api/outputs"))["outputs"]
    assert (output["kind"], output["what"], output["stream"]) == ("webhook", ["events"], "*")
    assert "secret-path" not in json.dumps(output)
    before = len(managed.web.bodies)
    assert await managed.ask("POST", "/api/outputs/1/test") == {"sent": True, "reason": ""}
    (event,) = json.loads(managed.web.bodies[before])["events"]
    assert (event["kind"], event["stream"], event["phase"]) == ("test", "test", "start")
    assert await managed.ask("POST", "/api/outputs/1/test") == {"sent": False, "reason": "HTTP status 403"}
    assert (await managed.ask("GET", "/api/outputs"))["outputs"] == [output], "it counts for nothing"
    await managed.ask("POST", "/api/outputs/2/test", 404)


@pytest.mark.timeout(180)
async def test_the_doctor_examines_these_settings_one_examination_at_a_time(managed: Managed) -> None:
    asked = [managed.server.http.post("/api/doctor", headers=managed.admin, timeout=150) for _ in range(2)]
    both = await asyncio.gather(*asked)
    (first,) = [answer.json() for answer in both if answer.status_code == 200]
    assert sorted(answer.status_code for answer in both) == [200, 429]
    found = {finding["what"]: finding for finding in first["findings"]}
    assert found["model"]["state"] == "ok"
    assert "motion" in found["model"]["detail"]
    assert "conf" in found["settings"]["detail"]
    assert "port" not in found
