"""The operator's sinks at a real server: a file, a web server, a broker; and a stream whose sink stalls."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sightline.core.errors import ConfigError
from sightline.outputs._service import check_outputs
from sightline.outputs.base import Item
from sightline.outputs.jsonl import JsonlOutput, JsonlSettings
from sightline.settings.settings import load_settings
from support.receivers import broker, hook, received
from support.rtsp import free_port
from support.serving import Json, Running, peer, serving
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
        ('kind = "webhook"\nurl = "http://x:99999/"', "http:// or https://"),
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
        ('kind = "mqtt"\nhost = "x"\nhome_assistant = "yes"', r"1 \(mqtt\): home_assistant: .*boolean"),
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
