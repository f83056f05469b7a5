"""A real server in a process of its own, and peers that speak the wire as any client would."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import ssl
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx2
import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from support.waiting import within

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]
KEPT = ("SIGHTLINE_MODEL", "SIGHTLINE_PLACE")
"""Settings of the environment that a server under test gets."""


class Log(list[str]):
    """The last lines that a server wrote, and how much it wrote in all."""

    bytes = 0
    tracebacks = 0
    first = ""
    """The first traceback, as far as it goes."""

    def write(self, line: str) -> None:
        self.append(line)
        self.bytes += len(line.encode())
        self.tracebacks += "Traceback" in line
        if self.tracebacks and len(self.first) < 20000:
            self.first += line
        del self[:-2000]


@dataclass
class Running:
    """A server under test."""

    url: str
    process: asyncio.subprocess.Process
    http: httpx2.AsyncClient
    log: Log = field(default_factory=Log)

    @property
    def ws(self) -> str:
        return self.url.replace("http", "ws")

    @property
    def tcp(self) -> str:
        found = re.search(r"tcps?://\S+", "".join(self.log))
        assert found, "the server was not started with --tcp-port"
        return found[0]

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path)
        return answer.json()

    async def stream(self, name: str) -> Json:
        stats = await self.get("/stats")
        return dict(stats["streams"][name])

    async def said(self, text: str, *, seconds: float = 60) -> None:
        """Wait until the server has said that, on its output or in its log."""
        async with asyncio.timeout(seconds):
            while True:
                if text in "".join(self.log):
                    return
                await asyncio.sleep(0.02)

    async def until(self, holds: Callable[[Json], bool], *, path: str = "/stats", seconds: float = 60) -> Json:
        """Wait until an answer satisfies ``holds``; fail with the last answer."""
        last: Json = {}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    last = await self.get(path)
                    if holds(last):
                        return last
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{path} stayed at {json.dumps(last)[:2000]}\n{''.join(self.log)[-2000:]}") from None


@asynccontextmanager
async def serving(
    *options: str,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    data: Path | None = None,
    ready: bool = True,
) -> AsyncGenerator[Running]:
    """``sightline serve`` with these options on a free port, ``ready`` for frames or not yet.

    ``data``: its folder; without it, one of its own that is thrown away.
    """
    with tempfile.TemporaryDirectory(prefix="sightline-data-") as folder:
        given = {"SIGHTLINE_DATA": str(data or folder)} | (env or {})
        async with _serving(*options, env=given, cwd=cwd, data=data, ready=ready) as running:
            yield running


@asynccontextmanager
async def _serving(
    *options: str, env: dict[str, str], cwd: Path | None, data: Path | None, ready: bool
) -> AsyncGenerator[Running]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SIGHTLINE_") or k in KEPT}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sightline", "serve", "--port", "0", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=clean | env,
        cwd=cwd or ROOT / "tests",
    )
    assert process.stdout is not None
    log = Log()
    try:
        url = await _address(process.stdout, log)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
        raise
    reading = asyncio.create_task(_read(process.stdout, log))
    try:
        verify = trusting(data) if data is not None and url.startswith("https") else True
        async with httpx2.AsyncClient(base_url=url, timeout=30, verify=verify) as http:
            running = Running(url, process, http, log)
            if ready:
                await running.until(lambda r: bool(r["ready"]), path="/ready", seconds=60)
            yield running
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            await within(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"the server did not end by itself: {''.join(log)[-2000:]}") from None
        finally:
            await reading


async def _address(stream: asyncio.StreamReader, log: Log) -> str:
    """Where a server that starts can be reached from this machine."""
    while True:
        line = (await within(stream.readline(), 60)).decode()
        assert line, f"the server ended: {''.join(log)}"
        log.write(line)
        if found := re.findall(r"https?://\S+", line):
            return str(found[-1])


async def _read(stream: asyncio.StreamReader, log: Log) -> None:
    while line := await stream.readline():
        log.write(line.decode())


def trusting(data: Path) -> ssl.SSLContext:
    """Trusts the authority of the server with that data folder, and nobody else."""
    return ssl.create_default_context(cafile=data / "tls" / "ca.crt")


def left(seed: int) -> int:
    """Where the square of a picture begins: it jumps by more than its width."""
    return 20 + seed * 67 % 240


def picture(seed: int = 0, width: int = 320, height: int = 180) -> bytes:
    """A JPEG with a bright square that moves with the seed."""
    image = np.full((height, width, 3), 40, np.uint8)
    x = left(seed)
    image[60:120, x : x + 50] = (40, 200, 240)
    return bytes(cv2.imencode(".jpg", image)[1])


async def endless() -> AsyncIterator[bytes]:
    """Pictures, one after the other."""
    for seq in itertools.count():
        yield picture(seq)


def pixels(data: bytes, *, grey: bool = False) -> NDArray[np.uint8]:
    """A picture's pixels, as they are in the file."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if grey else cv2.IMREAD_COLOR)
    assert image is not None, "not a picture"
    return image.astype(np.uint8, copy=False)


