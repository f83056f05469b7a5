"""Bare ``websockets``: one picture to everybody who is connected, so many times a second."""

from __future__ import annotations

import asyncio
import base64
from multiprocessing import get_context
from typing import Any

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

running: list[Any] = []


def _serve(pipe: Any, picture: bytes, fps: float) -> None:
    async def stay(ws: ServerConnection) -> None:
        await ws.wait_closed()

    async def run() -> None:
        async with serve(stay, "127.0.0.1", 0, compression=None) as server:
            pipe.send(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            while True:
                await asyncio.sleep(1 / fps)
                broadcast(server.connections, picture)

    uvloop.run(run())


def start(job: dict[str, Any]) -> dict[str, Any]:
    """Start the server, and say where it is."""
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(theirs, base64.b64decode(job["picture"]), job["fps"]), daemon=True)
    process.start()
    running.append(process)
    return {"url": ours.recv(), "pid": process.pid}


def stop(_: dict[str, Any]) -> dict[str, Any]:
    """End the server."""
    running.pop().kill()
    return {}


JOBS = {"start": start, "stop": stop}
