"""The operator's sinks at a real server: a file, a web server, a broker; and a stream whose sink stalls."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sightline.core.errors import ConfigError
from sightline.outputs._service import check_sinks
from sightline.outputs.jsonl import JsonlOutlet
from sightline.settings.outputs import JsonlSink
from sightline.settings.settings import load_settings
from support.rtsp import free_port
from support.serving import Json, Running, peer, serving

FPS = 240


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


@dataclass
class Hook:
    """A web server that does as ``answer`` says: a status, or None for silence."""

    answer: Callable[[int], int | None]
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    visits: set[asyncio.Task[None]] = field(default_factory=set)

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.visits.add(task)
        try:
            await self.serve(reader, writer)
        finally:
            writer.close()
            self.visits.discard(task)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            told = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            self.bodies.append(await reader.readexactly(int(told["content-length"])))
            self.headers.append(told)
            status = self.answer(len(self.bodies))
            if status is None:
                await reader.read()
            else:
                writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()


@asynccontextmanager
async def hook(answer: Callable[[int], int | None]) -> AsyncGenerator[Hook]:
    found = Hook(answer)
    server = await asyncio.start_server(found.visit, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found.url = f"http://127.0.0.1:{port}/hook/secret-path"
    try:
        yield found
    finally:
        server.close()
        for task in list(found.visits):  # one that hangs would keep its connection beyond the test's loop
            task.cancel()
        if found.visits:
            await asyncio.wait(found.visits)


async def test_every_result_is_a_line_of_the_file(tmp_path: Path) -> None:
    toml = '[[sinks]]\nkind = "jsonl"\nstream = "door"\npath = "door.jsonl"\n'
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
    outlet = JsonlOutlet(JsonlSink(stream="*", kind="jsonl", path=tmp_path / "a.jsonl", max_bytes=1024, keep=2))
    for n in range(40):
        await outlet.send([("door", json.dumps({"n": n, "pad": "x" * 80}).encode())])
    await outlet.close()
    files = [tmp_path / name for name in ("a.jsonl.2", "a.jsonl.1", "a.jsonl")]
    assert listing(tmp_path) == sorted(files)
    assert all(f.stat().st_size <= 1024 for f in files)
    kept = [json.loads(line)["n"] for f in files for line in f.read_text().splitlines()]
    assert kept == list(range(kept[0], 40)), "in order, none lost between files"


async def test_a_webhook_gets_signed_batches_and_is_tried_again(tmp_path: Path) -> None:
    async with hook(lambda n: 503 if n == 1 else 204) as web:
        toml = f'[[sinks]]\nkind = "webhook"\nurl = "{web.url}"\nsecret = "s3cret"\nevery_s = 0.2\nbatch = 8\n'
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
        toml = f'[[sinks]]\nkind = "webhook"\nurl = "{web.url}"\nevery_s = 0\n'
        async with configured(tmp_path, toml) as server:
            await publish(server, 5)
            stats = await server.until(lambda s: sink(s)["lost"] == 5)
            assert (sink(stats)["sent"], sink(stats)["failing"]) == (0, "HTTP status 400")


async def test_a_hook_that_hangs_holds_no_stream_up_and_its_losses_are_counted(tmp_path: Path) -> None:
    async with hook(lambda _: None) as web:
        toml = f'[[sinks]]\nkind = "webhook"\nurl = "{web.url}"\nevery_s = 0\nbatch = 10\ntimeout_s = 100\n'
        async with configured(tmp_path, toml) as server:
            await publish(server, 700)
            stats = await server.get("/stats")
            assert stats["streams"]["door"]["delivered"] == 700
            told = sink(stats)
            assert told["sent"] == 0
            assert told["lost"] + told["waiting"] == 700
            assert told["lost"] > 0
        assert server.process.returncode == 0, "nor the server's end"


@asynccontextmanager
async def broker(folder: Path, port: int) -> AsyncGenerator[None]:
    """A real mosquitto."""
    path = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/opt/homebrew/sbin")
    if path is None:
        pytest.skip("no mosquitto: make broker installs it")
    conf = folder / "mosquitto.conf"
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = await asyncio.create_subprocess_exec(path, "-c", str(conf), stderr=asyncio.subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


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
    toml = f'[[sinks]]\nkind = "mqtt"\nhost = "127.0.0.1"\nport = {port}\ntopic = "cams/{{stream}}"\nqos = 1\n'
    async with configured(tmp_path, toml) as server:
        got: list[Json] = []
        ready = asyncio.Event()
        listening = asyncio.create_task(received(port, got, ready))
        try:
            async with broker(tmp_path, port):
                await asyncio.wait_for(ready.wait(), 30)
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
    (tmp_path / "sightline.toml").write_text(f"[[sinks]]\n{toml}\n")
    with pytest.raises(ConfigError, match=said):
        check_sinks(load_settings().sinks)


@pytest.mark.parametrize("toml", ['kind = "fax"', 'kind = "jsonl"', 'kind = "mqtt"\nhost = "x"\nqos = 2'])
def test_wrong_settings_name_their_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sightline.toml").write_text(f"[[sinks]]\n{toml}\n")
    with pytest.raises(ConfigError, match="sinks"):
        load_settings()
