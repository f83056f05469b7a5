"""Receivers of outputs: a web server that does as it is told, and a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from support.serving import Json

GARBAGE = -1


@dataclass
class Hook:
    """A web server that does as ``answer`` says: a status, ``GARBAGE``, bytes again and again, or None for silence."""

    answer: Callable[[int], int | bytes | None]
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """The first line of each request."""
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
            self.requests.append(head[0])
            status = self.answer(len(self.bodies))
            if status is None:
                await reader.read()
            elif isinstance(status, bytes):
                while True:
                    writer.write(status)
                    await writer.drain()
                    await asyncio.sleep(0.01)
            elif status == GARBAGE:
                writer.write(b"no HTTP at all\r\n")
                await writer.drain()
            else:
                writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()


@asynccontextmanager
async def hook(answer: Callable[[int], int | bytes | None], port: int = 0) -> AsyncGenerator[Hook]:
    found = Hook(answer)
    server = await asyncio.start_server(found.visit, "127.0.0.1", port)
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


def parts(web: Hook, number: int) -> list[Message]:
    """The parts of a form that a web server got."""
    head = f"Content-Type: {web.headers[number]['content-type']}\r\n\r\n".encode()
    form = message_from_bytes(head + web.bodies[number])
    return [part for part in form.walk() if not part.is_multipart()]


def bytes_of(part: Message) -> bytes:
    """What a part carries."""
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data


async def answering(port: int) -> None:
    """Wait until somebody listens on a port of this machine."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def broker(folder: Path, port: int, *, rights: str = "") -> AsyncGenerator[None]:
    """A real mosquitto. ``rights`` are the lines of its access control list; without any everybody may do all."""
    path = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/opt/homebrew/sbin")
    if path is None:
        pytest.skip("no mosquitto: make broker installs it")
    conf = folder / "mosquitto.conf"
    acl = folder / "acl"
    acl.write_text(rights)
    limits = f"user root\nacl_file {acl}\n" if rights else ""  # another user could not read the file
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{limits}")
    process = await asyncio.create_subprocess_exec(path, "-c", str(conf), stderr=asyncio.subprocess.DEVNULL)
    try:
        await answering(port)
        yield
    finally:
        process.terminate()
        await process.wait()


async def received(port: int, into: list[Json], ready: asyncio.Event) -> None:
    """Take what a broker has under ``cams``, and once it is back what it has then."""
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