def metadata(seq: int, *, width: int = 320, height: int = 180, timestamp: float = 0.0) -> str:
    """A camera's announcement of a frame."""
    return json.dumps(
        {
            "type": "frame_metadata",
            "timestamp": timestamp,
            "frameNumber": seq,
            "width": width,
            "height": height,
            "format": "jpeg",
        }
    )


class Peer:
    """One WebSocket peer; text messages are JSON."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws

    async def send_frame(self, seq: int, jpeg: bytes | None = None) -> None:
        await self.ws.send(metadata(seq, timestamp=1000.0 + seq))
        await self.ws.send(picture(seq) if jpeg is None else jpeg)

    async def receive(self) -> tuple[Json, bytes | None]:
        """The next text message, with the binary one that it announces."""
        text = await within(self.ws.recv(), 30)
        assert isinstance(text, str), f"expected text, got {len(text)} bytes"
        message: Json = json.loads(text)
        data = None
        if "jpeg_bytes" in message or "mask_bytes" in message:
            follows = await within(self.ws.recv(), 30)
            assert isinstance(follows, bytes)
            assert len(follows) == message.get("jpeg_bytes", 0) + message.get("mask_bytes", 0)
            data = follows
        return message, data

    async def next(self, *types: str) -> tuple[Json, bytes | None]:
        """The next message of one of these types."""
        while True:
            message, data = await self.receive()
            if message["type"] in types:
                return message, data

    async def refused(self) -> Json:
        """The error that the server ends this session with."""
        message, _ = await self.next("error")
        with contextlib.suppress(ConnectionClosed):
            while True:
                await within(self.ws.recv(), 30)
        return message


@asynccontextmanager
async def peer(url: str, **options: Any) -> AsyncGenerator[Peer]:
    """Connect to a WebSocket of the server."""
    async with connect(url, max_size=None, compression=None, **options) as ws:
        yield Peer(ws)


@asynccontextmanager
async def camera(server: Running, name: str) -> AsyncGenerator[None]:
    """Pictures that change, as long as it lasts."""

    async def send() -> None:
        async with peer(f"{server.ws}/ws/camera/{name}") as publisher:
            for seq in itertools.count():
                await publisher.send_frame(seq, picture(seq))
                await publisher.next("result", "dropped")
                await asyncio.sleep(0.1)

    sending = asyncio.create_task(send())
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def publish(camera: Peer, count: int, *, start: int = 0) -> Counter[str]:
    """Send frames one at a time, each after the answer to the one before."""
    answers: Counter[str] = Counter()
    for seq in range(start, start + count):
        await camera.send_frame(seq)
        answer, _ = await camera.next("result", "dropped")
        assert answer["frameNumber"] == seq
        answers[answer["type"]] += 1
    return answers


def balanced(stream: Json) -> bool:
    """Every frame that was received is accounted for."""
    settled = stream["delivered"] + sum(stream["dropped"].values()) + stream["failed"]
    return bool(stream["received"] == settled + stream["in_flight"])
