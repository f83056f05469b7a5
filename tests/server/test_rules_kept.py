"""Rules of a running server: from the settings file, told as events, and kept over restarts."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from support.ids import install_ids
from support.serving import Json, Peer, Running, peer, serving
from support.walker import walking

TOML = """
[streams.door]
stages = ["ids"]

[streams.door.zones.drive]
points = [[0.4, 0.0], [0.6, 0.0], [0.6, 1.0], [0.4, 1.0]]

[streams.door.lines.gate]
points = [[0.5, 1.0], [0.5, 0.0]]

[streams.door.rules.stays]
zone = "drive"
classes = ["person"]
for_s = 0.5
cooldown_s = 3600

[streams.door.rules.goes-in]
line = "gate"
direction = "in"
cooldown_s = 0
actions = ["webhook"]
"""


def run(folder: Path, env: dict[str, str]) -> AbstractAsyncContextManager[Running]:
    return serving("--model", "nano", "--engine", "onnx", env=env, cwd=folder, data=folder / "data")


async def next_of_rules(events: Peer) -> Json:
    while True:
        event, _ = await events.next("event")
        if event["kind"] == "rule":
            return event


@pytest.mark.asyncio
async def test_a_rule_of_the_settings_is_told_once_also_by_the_next_server(tmp_path: Path) -> None:
    env = install_ids(tmp_path / "site")
    (tmp_path / "sightline.toml").write_text(TOML)
    async with (
        run(tmp_path, env) as server,
        walking(server, "door") as walker,
        peer(f"{server.ws}/ws?events=1&stream=door") as events,
    ):
        await walker.see(*[0.45] * 5, 0.45)
        start = await next_of_rules(events)
        assert (start["rule"], start["phase"], start["zone"], start["track"]) == ("stays", "start", "drive", 1)
        assert (start["seq"], start["actions"]) == (6, ["notify", "webhook", "mqtt", "command"])
        await walker.see(0.55)
        crossed = [await next_of_rules(events) for _ in range(2)]
        assert [(e["rule"], e["phase"], e["direction"]) for e in crossed] == [
            ("goes-in", "start", "in"),
            ("goes-in", "end", "in"),
        ]
        assert crossed[0]["actions"] == ["webhook"]
        await walker.see(0.8)
        end = await next_of_rules(events)
        assert (end["id"], end["phase"], end["seconds"]) == (start["id"], "end", 0.2)
    fired = json.loads((tmp_path / "data" / "zones.json").read_text())["door"]["fired"]
    assert (fired["stays"]["fired"], fired["goes-in"]["fired"]) == (1, 1)
    async with (
        run(tmp_path, env) as server,
        walking(server, "door") as walker,
        peer(f"{server.ws}/ws?events=1&stream=door") as events,
    ):
        await walker.see(*[0.45] * 12, 0.55)
        assert (await next_of_rules(events))["rule"] == "goes-in", "an hour has not passed"


@pytest.mark.asyncio
async def test_a_stream_with_a_rule_is_processed_while_nobody_looks(tmp_path: Path) -> None:
    (tmp_path / "sightline.toml").write_text(
        "[streams.door.rules.any]\ncooldown_s = 0\n[streams.yard.rules.off]\nenabled = false\n"
    )
    async with (
        serving("--model", "motion", cwd=tmp_path, data=tmp_path) as server,
        walking(server, "door?results=0") as door,
        walking(server, "yard?results=0") as yard,
    ):
        await door.show(0.1)
        await yard.show(0.1)
        stats = await server.until(lambda stats: bool(stats["streams"].get("yard", {}).get("dropped")))
        assert stats["streams"]["yard"]["dropped"] == {"unwatched": 1}
        assert [stats["streams"][name]["wanted"] for name in ("door", "yard")] == [True, False]
