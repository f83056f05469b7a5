"""A server that is killed while things happen: each has one start and one end, and who listened heard each once."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos.common import Finding
from sightline.client import AsyncClient, Event
from support.ids import install_ids
from support.rtsp import free_port
from support.serving import Running, peer, picture, serving

LIVES, SHORT = 12, 2
"""Times that the server is started and killed."""
LIFE_S = 0.2, 2.5
"""Shortest and longest time from its start to its death."""
PATIENCE_S = 60.0
SEED = 7
TOML = """
[streams.door]
stages = ["ids"]
zones.drive.points = [[0.4, 0.0], [0.6, 0.0], [0.6, 1.0], [0.4, 1.0]]
lines.gate.points = [[0.5, 1.0], [0.5, 0.0]]
"""


@dataclass
class Heard:
    """What one listener heard, over all lives."""

    url: str
    events: list[Event] = field(default_factory=list)

    async def listen(self) -> None:
        """Listen for as long as it takes, with a moment of sleep now and then."""
        async with AsyncClient(self.url) as client:
            async for event in client.events():
                self.events.append(event)
                if len(self.events) % 40 == 0:
                    await asyncio.sleep(0.2)

    @property
    def numbers(self) -> list[int]:
        return [event.number for event in self.events]


async def walk(server: Running) -> None:
    """Be the camera of somebody who walks to and fro, and lose the connection every few frames."""
    seq = 0
    while True:
        async with peer(f"{server.ws}/ws/camera/door") as camera:
            for _ in range(random.randint(2, 40)):
                seq += 1
                x = 320 * random.choice((0.1, 0.3, 0.45, 0.55, 0.7, 0.9))
                row = {"class_id": 0, "confidence": 0.9, "xyxy": [x - 8, 100, x + 8, 160]}
                results = {
                    "model": "nano",
                    "backend": "wasm",
                    "threads": 1,
                    "processing_time_ms": 3,
                    "detections": [row],
                }
                meta = {"type": "frame_metadata", "timestamp": 1e6 + seq * 100, "frameNumber": seq, "results": results}
                await camera.ws.send(json.dumps(meta | {"width": 320, "height": 180}))
                await camera.ws.send(picture(seq))
                await camera.next("result", "dropped")
                await asyncio.sleep(0.01)


async def switch(server: Running) -> None:
    """Give the stream one model after the other, and change its zones."""
    while True:
        for model in ("motion", "nano"):
            with suppress(Exception):
                await server.http.patch("/api/streams/door", json={"model": model})
            zone = {"points": [[0.2, 0.0], [0.5, 0.0], [0.5, 1.0]]}
            with suppress(Exception):
                await server.http.put("/api/streams/door/zones/left", json=zone)
                await server.http.delete("/api/streams/door/zones/left")
            await asyncio.sleep(0.3)


def stalled(server: Running) -> socket.socket:
    """Ask for all events, and read none."""
    host, port = server.url.removeprefix("http://").split(":")
    made = socket.create_connection((host, int(port)))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.sendall(f"GET /api/events/live?after=0 HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return made


async def life(server: Running) -> None:
    """Let things happen, then kill the server in the midst of it."""
    with closing(stalled(server)):
        busy = [asyncio.create_task(walk(server)), asyncio.create_task(switch(server))]
        await asyncio.sleep(random.uniform(*LIFE_S))
        server.process.kill()
        await server.process.wait()
        for task in busy:
            task.cancel()
        await asyncio.wait(busy)


def stored(folder: Path) -> list[tuple[int, str, str]]:
    """Return number, id and phase of all that is in the store."""
    with closing(sqlite3.connect(folder / "data" / "events" / "events.db")) as db:
        return db.execute("SELECT number, id, phase FROM messages ORDER BY number").fetchall()


async def lives(folder: Path, count: int) -> tuple[list[Heard], list[tuple[int, str, str]]]:
    """Kill a server so many times; what was heard, and what is stored in the end."""
    env = install_ids(folder / "site")
    (folder / "sightline.toml").write_text(TOML)
    http, tcp = free_port(), free_port()
    heard = [Heard(f"ws://127.0.0.1:{http}"), Heard(f"tcp://127.0.0.1:{tcp}")]
    listening: list[asyncio.Task[None]] = []
    options = ("--model", "nano", "--engine", "onnx", "--port", str(http), "--tcp-port", str(tcp))
    for n in range(count + 1):
        async with serving(*options, env=env, cwd=folder, data=folder / "data") as server:
            if not listening:
                listening = [asyncio.create_task(one.listen()) for one in heard]
                await asyncio.sleep(0.5)  # they hear of nothing that was before them
            if n < count:
                await life(server)
                continue
            newest = stored(folder)[-1][0]  # what lasted at the last death has its end
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    while any(one.numbers[-1:] != [newest] for one in heard):  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(0.05)
            for task in listening:
                task.cancel()
            await asyncio.wait(listening)
    return heard, stored(folder)


async def happenings(short: bool) -> Sequence[Finding]:
    """All lives, then the count."""
    random.seed(SEED)
    count = SHORT if short else LIVES
    with tempfile.TemporaryDirectory() as name:
        heard, rows = await lives(Path(name), count)
    phases = Counter((id, phase) for _, id, phase in rows if phase != "update")
    ids = {id for id, _ in phases}
    wrong = sum(phases[id, "start"] != 1 or phases[id, "end"] != 1 for id in ids)
    missed = sum(one.numbers != [number for number, _, _ in rows] for one in heard)
    held = bool(ids) and wrong == 0 and missed == 0
    return [
        Finding(
            f"kill -9 of a server {count} times while somebody walks: reconnects, other models, a stalled reader",
            "each happening has one start and one end, and who comes back hears each event once",
            f"{len(ids)} happenings, {wrong} without exactly one start and one end; {len(rows)} events, of "
            f"{len(heard)} listeners {missed} heard others",
            held,
            held,
        )
    ]
