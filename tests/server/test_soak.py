"""Peers that come and go, stall, vanish in the middle of things or send too much: the server stays as it was."""

from __future__ import annotations

import asyncio
import base64
import gc
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import psutil
import pytest
import pytest_asyncio

from sightline.core.mailbox import Mailbox
from sightline.server.app import create_app
from sightline.server.uvicorn_server import Server
from sightline.server.uvicorn_websocket import TimedWebSocket
from sightline.settings.settings import load_settings
from sightline.streams.subscription import Subscription
from sightline.transports.websocket.publisher import WebSocketPublisher
from support.serving import Json, Peer, Running, balanced, metadata, peer, serving
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDLE_S = 2.0
SIZE = (640, 480)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving(env={"SIGHTLINE_IDLE_TIMEOUT": str(IDLE_S), "SIGHTLINE_MAX_FPS": "240"}) as s:
        yield s


def noise() -> bytes:
    """A JPEG of some 350 KB: two of them fill the buffers between the server and a peer that doesn't read."""
    image = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


BIG = noise()


def message(opcode: int, data: bytes) -> bytes:
    """A WebSocket message from a client, masked with zeros."""
    return bytes((0x80 | opcode, 0x80 | 127)) + len(data).to_bytes(8, "big") + bytes(4) + data


class Raw:
    """A connection that reads nothing but the answer to its request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def abort(self) -> None:
        self.writer.transport.abort()


async def request(url: str, path: str, *, end: str = "\r\n") -> Raw:
    """Ask for something and read nothing. With another ``end`` the request stays unfinished."""
    site = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (site.hostname, site.port))
    raw = Raw(*await asyncio.open_connection(sock=connection, limit=1024))
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    upgrade += base64.b64encode(bytes(16)).decode() + "\r\n"
    head = f"GET {path} HTTP/1.1\r\nHost: {site.netloc}\r\n{upgrade if path.startswith('/ws') else ''}{end}"
    await raw.send(head.encode())
    if path.startswith("/ws"):
        assert b" 101 " in await within(raw.reader.readuntil(b"\r\n\r\n"), 30)
    return raw


async def show(camera: Peer, seq: int) -> None:
    """One big frame, and its answer."""
    await camera.ws.send(metadata(seq, width=SIZE[0], height=SIZE[1]))
    await camera.ws.send(BIG)
    answer, _ = await camera.next("result", "dropped")
    assert answer["frameNumber"] == seq


async def misbehave(url: str, name: str) -> None:
    """A camera, viewers of every kind and half-sent things; all vanish in the middle of what they do."""
    ws = url.replace("http", "ws")
    async with AsyncExitStack() as stack:
        camera = await stack.enter_async_context(peer(f"{ws}/ws/camera/{name}"))
        await show(camera, 0)
        good = await stack.enter_async_context(peer(f"{ws}/ws/view/{name}"))
        raws = [
            await request(url, f"/ws/view/{name}"),
            await request(url, f"/ws/view/{name}?render=server"),
            await request(url, f"/mjpeg/{name}"),
            await request(url, "/ws"),
            await request(url, "/stats", end=""),
            half := await request(url, f"/ws/camera/{name}-half"),
        ]
        announced = metadata(0, width=SIZE[0], height=SIZE[1]).encode()
        await half.send(message(1, announced) + message(2, BIG)[: len(BIG) // 2])
        for seq in range(1, 4):
            await show(camera, seq)
            await good.next("frame_metadata")
        await camera.ws.send(metadata(4, width=SIZE[0], height=SIZE[1]))
        for raw in raws:
            raw.abort()
        for p in (camera, good):
            p.ws.transport.abort()


async def reload(url: str, name: str) -> None:
    """Pages that open their sockets and are left at once."""
    ws = url.replace("http", "ws")
    for path in (f"/ws/view/{name}", f"/ws/camera/{name}", "/ws"):
        (await request(url, path)).abort()
        async with peer(f"{ws}{path}") as p:
            p.ws.transport.abort()


async def until(holds: Callable[[], Any], what: Callable[[], Any]) -> None:
    """Wait until it holds; fail with what was seen."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(what())


# Coming and going


