"""Events and alerts go to outputs: a file, a web server, a broker, and one with a fault."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sightline.core.events import Action, Event, Phase
from sightline.outputs import _dispatcher
from sightline.outputs._dispatcher import BACKLOG, Dispatcher
from sightline.outputs._service import dispatchers
from sightline.outputs.base import Item, Output
from sightline.outputs.mqtt import MqttSettings
from sightline.outputs.mqtt import open as open_mqtt
from sightline.settings.outputs import OutputTable
from sightline.streams.hub import Hub
from support.receivers import GARBAGE, Hook, broker, hook, received
from support.rtsp import free_port
from support.serving import Json
from support.streams import Recorder, frame, make_hub, result, until
from support.waiting import within


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


@pytest.mark.parametrize("again", [b"x", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["a line", "promises"])
async def test_a_webhook_whose_answer_never_ends_is_tried_again_and_let_go(again: bytes) -> None:
    async with hook(lambda n: again if n == 1 else 204) as web:
        table = {"kind": "webhook", "url": web.url, "every_s": 0, "timeout_s": 1, "what": ["events"]}
        async with sending(table) as (hub, (dispatcher,)):
            hub.streams["door"].emit(event(0))
            await until(lambda: dispatcher.failing is not None)
            assert dispatcher.failing == "no whole answer came within 1 s"
            await until(lambda: not web.visits)
            await until(lambda: dispatcher.sent == 1)


async def test_a_webhook_that_redirects_to_what_is_no_address_is_not_followed(caplog: pytest.LogCaptureFixture) -> None:
    async with hook(lambda _: b"HTTP/1.1 302 -\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n") as web:
        table = {"kind": "webhook", "url": web.url, "every_s": 0, "what": ["events"]}
        async with sending(table) as (hub, (dispatcher,)):
            hub.streams["door"].emit(event(0))
            await until(lambda: dispatcher.lost == 1)
            assert dispatcher.failing == "HTTP status 302"
    assert not [one for one in caplog.records if one.exc_info and one.name.startswith("sightline")]


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


class Flapping(Faulty):
    """An output that takes a batch and fails with the next, as a broker does that ends the connection after each."""

    async def send(self, batch: Sequence[Item]) -> None:
        self.calls += 1
        if self.calls % 2 == 0:
            raise OSError("not connected")


async def test_an_output_that_works_now_and_then_fills_no_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_dispatcher, "FIRST_S", 0.01)
    caplog.set_level("INFO", _dispatcher.__name__)
    hub = make_hub()
    only = Dispatcher(Flapping(), "*", ["events"])
    running = asyncio.create_task(only.run(hub))
    hub.take("door", Recorder())
    await asyncio.sleep(0)
    for number in range(6):
        hub.streams["door"].emit(event(number))
    await until(lambda: only.sent == 6)
    assert [record.message for record in caplog.records] == [
        "output faulty: not connected; events wait for it",
        "output faulty works again; 0 were lost",
    ]
    hub.close("the server is shutting down")
    await running


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves that socket to Python
async def test_a_broker_that_wants_tls_or_has_none_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither says so: the one waits for its handshake, the other ends the connection."""
    pytest.importorskip("aiomqtt")
    monkeypatch.setattr("sightline.outputs.mqtt.client.ANSWER_S", 0.3)
    port = free_port()

    async def trouble(port: int, *, tls: bool) -> str:
        settings = {"kind": "mqtt", "host": "127.0.0.1", "port": port, "tls": tls}
        output = open_mqtt(MqttSettings.model_validate(settings))
        with pytest.raises(OSError, match=r"TLS|tls") as told:
            await output.send([Item("results", "door", b"{}")])
        return str(told.value)

    async with broker(tmp_path, port):
        assert (await trouble(port, tls=True)).endswith("; does the broker speak TLS at this port?")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        expected = "it does not answer within 0.3 s; a broker that wants TLS needs tls = true"
        assert await trouble(silent.getsockname()[1], tls=False) == expected
    gc.collect()


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
