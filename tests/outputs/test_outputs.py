"""The operator's sinks at a real server: a file, a web server, a broker; and a stream whose sink stalls."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sightline.core.errors import ConfigError
from sightline.core.events import Action, Event, Phase
from sightline.outputs._dispatcher import BACKLOG, Dispatcher
from sightline.outputs._service import check_outputs, dispatchers
from sightline.outputs.base import Item, Output
from sightline.outputs.jsonl import JsonlOutput, JsonlSettings
from sightline.settings.outputs import OutputTable
from sightline.settings.settings import load_settings
from sightline.streams.hub import Hub
from support.receivers import GARBAGE, Hook, broker, hook
from support.rtsp import free_port
from support.serving import Json, Running, peer, serving
from support.streams import Recorder, frame, make_hub, result
from support.waiting import within

FPS = 240
KINDS = "command, jsonl, mqtt, webhook"
RESULTS = '[[outputs]]\nkind = "webhook"\nwhat = ["results"]\n'


@asynccontextmanager
async def configured(folder: Path, toml: str) -> AsyncGenerator[Running]:
    (folder / "sightline.toml").write_text(f"max_fps = {FPS}\n{toml}")
    async with serving("--model", "motion", cwd=folder) as server:
        yield server


async def publish(server: Running, results: int, stream: str = "door") -> list[int]:
    """The numbers of so many frames that got results. The camera has no use for them: only the sink does."""
    got: list[int] = []
    seq = 0
    async with peer(f"{server.ws}/ws/camera/{stream}?results=0") as camera:
        while len(got) < results:
            await camera.send_frame(seq)
            answer, _ = await camera.next("result", "dropped")
            assert answer["type"] == "result" or answer["reason"] == "rate"
            await asyncio.sleep(1 / FPS)  # the notice of a frame that came too early is later than that
            got += [seq] if answer["type"] == "result" else []
            seq += 1
    return got


def listing(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def sink(stats: Json) -> Json:
    (only,) = stats["sinks"]
    return dict(only)


async def test_every_result_is_a_line_of_the_file(tmp_path: Path) -> None:
    toml = '[[outputs]]\nkind = "jsonl"\nstream = "door"\npath = "door.jsonl"\n'
    async with configured(tmp_path, toml) as server:
        sent = await publish(server, 20)
        async with peer(f"{server.ws}/ws/camera/other?results=0") as camera:
            await camera.send_frame(0)
            await camera.next("dropped")
        stats = await server.until(lambda s: sink(s)["sent"] == 20)
        assert (sink(stats)["lost"], sink(stats)["failing"]) == (0, None)
        assert stats["streams"]["door"]["delivered"] == 20, "what is recorded is wanted"
        assert stats["streams"]["other"]["dropped"] == {"unwatched": 1}
    lines = [json.loads(line) for line in (tmp_path / "door.jsonl").read_text().splitlines()]
    assert [line["seq"] for line in lines] == sent
    assert {"stream", "source", "timestamp", "detections", "model", "width"} <= set(lines[0])


async def test_full_files_are_numbered_and_the_oldest_go(tmp_path: Path) -> None:
    given = {"kind": "jsonl", "path": tmp_path / "a.jsonl", "max_bytes": 1024, "keep": 2}
    output = JsonlOutput(JsonlSettings.model_validate(given))
    for n in range(40):
        await output.send([Item("results", "door", json.dumps({"n": n, "pad": "x" * 80}).encode())])
    await output.close()
    files = [tmp_path / name for name in ("a.jsonl.2", "a.jsonl.1", "a.jsonl")]
    assert listing(tmp_path) == sorted(files)
    assert all(f.stat().st_size <= 1024 for f in files)
    kept = [json.loads(line)["n"] for f in files for line in f.read_text().splitlines()]
    assert kept == list(range(kept[0], 40)), "in order, none lost between files"


async def test_a_webhook_gets_signed_batches_and_is_tried_again(tmp_path: Path) -> None:
    async with hook(lambda n: 503 if n == 1 else 204) as web:
        toml = f'{RESULTS}url = "{web.url}"\nsecret = "s3cret"\nevery_s = 0.2\nbatch = 8\n'
        async with configured(tmp_path, toml) as server:
            sent = await publish(server, 20)
            stats = await server.until(lambda s: sink(s)["sent"] == 20)
            assert "secret" not in json.dumps(stats), "an address may be a secret"
            assert not any("secret-path" in line for line in server.log)
    assert web.bodies[0] == web.bodies[1], "the first was refused"
    for body, headers in zip(web.bodies, web.headers, strict=True):
        right = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
        assert headers["sightline-signature"] == f"sha256={right}"
    got = [json.loads(body)["results"] for body in web.bodies[1:]]
    assert [r["seq"] for batch in got for r in batch] == sent
    assert max(map(len, got)) <= 8


async def test_a_hook_that_refuses_loses_its_batch_which_is_counted(tmp_path: Path) -> None:
    async with hook(lambda _: 400) as web:
        toml = f'{RESULTS}url = "{web.url}"\nevery_s = 0\n'
        async with configured(tmp_path, toml) as server:
            await publish(server, 5)
            stats = await server.until(lambda s: sink(s)["lost"] == 5)
            assert (sink(stats)["sent"], sink(stats)["failing"]) == (0, "HTTP status 400")


async def test_a_hook_that_hangs_holds_no_stream_up_and_its_losses_are_counted(tmp_path: Path) -> None:
    async with hook(lambda _: None) as web:
        toml = f'{RESULTS}url = "{web.url}"\nevery_s = 0\nbatch = 10\ntimeout_s = 100\n'
        async with configured(tmp_path, toml) as server:
            await publish(server, 700)
            stats = await server.get("/stats")
            assert stats["streams"]["door"]["delivered"] == 700
            told = sink(stats)
            assert told["sent"] == 0
            assert told["lost"] + told["waiting"] == 700
            assert told["lost"] > 0
        assert server.process.returncode == 0, "nor the server's end"


async def received(port: int, into: list[Json], ready: asyncio.Event) -> None:
    aiomqtt = pytest.importorskip("aiomqtt")
    while True:
        try:
            async with aiomqtt.Client("127.0.0.1", port) as client:
                await client.subscribe("cams/#")
                ready.set()
                async for message in client.messages:
                    into.append({"topic": str(message.topic)} | json.loads(message.payload))
        except aiomqtt.MqttError:
            await asyncio.sleep(0.05)


async def test_a_broker_gets_each_result_and_again_after_it_was_gone(tmp_path: Path) -> None:
    port = free_port()
    toml = f'[[outputs]]\nkind = "mqtt"\nhost = "127.0.0.1"\nport = {port}\ntopic = "cams/{{stream}}"\nqos = 1\n'
    async with configured(tmp_path, toml) as server:
        got: list[Json] = []
        ready = asyncio.Event()
        listening = asyncio.create_task(received(port, got, ready))
        try:
            async with broker(tmp_path, port):
                await within(ready.wait(), 30)
                sent = await publish(server, 10)
                await server.until(lambda s: sink(s)["sent"] == 10)
            ready.clear()
            await publish(server, 5)
            await server.until(lambda s: sink(s)["failing"] is not None)
            async with broker(tmp_path, port):
                stats = await server.until(lambda s: sink(s)["sent"] == 15)
                assert (sink(stats)["failing"], sink(stats)["lost"]) == (None, 0)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    assert [m["seq"] for m in got[:10]] == sent
    assert {m["topic"] for m in got} == {"cams/door"}


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('kind = "jsonl"\npath = "nowhere/a.jsonl"', "no folder nowhere"),
        ('kind = "webhook"\nurl = "ftp://x"', "http:// or https://"),
    ],
)
def test_what_cannot_work_is_told_before_the_server_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sightline.toml").write_text(f"[[outputs]]\n{toml}\n")
    with pytest.raises(ConfigError, match=said):
        check_outputs(load_settings().outputs)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('path = "x"', f"output number 1: kind is missing: expected one of {KINDS}"),
        (
            'kind = "fax"',
            rf"output number 1 \(fax\): no plugin 'fax' in outputs: expected one of {KINDS}",
        ),
        ('kind = "mqtt"\nhost = "x"\ncontrol = true', r"1 \(mqtt\): control without home_assistant: expected both"),
        ('kind = "mqtt"\nhost = "x"\nwhat = []', r"1 \(mqtt\): what is empty: expected results, events or alerts, or"),
        ('kind = "jsonl"', r"output number 1 \(jsonl\): path is missing"),
        ('kind = "jsonl"\npath = "x"\npth = 1', r"unknown key 'pth': expected one of kind, stream, what, path"),
        ('kind = "mqtt"\nhost = "x"\nqos = 2', r"output number 1 \(mqtt\): qos: Input should be 0 or 1"),
        ('kind = "mqtt"\nhost = "x"\nwhat = ["all"]', r"what.0: Input should be 'results', 'events' or 'alerts'"),
    ],
)
def test_wrong_settings_name_their_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sightline.toml").write_text(f"[[outputs]]\n{toml}\n")
    with pytest.raises(ConfigError, match=said):
        check_outputs(load_settings().outputs)


def test_the_earlier_name_of_the_tables_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sightline.toml").write_text('[[sinks]]\nkind = "jsonl"\npath = "a.jsonl"\n')
    assert [output.kind for output in check_outputs(load_settings().outputs)] == ["jsonl"]
    monkeypatch.setenv("SIGHTLINE_SINKS", '[{"kind": "webhook", "url": "http://x/hidden"}]')
    settings = load_settings()
    assert [output.kind for output in check_outputs(settings.outputs)] == ["webhook"]
    assert "hidden" not in repr(settings), "an address may be a secret"
    monkeypatch.setenv("SIGHTLINE_OUTPUTS", "[]")
    with pytest.raises(ConfigError, match="the same setting"):
        load_settings()


# Events


def event(number: int, stream: str = "door") -> Event:
    return Event(id=f"e{number}", stream=stream, phase="start", kind="object", at=1.5, seq=number)


@asynccontextmanager
async def sending(*tables: dict[str, Any]) -> AsyncGenerator[tuple[Hub, list[Dispatcher]]]:
    """A hub with two live streams and these outputs, stopped as a server stops it."""
    hub = make_hub()
    async with dispatchers(hub, [OutputTable(**table) for table in tables]) as found:
        hub.take("door", Recorder())
        hub.take("yard", Recorder())
        await asyncio.sleep(0)
        yield hub, found
        hub.close("the server is shutting down")


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110 - figures, of which nobody tells
            await asyncio.sleep(0.01)


async def test_a_webhook_that_answers_garbage_is_tried_again() -> None:
    async with hook(lambda n: GARBAGE if n == 1 else 204) as web:
        table = {"kind": "webhook", "url": web.url, "every_s": 0, "what": ["events"]}
        async with sending(table) as (hub, (dispatcher,)):
            hub.streams["door"].emit(event(0))
            await until(lambda: dispatcher.failing is not None)
            assert "BadStatusLine" in str(dispatcher.failing)
            await until(lambda: dispatcher.sent == 1)
            assert (dispatcher.failing, dispatcher.lost) == (None, 0)
    assert len(web.bodies) == 2


async def test_events_reach_a_file_and_a_webhook(tmp_path: Path) -> None:
    async with hook(lambda _: 204) as web:
        file = {"kind": "jsonl", "path": tmp_path / "events.jsonl", "stream": "door", "what": ["events"]}
        both = {"kind": "webhook", "url": web.url, "every_s": 0.1, "what": ["results", "events"]}
        results = {"kind": "webhook", "url": web.url, "every_s": 0.1, "stream": "yard", "what": ["results"]}
        async with sending(file, both, results) as (hub, found):
            for number in range(3):
                hub.streams["door"].emit(event(number))
                hub.streams["yard"].emit(event(number, "yard"))
            await until(lambda: [one.sent for one in found] == [3, 6, 0])
            hub.streams["yard"].emit(event(3, "yard"))
            yard = hub.streams["yard"]
            yard.put(frame(0, "yard"))
            taken = yard.take()
            assert taken is not None
            yard.deliver(result(taken.frame))
            await until(lambda: [one.sent for one in found] == [3, 8, 1])
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert lines[0] == {
        "type": "event",
        "id": "e0",
        "stream": "door",
        "phase": "start",
        "kind": "object",
        "at": 1.5,
        "seq": 0,
    }
    assert [line["id"] for line in lines] == ["e0", "e1", "e2"]
    bodies = [json.loads(body) for body in web.bodies]
    assert set(bodies[0]) == {"events"}, "a list is there only where it has something"
    assert [(one["stream"], one["id"]) for one in bodies[0]["events"] if one["stream"] == "door"] == [
        ("door", "e0"),
        ("door", "e1"),
        ("door", "e2"),
    ]
    assert {"results", "events"} in [set(body) for body in bodies]
    assert {"results"} in [set(body) for body in bodies]


async def test_an_output_that_hangs_loses_the_oldest_events_and_counts_them() -> None:
    async with hook(lambda _: None) as web:
        table = {"kind": "webhook", "url": web.url, "every_s": 0, "batch": 10, "timeout_s": 100, "what": ["events"]}
        async with sending(table) as (hub, (only,)):
            for number in range(BACKLOG + 100):
                hub.streams["door"].emit(event(number))
                await asyncio.sleep(0)
            await until(lambda: bool(web.bodies))
            assert only.sent == 0
            assert only.lost + only.waiting == BACKLOG + 100
            assert only.lost > 0


def alert(number: int, *actions: Action, phase: Phase = "start") -> Event:
    return Event(
        id=f"a{number}", stream="door", phase=phase, kind="rule", at=1.5, seq=number, rule="night", actions=actions
    )


async def test_a_webhook_gets_events_by_default_and_those_of_rules_that_name_webhooks() -> None:
    async with hook(lambda _: 204) as web, hook(lambda _: 204) as alerts:
        tables = [
            {"kind": "webhook", "url": web.url, "every_s": 0.05},
            {"kind": "webhook", "url": alerts.url, "every_s": 60, "what": ["alerts"]},
        ]
        async with sending(*tables) as (hub, found):
            sent = [event(0), alert(1, "notify"), alert(2, "webhook"), alert(2, "webhook", phase="end")]
            hub.streams["door"].emit(*sent, alert(3, "mqtt", "webhook"))
            await until(lambda: [one.sent for one in found] == [4, 2])
            assert [one.lost for one in found] == [0, 0], "what is for others is not lost"
    assert ids(web) == ["e0 start", "a2 start", "a2 end", "a3 start"]
    assert ids(alerts) == ["a2 start", "a3 start"], "at once, whatever every_s says"


async def test_a_file_has_the_events_of_all_rules(tmp_path: Path) -> None:
    table = {"kind": "jsonl", "path": tmp_path / "events.jsonl", "what": ["events"]}
    async with sending(table) as (hub, (only,)):
        hub.streams["door"].emit(alert(1, "notify"), alert(2))
        await until(lambda: only.sent == 2)


def ids(web: Hook) -> list[str]:
    """The events that a web server got, in order."""
    return [f"{one['id']} {one['phase']}" for body in web.bodies for one in json.loads(body)["events"]]


class Faulty(Output):
    """An output with a fault: its first two batches raise what no output may raise."""

    name, batch, every_s = "faulty", 1, 0.0
    retries: int | None = None

    def __init__(self) -> None:
        self.calls = 0

    async def send(self, batch: Sequence[Item]) -> None:
        self.calls += 1
        if self.calls <= 2:
            raise KeyError("nobody thought of that")

    async def close(self) -> None:
        return


async def test_a_faulty_output_loses_a_batch_says_so_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    hub = make_hub()
    only = Dispatcher(Faulty(), "*", ["events"])
    running = asyncio.create_task(only.run(hub))
    hub.take("door", Recorder())
    await asyncio.sleep(0)
    for number in range(3):
        hub.streams["door"].emit(event(number))
    await until(lambda: only.sent == 1)
    assert (only.lost, only.failing) == (2, None)
    assert [record.message for record in caplog.records if record.exc_info] == [
        "output faulty failed; said once until it works again"
    ]
    hub.close("the server is shutting down")
    await running


async def test_events_reach_a_broker(tmp_path: Path) -> None:
    port = free_port()
    got: list[Json] = []
    ready = asyncio.Event()
    table = {"kind": "mqtt", "host": "127.0.0.1", "port": port, "topic": "cams/{stream}/{what}", "qos": 1}
    async with broker(tmp_path, port):
        listening = asyncio.create_task(received(port, got, ready))
        try:
            await within(ready.wait(), 30)
            async with sending(table | {"what": ["events"]}) as (hub, _):
                for number in range(3):
                    hub.streams["door"].emit(event(number))
                await until(lambda: len(got) == 3)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    assert [(one["topic"], one["id"]) for one in got] == [("cams/door/events", f"e{n}") for n in range(3)]


OUTSIDE = """
from pathlib import Path
from typing import Literal