async def test_memory_descriptors_and_threads_return_to_what_they_were(server: Running) -> None:
    process = psutil.Process(server.process.pid)
    descriptors = process.num_fds()

    async def rounds(count: int) -> tuple[int, float]:
        for _ in range(count):
            await misbehave(server.url, "soak")
            await reload(server.url, "soak")
        await server.until(
            lambda stats: (
                process.num_fds() <= descriptors
                and not any(s["in_flight"] or s["viewers"] for s in stats["streams"].values())
            )
        )
        assert all(balanced(s) for s in (await server.get("/stats"))["streams"].values())
        return process.num_threads(), process.memory_info().rss / 2**20

    threads, memory = await rounds(6)
    threads_after, memory_after = await rounds(20)
    assert threads_after < threads + 5  # a pool may not have been full yet; one of each session would be 20
    assert memory_after < memory + 16  # each round brings in 1.7 MB of pictures
    assert "Traceback" not in "".join(server.log)


async def test_tasks_and_objects_of_a_session_end_with_it() -> None:
    loops: list[asyncio.AbstractEventLoop] = []
    urls: list[str] = []

    def ready(url: str, _: str | None) -> None:
        loops.append(asyncio.get_running_loop())
        urls.append(url)

    settings = load_settings(port=0, idle_timeout=IDLE_S)
    served = Server(create_app(settings), settings, ready)
    running = threading.Thread(target=served.serve_forever)
    running.start()
    try:
        await until(lambda: urls, lambda: "the server did not start")

        def left() -> Counter[str]:
            gc.collect()
            kinds = (WebSocketPublisher, Subscription, Mailbox, TimedWebSocket)
            found = Counter(type(thing).__name__ for thing in gc.get_objects() if type(thing) in kinds)
            found["tasks"] = len(asyncio.all_tasks(loops[0]))
            return found

        async with peer(f"{urls[0].replace('http', 'ws')}/ws/camera/inside") as camera:
            await show(camera, 0)  # the model is ready
        await until(lambda: not left()["TimedWebSocket"], left)
        before = left()
        for _ in range(3):
            await misbehave(urls[0], "inside")
            await reload(urls[0], "inside")
        await until(lambda: left() <= before, lambda: f"{left()}, at first {before}")
    finally:
        served.should_exit = True
        await asyncio.to_thread(running.join)


async def test_the_server_lets_go_of_peers_that_neither_read_nor_leave(server: Running) -> None:
    descriptors = psutil.Process(server.process.pid).num_fds()
    async with peer(f"{server.ws}/ws/camera/stalled") as camera:
        await show(camera, 0)
        raws = [
            await request(server.url, "/ws/view/stalled"),
            await request(server.url, "/ws/view/stalled?render=server"),
            await request(server.url, "/mjpeg/stalled"),
            await request(server.url, "/ws?stream=silent"),  # nothing to read but a ping
            await request(server.url, "/ws/camera/stalled-half"),
        ]
        await raws[-1].send(message(1, metadata(0).encode()) + message(2, BIG)[:1000])
        await server.until(lambda s: s["streams"]["stalled"]["viewers"] == 3 and "stalled-half" in s["streams"])
        seq = 0

        def gone(stats: Json) -> bool:
            streams = stats["streams"]
            open_now = psutil.Process(server.process.pid).num_fds()
            return not streams["stalled"]["viewers"] and open_now <= descriptors + 1  # the camera is still there

        async with asyncio.timeout(30):
            while not gone(await server.get("/stats")):
                seq += 1
                await show(camera, seq)
        for raw in raws:
            raw.abort()
    assert "Traceback" not in "".join(server.log)


async def test_a_viewer_that_is_only_slow_is_kept(server: Running) -> None:
    """Its answers to pings come late, behind the pictures that wait before it: it moves on all the same."""
    async with peer(f"{server.ws}/ws/camera/thin") as camera:
        await show(camera, 0)
        slow = await request(server.url, "/ws/view/thin")
        started = time.monotonic()
        seq = 0
        while time.monotonic() - started < 1.5 * IDLE_S:
            seq += 1
            await show(camera, seq)
            assert await within(slow.reader.read(16 * 1024), 30)
        stream = await server.stream("thin")
        assert stream["viewers"] == 1
        assert stream["viewer_stats"][0]["dropped"] > 0  # it was slow indeed
        slow.abort()


