"""Home Assistant by MQTT discovery: a real server, a real broker, and payloads checked against what is documented."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.events import Event
from sightline.outputs._dispatcher import Dispatcher
from sightline.outputs._service import dispatchers
from sightline.outputs.mqtt import client, home_assistant
from sightline.outputs.mqtt.commands import Commands
from sightline.outputs.mqtt.discovery import MOST_ENTITIES, NodeNames, StreamView, ZoneView, device, entities, slug
from sightline.settings.outputs import OutputTable
from sightline.streams.hub import Hub
from support.home_assistant import Listener, check_device, listening
from support.ids import install_ids
from support.receivers import broker
from support.rtsp import free_port
from support.seeing import see
from support.serving import Running, peer, serving
from support.streams import Recorder, make_hub, until

CONFIG = "homeassistant/device/sightline/door/config"
TOML = """
public_url = "https://cams.example"
[streams.door]
stages = ["ids"]
[streams.door.zones.drive]
points = [[0.4, 0.0], [0.6, 0.0], [0.6, 1.0], [0.4, 1.0]]
[streams.door.lines.gate]
points = [[0.5, 1.0], [0.5, 0.0]]
[streams.door.rules.night]
zone = "drive"
classes = ["person"]
actions = ["mqtt"]
[streams.door.rules.quiet]
actions = ["notify"]
[[outputs]]
kind = "mqtt"
host = "127.0.0.1"
home_assistant = true
control = true
"""


@asynccontextmanager
async def served(folder: Path, port: int, toml: str = TOML) -> AsyncGenerator[Running]:
    (folder / "sightline.toml").write_text(f"{toml}port = {port}\n")
    env = install_ids(folder / "site")
    async with serving("--model", "nano", "--engine", "onnx", env=env, cwd=folder, data=folder / "data") as server:
        yield server


async def test_a_stream_is_a_device_with_states_events_and_commands(tmp_path: Path) -> None:
    port = free_port()
    async with broker(tmp_path, port), listening(port) as ha, served(tmp_path, port) as server:
        await ha.until(lambda: CONFIG in ha.kept)
        async with peer(f"{server.ws}/ws/camera/door") as camera:
            for seq, x in enumerate((0.1, 0.3, 0.45, 0.55)):
                await see(camera, seq, x)
            await the_states(ha)
            await the_commands(ha, server)
            await what_is_removed(ha, server)
            await ha.say("homeassistant/status", "online")
            told = len(ha.of(CONFIG))
            await ha.until(lambda: len(ha.of(CONFIG)) > told)
        await ha.until_state("sightline/door/live", "OFF")
        async with listening(port) as later:
            await later.until(lambda: CONFIG in later.kept and "sightline/door/live" in later.kept)
            retained = {topic for topic, _, kept in later.heard if kept}
            assert {CONFIG, "sightline/$availability", "sightline/door/occupancy", "sightline/door/picture"} <= retained
            assert not [topic for topic in retained if topic.endswith(("/event", "/alert", "/set"))]
        assert ha.state("sightline/$availability") == "online"
        server.process.kill()
        await ha.until_state("sightline/$availability", "offline")


async def the_states(ha: Listener) -> None:
    """What Home Assistant reads of a person who has walked over the line and is in the zone."""
    await ha.until_state("sightline/door/zone/drive/class/person", "1")
    await ha.until_state("sightline/door/line/gate/in", "1")
    parts = check_device(CONFIG, ha.kept[CONFIG])
    assert json.loads(ha.kept[CONFIG])["device"]["configuration_url"] == "https://cams.example/view/door"
    with_state = {ident: one for ident, one in parts.items() if one["platform"] not in ("event", "camera", "image")}
    states = {ident: ha.state(one["state_topic"]) for ident, one in with_state.items()}
    assert states == {
        "live": "ON",
        "occupancy": "ON",
        "detection": "ON",
        "model": "nano",
        "rule.night": "ON",
        "rule.quiet": "ON",
        "line.gate.in": "1",
        "line.gate.out": "0",
        "zone.drive.occupancy": "ON",
        "zone.drive.count": "1",
        "zone.drive.class.person": "1",
        "class.person": "1",
    }
    assert parts["class.person"]["unique_id"] == "sightline.door.class.person"
    assert "nano" in parts["model"]["options"]
    await ha.until(lambda: ha.kept.get(parts["picture"]["topic"], b"").startswith(b"\xff\xd8"))
    await ha.until(lambda: len(ha.of("sightline/door/event")) == 3)
    await ha.until(lambda: ha.kept.get(parts["event.picture"]["image_topic"], b"").startswith(b"\xff\xd8"))
    happened = ha.of("sightline/door/event")
    assert [(one["event_type"], one["zone"]) for one in happened] == [
        ("zone_start", "drive"),
        ("line_start", "gate"),
        ("line_end", "gate"),
    ]
    assert {one["event_type"] for one in happened} <= set(parts["event"]["event_types"])
    (alert,) = ha.of("sightline/door/alert")
    assert (alert["event_type"], alert["class_name"], alert["zone"]) == ("night", "person", "drive")
    assert parts["alert"]["event_types"] == ["night", "quiet"]


async def the_commands(ha: Listener, server: Running) -> None:
    assert (await server.http.patch("/api/streams/door", json={"name": "Front door"})).is_success
    await ha.until(lambda: json.loads(ha.kept[CONFIG])["device"]["name"] == "Front door")
    await ha.say("sightline/door/detection/set", "OFF")
    await ha.until_state("sightline/door/detection", "OFF")
    assert (await server.stream("door"))["detect"] is False
    await ha.say("sightline/door/detection/set", "ON")
    await ha.until_state("sightline/door/detection", "ON")
    await ha.say("sightline/door/model/set", "motion")
    await ha.until_state("sightline/door/model", "motion")
    await ha.say("sightline/door/rule/night/set", "OFF")
    await ha.until_state("sightline/door/rule/night", "OFF")
    rules = (await server.get("/api/streams/door/rules"))["rules"]
    assert (rules["night"]["rule"]["enabled"], rules["quiet"]["rule"]["enabled"]) == (False, True)
    bad: list[tuple[str, str | bytes]] = [
        ("door/detection", "off"),
        ("door/detection", "x" * 9999),
        ("door/model", "\x00\n"),
        ("door/model", ""),
    ]
    bad += [
        ("door/rule/none", "ON"),
        ("door/rule/night", "on"),
        ("nobody/detection", "ON"),
        ("door/rule/../x", "ON"),
        ("$x/detection", "ON"),
        ("door/detection", b"\xff"),
    ]
    for topic, payload in bad:
        await ha.say(f"sightline/{topic}/set", payload)
    await ha.say("sightline/door/detection/set", "OFF", retain=True)  # obeyed now, and never again
    await ha.until_state("sightline/door/detection", "OFF")
    stats = await server.until(lambda s: s["sinks"][0]["refused"] == len(bad) - 1)
    assert stats["sinks"][0]["failing"] is None
    await ha.say("sightline/door/detection/set", b"", retain=True)


async def what_is_removed(ha: Listener, server: Running) -> None:
    """An entity goes by its platform alone, then it is left out; what was retained for it is gone."""
    assert (await server.http.delete("/api/streams/door/zones/drive")).status_code == 204
    await ha.until(lambda: "zone.drive.count" not in json.loads(ha.kept[CONFIG])["components"])
    going, gone = [check_device(CONFIG, json.dumps(one).encode()) for one in ha.of(CONFIG)[-2:]]
    removed = {ident: one for ident, one in going.items() if len(one) == 1}
    assert removed == {
        "zone.drive.occupancy": {"platform": "binary_sensor"},
        "zone.drive.count": {"platform": "sensor"},
        "zone.drive.class.person": {"platform": "sensor"},
    }
    assert gone == {ident: one for ident, one in going.items() if len(one) > 1}
    await ha.until_state("sightline/door/zone/drive/count", "")


@asynccontextmanager
async def told(port: int, **more: Any) -> AsyncGenerator[tuple[Hub, Dispatcher]]:
    """A hub that tells Home Assistant, stopped as a server stops it."""
    hub = make_hub()
    given = {"kind": "mqtt", "host": "127.0.0.1", "port": port, "home_assistant": True}
    table = OutputTable.model_validate(given | more)
    async with dispatchers(hub, [table]) as (only,):
        yield hub, only
        hub.close("the server is shutting down")


def event(number: int) -> Event:
    return Event(id=f"e{number}", stream="door", phase="start", kind="zone", at=1.5, seq=number)


async def test_a_broker_that_is_down_and_restarted_is_told_all_again(tmp_path: Path) -> None:
    port = free_port()
    async with told(port) as (hub, only):
        hub.take("door", Recorder())
        await until(lambda: only.trouble is not None)
        for _ in range(2):
            async with broker(tmp_path, port), listening(port) as ha:
                await ha.until_state("sightline/door/live", "ON")
                check_device(CONFIG, ha.kept[CONFIG])
                await ha.until_state("sightline/$availability", "online")
                await until(lambda: only.trouble is None)
                hub.streams["door"].emit(event(1))
                await ha.until(lambda: bool(ha.of("sightline/door/event")))
            await until(lambda: only.trouble is not None)
        async with broker(tmp_path, port), listening(port) as ha:
            await ha.until_state("sightline/$availability", "online")
            hub.close("the server is shutting down")
            await ha.until_state("sightline/$availability", "offline")


@pytest.mark.parametrize(
    ("rights", "lost"),
    [
        ("topic readwrite homeassistant/#\ntopic write sightline/#\n", "sightline/$self/#"),
        ("topic readwrite sightline/#\n", CONFIG),
    ],
)
async def test_a_broker_that_silently_refuses_is_told(
    rights: str, lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(home_assistant, "WAIT_S", 0.5)
    port = free_port()
    why = f"what is sent to {lost} does not come back: expected a user who may write and read there"
    async with broker(tmp_path, port, rights=rights), told(port) as (hub, only):
        hub.take("door", Recorder())
        await until(lambda: only.trouble == why)
        await until(lambda: why in caplog.text)
    async with broker(tmp_path, port), told(port) as (hub, only), listening(port) as ha:
        hub.take("door", Recorder())
        await ha.until(lambda: CONFIG in ha.kept)
        before = len(ha.of(CONFIG))
        await ha.say("homeassistant/status", "online")  # all is sent again, after the least time for that
        await ha.until(lambda: len(ha.of(CONFIG)) > before)
        assert only.trouble is None


async def test_without_control_nothing_can_be_set(tmp_path: Path) -> None:
    port = free_port()
    async with broker(tmp_path, port), listening(port) as ha, told(port) as (hub, only):
        stream = hub.take("door", Recorder())
        await ha.until_state("sightline/door/detecting", "ON")
        parts = check_device(CONFIG, ha.kept[CONFIG])
        assert not [one for one in parts.values() if "command_topic" in one]
        await ha.say("sightline/door/detection/set", "OFF")
        await ha.say("homeassistant/status", "online")
        before = len(ha.of(CONFIG))
        await ha.until(lambda: len(ha.of(CONFIG)) > before)
        assert stream.detect
        assert only.refused == 0


async def test_devices_of_streams_that_are_no_more_are_removed_and_those_of_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_assistant, "GONE_S", 0.2)
    port, names = free_port(), NodeNames("sightline")
    old = StreamView(name="old", classes=("person",), zones={"drive": ZoneView(classes=("dog",))})
    payload = json.dumps(device(names, old, entities(names, old, control=False), 0, None))
    foreign = {"homeassistant/device/sightline/theirs/config": '{"device":{"identifiers":["x"]},"origin":{"name":"x"}}'}
    foreign |= {"homeassistant/device/other/old/config": payload, "homeassistant/device/sightline/bad/config": "{"}
    async with broker(tmp_path, port), listening(port) as ha:
        for topic, kept in foreign.items():
            await ha.say(topic, kept, retain=True)
        await ha.say(names.config("old"), payload, retain=True)
        await ha.say(names.config("door"), payload.replace("old", "door"), retain=True)
        await ha.say("sightline/old/class/person", "3", retain=True)
        async with told(port) as (hub, _):
            hub.take("door", Recorder())
            await ha.until_state(names.config("old"), "")
            await ha.until_state("sightline/old/class/person", "")
            await ha.until_state("sightline/door/class/person", "0")  # counted before, so it still is
            parts = check_device(CONFIG, ha.kept[CONFIG])
            assert "zone.drive.count" not in parts, "that zone is no more"
    assert {topic: ha.state(topic) for topic in foreign} == foreign


@pytest.mark.parametrize(
    "answer", [None, b"HTTP/1.1 400 no\r\n\r\n", b"\x20\x02\x00\x05", b"\x20\xff\xff\xff\xff\x01", b"\x20\x02\x00\x00"]
)
async def test_a_broker_that_is_none_costs_nothing_but_its_own_line(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(client, "ANSWER_S", 0.3)
    monkeypatch.setattr(home_assistant, "WAIT_S", 0.3)  # the last one accepts, and says nothing more
    visits: set[asyncio.Task[None]] = set()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        visits.add(task)
        try:
            await reader.read(10)
            writer.write(answer or b"")
            if answer is not None:
                await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(visit, "127.0.0.1", 0)
    async with server, told(server.sockets[0].getsockname()[1]) as (hub, only):
        stream = hub.take("door", Recorder())
        await until(lambda: only.trouble is not None)
        stream.emit(event(1))
        await until(lambda: len(visits) > 1)
        assert len([one for one in caplog.records if one.levelname != "INFO"]) == 1
        for task in visits:
            task.cancel()
        await asyncio.gather(*visits, return_exceptions=True)


@given(topic=st.text(max_size=60), payload=st.binary(max_size=300), retained=st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_command_raises(topic: str, payload: bytes, retained: bool) -> None:
    hub = make_hub()
    hub.take("door", Recorder())
    hub.supervisor.closing = True  # what is to be done later is not
    commands = Commands(NodeNames("sightline"), hub, "*")
    for ending in ("", "detection/set", "model/set", "rule/x/set"):
        commands.take(f"{topic}/{ending}", payload, retained=retained)
        commands.take(f"sightline/{topic}/{ending}", payload, retained=retained)
        commands.take(f"sightline/door/{ending}", payload, retained=retained)
    assert commands.refused > 0


@given(
    classes=st.lists(st.text(min_size=1, max_size=20), max_size=12),
    zones=st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,10}", fullmatch=True), max_size=40, unique=True),
    lines=st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,10}", fullmatch=True), max_size=64, unique=True),
    control=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_names_make_a_valid_device(classes: list[str], zones: list[str], lines: list[str], control: bool) -> None:
    view = StreamView(
        name="door",
        counts=dict.fromkeys(classes, 1),
        classes=tuple(classes),
        zones={zone: ZoneView(dict.fromkeys(classes, 2), tuple(classes)) for zone in zones},
        lines=dict.fromkeys(lines, (1, 2)),
        rules=dict.fromkeys(lines, True),
        model="nano",
    )
    names = NodeNames("sightline")
    found = entities(names, view, control=control)
    assert len(found) <= MOST_ENTITIES
    check_device(CONFIG, json.dumps(device(names, view, found, 1, None)).encode())


def test_classes_have_ids_that_tell_them_apart() -> None:
    assert [slug(one) for one in ("person", "dining table", "T-shirt")] == ["person", "dining_table", "T-shirt"]
    assert len({slug(one) for one in ("ä", "ö", "a/b", "a+b", "a_b")}) == 5