from sightline.core.errors import ConfigError
from sightline.outputs.base import Output, OutputSettings


class Settings(OutputSettings):
    kind: Literal["counter"]
    path: Path


def check(settings):
    if settings.path.suffix != ".count":
        raise ConfigError("path: expected one that ends in .count")


def open(settings):
    return Counter(settings.path)


class Counter(Output):
    name, batch, every_s, retries = "counter", 100, 0.0, None

    def __init__(self, path):
        self.path = path

    async def send(self, batch):
        with self.path.open("a") as file:
            file.write("".join(f"{item.what} {item.stream}\\n" for item in batch))

    async def close(self):
        return
"""


async def test_an_output_from_another_package(tmp_path: Path) -> None:
    package = tmp_path / "site"
    (package / "elsewhere").mkdir(parents=True)
    (package / "elsewhere" / "__init__.py").write_text(OUTSIDE)
    info = package / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sightline.outputs]\ncounter = elsewhere\n")
    (tmp_path / "sightline.toml").write_text('[[outputs]]\nkind = "counter"\npath = "a.count"\n')
    path = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
    async with serving("--model", "motion", cwd=tmp_path, env={"PYTHONPATH": path}) as server:
        await publish(server, 3)
        await server.until(lambda s: sink(s)["sent"] == 3)
    assert (tmp_path / "a.count").read_text() == "results door\n" * 3