async def test_a_stop_does_not_wait_for_peers_that_read_nothing() -> None:
    async with serving() as server:
        async with peer(f"{server.ws}/ws/camera/stop") as camera:
            await show(camera, 0)
            raws = [await request(server.url, path) for path in ("/ws/view/stop", "/mjpeg/stop", "/ws")]
            raws.append(await request(server.url, "/stats", end=""))
            for seq in range(1, 6):
                await show(camera, seq)
            server.process.terminate()
            assert (await camera.refused())["code"] == "shutting_down"
        assert await within(server.process.wait(), 10) == 0
        for raw in raws:
            raw.abort()


# Too much at once


async def test_overload_never_piles_up(server: Running) -> None:
    count = 600
    async with peer(f"{server.ws}/ws/camera/flood") as camera:

        async def send() -> None:
            for seq in range(count):
                await camera.ws.send(metadata(seq, width=SIZE[0], height=SIZE[1]))
                await camera.ws.send(BIG)
                await asyncio.sleep(0.0025)  # more than 1,000 messages a second would end the session

        sending = asyncio.create_task(send())
        answers: list[tuple[int, str]] = []
        while len(answers) < count:
            answer, _ = await camera.next("result", "dropped")
            answers.append((answer["frameNumber"], answer.get("reason", "result")))
            if len(answers) % 10 == 0:
                stream = await server.stream("flood")
                assert stream["in_flight"] <= 2, "one waits, one is with the model"
                assert balanced(stream)
        await sending
    assert sorted(seq for seq, _ in answers) == list(range(count))
    results = [seq for seq, how in answers if how == "result"]
    assert results == sorted(results)
    assert results[-1] == max(seq for seq, how in answers if how != "rate"), "the newest wins"
    assert len(results) < count, "there was an overload"


async def test_answers_stay_as_young_however_long_it_runs(server: Running) -> None:
    """With so many frames under way, an answer is of one of the last so many, but where the machine stands still."""
    most = 3
    async with peer(f"{server.ws}/ws/camera/young") as camera, peer(f"{server.ws}/ws/camera/other") as other:

        async def distract() -> None:
            for seq in range(1 << 30):
                await show(other, seq)

        distracting = asyncio.create_task(distract())
        ages: list[int] = []
        sent = waiting = 0
        while len(ages) < 200:
            while waiting < most:
                await camera.send_frame(sent)
                sent += 1
                waiting += 1
            answer, _ = await camera.next("result", "dropped")
            waiting -= 1
            if answer["type"] == "result":
                ages.append(sent - 1 - answer["frameNumber"])
        distracting.cancel()
    assert median(ages) <= most
    assert median(ages[-50:]) <= median(ages[:50]) + 1


async def test_notices_of_dropped_frames_pace_who_waits_for_them(server: Running) -> None:
    """Else a camera that nobody watches would send as fast as the network can. No machine is too slow for the limit."""
    async with peer(f"{server.ws}/ws/camera/unwatched?results=0") as camera:
        started = time.monotonic()
        for seq in range(10):
            await camera.send_frame(seq)
            answer, _ = await camera.next("dropped")
            assert (answer["frameNumber"], answer["reason"]) == (seq, "unwatched")
        assert time.monotonic() - started > 10 / 30 * 0.9


async def test_slow_viewers_cost_the_good_one_no_frame(server: Running) -> None:
    async with (
        peer(f"{server.ws}/ws/camera/shared") as camera,
        peer(f"{server.ws}/ws/view/shared") as good,
    ):
        raws = [await request(server.url, "/ws/view/shared") for _ in range(5)]
        raws.append(slow := await request(server.url, "/ws/view/shared"))
        await server.until(lambda s: s["streams"]["shared"]["viewers"] == 7)
        for seq in range(100):
            await show(camera, seq)
            shown, _ = await good.next("frame_metadata")
            assert shown["frameNumber"] == seq
            if seq % 10 == 0:
                await within(slow.reader.read(1024), 30)
        stats = await server.stream("shared")
        sent = sorted(viewer["sent"] for viewer in stats["viewer_stats"])
        assert sent[-1] == 100
        assert all(one < 50 for one in sent[:-1]), "the others did stall"
        for raw in raws:
            raw.abort()
