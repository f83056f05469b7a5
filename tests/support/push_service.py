"""A push service on this machine, and a browser's half of subscriptions to it, which reads what was sent."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from support.serving import Json
from support.waiting import within


def unpadded(data: bytes) -> str:
    """base64url as browsers write it."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass
class Phone:
    """A browser that subscribed."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = field(default_factory=lambda: os.urandom(16))

    def wants(self, *streams: str) -> Json:
        """What its page sends to the server."""
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        keys = {"p256dh": unpadded(point), "auth": unpadded(self.secret)}
        return {"endpoint": self.endpoint, "keys": keys, "streams": list(streams)}

    def read(self, body: bytes) -> Any:
        """Decrypt a message."""
        import http_ece

        return json.loads(http_ece.decrypt(body, private_key=self.key, auth_secret=self.secret, version="aes128gcm"))


@dataclass
class Pushed:
    """One message as it came to the service."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class PushService:
    """What came, and the status with which each path is answered: 201 where nothing else is said, 0 for silence."""

    origin: str = ""
    answers: dict[str, int] = field(default_factory=dict)
    got: asyncio.Queue[Pushed] = field(default_factory=asyncio.Queue)
    visits: set[asyncio.Task[None]] = field(default_factory=set)

    def phone(self, name: str) -> Phone:
        """A browser whose address here has this name."""
        return Phone(f"{self.origin}/{name}")

    async def next(self) -> Pushed:
        """The next message."""
        return await within(self.got.get(), 30)

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.visits.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self.answer(reader, writer)
        finally:
            writer.close()
            self.visits.discard(task)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(_split(line) for line in rest if line)
        body = await reader.readexactly(int(headers["content-length"]))
        path = first.split(" ")[1]
        self.got.put_nowait(Pushed(path, headers, body))
        status = self.answers.get(path, 201)
        if not status:
            await reader.read()
        more = f"Location: {self.origin}/elsewhere\r\n" if status in (301, 302, 307, 308) else ""
        writer.write(f"HTTP/1.1 {status} -\r\n{more}Content-Length: 0\r\n\r\n".encode())
        await writer.drain()


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name.lower(), value


@asynccontextmanager
async def push_service() -> AsyncGenerator[PushService]:
    """Run one on a free port."""
    found = PushService()
    server = await asyncio.start_server(found.visit, "127.0.0.1", 0)
    found.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        for task in list(found.visits):
            task.cancel()
        if found.visits:
            await asyncio.wait(found.visits)
