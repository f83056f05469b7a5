"""Sightline's side of the race: real servers, with the settings that a first user has."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import psutil
import uvloop
from websockets.asyncio.client import connect

from common import Pipe, child, family_cpu, serving
from fairness import filmed, publish
from peers import saturate
from race.contestants import _stamp
from sightline import AsyncClient
from sightline.client import Result


def cameras(urls: Sequence[str], model: str, seconds: float) -> Any:
    """Let a server read the cameras, and watch all of them with their pictures."""
    sources = [option for i, url in enumerate(urls) for option in ("--source", f"cam{i}={url}")]
    seen = _stamp.Seen(len(urls), seconds)

    async def watch(client: AsyncClient, camera: int) -> None:
        async for result in client.subscribe(f"cam{camera}", pictures=True):
            if result.picture is not None:
                small = cv2.imdecode(np.frombuffer(result.picture, np.uint8), cv2.IMREAD_REDUCED_COLOR_8)
                seen.note(camera, _stamp.read(small, _stamp.BLOCK // 8))

    async def run(url: str) -> None:
        async with AsyncClient(url) as client:
            watching = [asyncio.create_task(watch(client, i)) for i in range(len(urls))]
            while not seen.over:  # noqa: ASYNC110 - the peers wait in the same way
                await asyncio.sleep(0.02)
            for task in watching:
                task.cancel()
            await asyncio.wait(watching)

    with serving("--model", model, "--engine", "onnx", *sources) as server:
        uvloop.run(run(server.ws))
        return seen.answer()


def saturated(
    model: str, jpegs: Sequence[bytes], seconds: float, publishers: int, **settings: object
) -> dict[str, float]:
    """Results a second, and CPU milliseconds for each, with publishers that are paced by their answers."""
    with (
        serving("--model", model, "--engine", "onnx", max_fps=240, **settings) as server,
        child(saturate, server.ws, publishers, 0, jpegs),
    ):
        server.until(lambda stats: stats["processed_frames"] >= 60 * publishers)
        before, cpu, started = server.get(), family_cpu(server.process), time.monotonic()
        time.sleep(seconds)
        after, cpu, took = server.get(), family_cpu(server.process) - cpu, time.monotonic() - started
    frames = after["processed_frames"] - before["processed_frames"]
    return {"results_s": frames / took, "cpu_ms": cpu / frames * 1000}


def viewers(pipe: Pipe, url: str, count: int, acks: bool) -> None:
    """Run viewers. Each message of the pipe is answered with the pictures that all of them got since the last one."""
    got = 0

    async def view() -> None:
        nonlocal got
        async with connect(url, compression=None, max_size=None) as ws:
            seq: bytes | str = ""
            async for message in ws:
                if isinstance(message, str):
                    seq = message
                    continue
                got += 1
                if acks and seq:
                    number = str(seq).partition('"frameNumber":')[2].partition(",")[0].rstrip("}")
                    await ws.send(f'{{"type":"ack","frameNumber":{number}}}')

    async def tell() -> None:
        nonlocal got
        while True:
            await asyncio.to_thread(pipe.recv)
            pipe.send(got)
            got = 0

    async def run() -> None:
        await asyncio.gather(tell(), *(view() for _ in range(count)))

    uvloop.run(run())


def cpu_a_picture(url: str, process: psutil.Process, count: int, seconds: float, *, acks: bool) -> tuple[float, int]:
    """CPU seconds that a server takes while so many view, and the pictures that they got."""
    with child(viewers, url, count, acks) as viewing:
        time.sleep(1.5)
        viewing.send(None)
        viewing.recv()
        cpu = family_cpu(process)
        time.sleep(seconds)
        cpu = family_cpu(process) - cpu
        viewing.send(None)
        return cpu, int(viewing.recv())


def steady(_: Pipe, url: str, fps: float, jpeg: bytes) -> None:
    """Run a camera over TCP that sends so many pictures a second."""

    async def run() -> None:
        async with AsyncClient(url) as client:
            async for _ in client.publish("race", filmed([jpeg], fps), adapt=False):
                pass

    uvloop.run(run())


def equal_cameras(url: str, count: int, fps: float, jpegs: Sequence[bytes], seconds: float) -> list[float]:
    """Results a second of each of some equal cameras that obey the server, after the first ten seconds."""
    with child(publish, url, count, fps, False, jpegs) as publishing:
        time.sleep(10)
        publishing.send(None)
        before, started = publishing.recv(), time.monotonic()
        time.sleep(seconds)
        publishing.send(None)
        after, took = publishing.recv(), time.monotonic() - started
    return [(b - a) / took for a, b in zip(before, after, strict=True)]


def unwatched(urls: Sequence[str], model: str, seconds: float) -> float:
    """Per cent of a core that a server takes with cameras that nobody watches."""
    sources = [option for i, url in enumerate(urls) for option in ("--source", f"cam{i}={url}")]
    with serving("--model", model, "--engine", "onnx", *sources) as server:
        time.sleep(3)
        cpu = family_cpu(server.process)
        time.sleep(seconds)
        return (family_cpu(server.process) - cpu) / seconds * 100


@contextmanager
def _listening(port: int, tcp_port: int) -> Iterator[float]:
    """Run a server on these ports. Gives the time at which it listened on both."""
    command = [sys.executable, "-m", "sightline", "serve", "--model", "motion", "--log-level", "error"]
    env = {k: v for k, v in os.environ.items() if not k.startswith("SIGHTLINE_")}
    process = subprocess.Popen(
        [*command, "--port", str(port), "--tcp-port", str(tcp_port)], stdout=subprocess.DEVNULL, env=env
    )
    try:
        for wanted in (port, tcp_port):
            while True:
                with socket.socket() as trying:
                    if trying.connect_ex(("127.0.0.1", wanted)) == 0:
                        break
                time.sleep(0.002)
        yield time.monotonic()
    finally:
        process.kill()
        process.wait()


def returned_after(transport: str, jpeg: bytes, down_s: float = 3) -> dict[str, float]:
    """Seconds from the moment at which a server listens again until the SDK is connected, and has its first result."""
    with socket.socket() as a, socket.socket() as b:
        for free in (a, b):
            free.bind(("127.0.0.1", 0))
        port, tcp_port = a.getsockname()[1], b.getsockname()[1]
    client = AsyncClient(f"ws://127.0.0.1:{port}" if transport == "ws" else f"tcp://127.0.0.1:{tcp_port}")
    results = 0

    async def pictures() -> AsyncGenerator[bytes]:
        while True:
            yield jpeg
            await asyncio.sleep(0.02)

    async def publish() -> None:
        nonlocal results
        async for answer in client.publish("race", pictures()):
            results += isinstance(answer, Result)

    async def until(holds: Callable[[], bool]) -> float:
        while not holds():  # noqa: ASYNC110 - beside the publisher
            await asyncio.sleep(0.002)
        return time.monotonic()

    async def run() -> dict[str, float]:
        with _listening(port, tcp_port):
            publishing = asyncio.create_task(publish())
            await until(lambda: results >= 20)
        await asyncio.sleep(down_s)
        before, hello = results, client.limits
        again = _listening(port, tcp_port)
        waiting = asyncio.create_task(until(lambda: client.limits is not hello))  # each connection has its own
        listened = await asyncio.to_thread(again.__enter__)
        try:
            connected, answered = await waiting, await until(lambda: results > before)
            return {"back_s": max(0.0, connected - listened), "result_s": answered - listened}
        finally:
            publishing.cancel()
            await asyncio.wait([publishing])
            again.__exit__(None, None, None)

    return asyncio.run(run())
